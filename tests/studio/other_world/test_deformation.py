"""The second generator's expressions on the studio's mesh."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from steadyface.studio import layout
from steadyface.studio.other_world.deformation import CONTROLS, NAMES
from steadyface.studio.other_world.dynamics import spring, stand_in, sway
from steadyface.studio.other_world.film_clip import Set
from steadyface.studio.other_world.mesh_fields import SkinMesh, cotangent_laplacian
from steadyface.studio.other_world.settings import OtherWorldSettings
from steadyface.studio.other_world.span import principal_span, share_outside
from steadyface.studio.scene import Scene


def controls(**values: float) -> np.ndarray:
    found = np.zeros(len(NAMES))
    for name, value in values.items():
        found[NAMES.index(name)] = value
    return found


def test_rest_is_the_neutral_face_and_the_rigid_part_never_moves(stage: Set, scene: Scene) -> None:
    deformation, rigid = stage.deformation, scene.subject.regions["rigid"].numpy()
    np.testing.assert_allclose(deformation.mesh(np.zeros(len(NAMES))), deformation.neutral, atol=1e-9)
    rng = np.random.default_rng(0)
    low, high = np.array(list(CONTROLS.values())).T
    for _ in range(5):
        mesh = deformation.mesh(rng.uniform(low, high))
        np.testing.assert_allclose(mesh[rigid], deformation.neutral[rigid], rtol=0.0, atol=1e-12)


def test_every_control_moves_the_face_by_millimetres(stage: Set) -> None:
    for name, (_, high) in CONTROLS.items():
        moved = np.linalg.norm(stage.deformation.mesh(controls(**{name: high})) - stage.deformation.neutral, axis=1)
        assert 1.0 < moved.max() < 22.0, name


def test_lids_shut_and_keep_off_the_eyeball(stage: Set) -> None:
    neutral = stage.deformation.neutral
    shut = stage.deformation.mesh(controls(lids_left=1.0, lids_right=1.0))
    columns = layout.front_columns(24.0, 38.0)
    upper, lower = (row * layout.COLUMNS + columns for row in (layout.EYE_SLIT_ROW, layout.EYE_SLIT_ROW + 3))

    def gap(mesh: np.ndarray) -> np.ndarray:
        return np.linalg.norm(mesh[upper] - mesh[lower], axis=1)

    assert gap(neutral).mean() > 4.0
    assert gap(shut).max() < 1.5
    eye = neutral[layout.LEFT_EYE.vertices]
    centre = eye.mean(0) + np.array([0.0, 0.0, 9.0])
    assert (np.linalg.norm(shut[upper] - centre, axis=1) > np.linalg.norm(eye - centre, axis=1).max() - 3.0).all()


def test_lips_part_and_the_teeth_go_with_the_jaw(stage: Set) -> None:
    neutral, opened = stage.deformation.neutral, stage.deformation.mesh(controls(jaw_drop=1.0))
    middle = layout.front_columns(-4.0, 4.0)
    upper, lower = (row * layout.COLUMNS + middle for row in (layout.MOUTH_SLIT_ROW, layout.MOUTH_SLIT_ROW + 3))
    assert np.abs(opened[upper] - neutral[upper]).max() < 0.5
    assert (opened[lower, 1] - neutral[lower, 1]).min() > 8.0
    bag = opened[layout.MOUTH.vertices].reshape(layout.MOUTH.rows, layout.MOUTH.columns, 3)
    rim = opened[(layout.MOUTH_SLIT_ROW + 2) * layout.COLUMNS + middle]
    nearest = np.linalg.norm(bag[-1, :, None] - rim[None], axis=-1).min(0)
    assert nearest.max() < 2.5  # the bag stays grown to the lower lip


def test_the_lab_does_not_span_the_expressions(stage: Set, scene: Scene, small: OtherWorldSettings) -> None:
    """A part of the displacements is outside all that the first studio's shapes can make together."""
    some = slice(0, None, 5)  # of the vertices: enough to tell
    shapes = scene.subject.expression_deltas().double().numpy()[:, some]
    neutral = stage.deformation.neutral[some]
    weights = np.random.default_rng(2).uniform(0.0, 1.0, (120, len(shapes)))
    lab = neutral + np.einsum("se,env->snv", weights, shapes)
    span = principal_span(lab, 1.0 - 1e-12)
    performed = stand_in(np.random.default_rng(1), 3.0, small).at(np.arange(24) / 8.0).controls
    meshes = np.stack([stage.deformation.mesh(one)[some] for one in performed])
    assert share_outside(lab, lab.mean(0), span) < 1e-6
    assert len(span) <= len(shapes)
    q, _ = np.linalg.qr(np.concatenate([shapes.reshape(len(shapes), -1), span]).T)
    assert share_outside(meshes, neutral, q.T) > 0.03  # whatever the weights, of either sign


def test_heat_follows_the_surface_and_a_transition_is_bounded() -> None:
    x, y = np.meshgrid(np.arange(12.0), np.arange(12.0))
    points = np.stack([x, y, 0 * x], axis=-1).reshape(-1, 3)
    index = np.arange(144).reshape(12, 12)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    quads = np.stack([np.stack([a, c, b], -1), np.stack([b, c, d], -1)], axis=2)
    slit = np.ones((11, 11), dtype=bool)
    slit[5, :10] = False  # the halves meet in one column alone
    faces = quads[slit].reshape(-1, 3)
    stiffness, mass = cotangent_laplacian(points, faces)
    assert np.abs(stiffness @ np.ones(144)).max() < 1e-9 and mass.sum() == pytest.approx(111.0, rel=1e-3)
    mesh = SkinMesh(points, faces)
    warm = mesh.heat(np.array([index[5, 1]]), 2.0)
    assert warm[index[3, 1]] > 5.0 * warm[index[6, 1]]  # a millimetre across the slit is far
    share = mesh.transition(index[0], index[-1])
    assert share.min() == 0.0 and share.max() == 1.0 and (share[index[0]] == 0).all()


def test_springs_settle_and_sway_has_deviation_one() -> None:
    path = spring(np.ones((720, 1)) * [[2.0]], 2.0, 0.7)
    assert path[-1, 0] == pytest.approx(2.0, abs=1e-3)
    assert sway(np.random.default_rng(0), 40_000, 2, 3.0).std() == pytest.approx(1.0, rel=0.15)


def test_motion_follows_from_the_seed(small: OtherWorldSettings) -> None:
    one, same, other = (stand_in(np.random.default_rng(seed), 1.0, small) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one.controls, same.controls)
    assert np.abs(one.head - other.head).max() > 0.01
    low, high = np.array(list(CONTROLS.values())).T
    assert (one.controls >= low).all() and (one.controls <= high).all()
    assert torch.isfinite(torch.from_numpy(one.phone)).all()
