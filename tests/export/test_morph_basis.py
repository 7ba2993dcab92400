"""The basis of a track against the singular value decomposition of all its meshes at once."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from steadyface.export.morph_basis import fit_morph_basis
from steadyface.tracking.track import Track


def track_of(vertices: torch.Tensor) -> Track:
    frames = len(vertices)
    return Track(
        time_s=torch.arange(frames).double() / 30, latent=torch.zeros(frames, 1), vertices=vertices,
        rotation=torch.eye(3).repeat(frames, 1, 1), translation=torch.zeros(frames, 3),
        intrinsics=torch.eye(3).repeat(frames, 1, 1), texture_residual=torch.zeros(frames),
    )  # fmt: skip


def meshes_of(track: Track) -> np.ndarray:
    return track.vertices[track.found].double().numpy()


@pytest.fixture(scope="module")
def wobble() -> Track:
    """150 meshes of 40 vertices that move in 20 dimensions, each half as far as the one before, and lost twice."""
    generator = torch.Generator().manual_seed(0)
    sizes = 8.0 * 0.6 ** torch.arange(20.0)
    scores = torch.randn(150, 20, generator=generator) * sizes
    vertices = 50.0 + (scores @ torch.randn(20, 120, generator=generator)).view(150, 40, 3)
    track = track_of(vertices)
    track.found[3], track.found[70:80] = False, False
    track.vertices[~track.found] = torch.nan
    return track


def test_it_holds_the_meshes_as_well_as_any_basis_of_its_size(wobble: Track) -> None:
    basis, meshes = fit_morph_basis(wobble, error_mm=0.5), meshes_of(wobble)
    rows = meshes.reshape(len(meshes), -1)
    left, sizes, right = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
    count = len(basis.shapes)
    best = (left[:, :count] * sizes[:count]) @ right[:count] + rows.mean(0)
    mine = basis.base + np.tensordot(basis.weights.astype(np.float64), basis.shapes, axes=1)
    assert np.abs(mine.reshape(len(rows), -1) - best).max() < 1e-3
    assert np.abs(basis.mean - meshes.mean(0)).max() < 1e-4


def test_the_error_it_names_is_the_error_it_has_and_no_smaller_basis_would_do(wobble: Track) -> None:
    basis, meshes = fit_morph_basis(wobble, error_mm=0.5), meshes_of(wobble)
    mine = basis.base + np.tensordot(basis.weights.astype(np.float64), basis.shapes, axes=1)
    distance = np.linalg.norm(mine - meshes, axis=2)
    assert basis.error_max_mm == pytest.approx(distance.max(), abs=1e-4) and basis.error_max_mm <= 0.5
    assert basis.error_mean_mm == pytest.approx(distance.mean(), abs=1e-4) and basis.error_mean_mm > 1e-3
    assert 4 < len(basis.shapes) < 20
    smaller = fit_morph_basis(wobble, error_mm=0.5, most_shapes=len(basis.shapes) - 4)
    assert smaller.error_max_mm > 0.5 and len(smaller.shapes) == len(basis.shapes) - 4


def test_weights_span_0_to_1_and_rest_at_the_mean(wobble: Track) -> None:
    basis = fit_morph_basis(wobble, error_mm=0.5)
    assert basis.weights.min(0) == pytest.approx(0.0) and basis.weights.max(0) == pytest.approx(1.0)
    assert np.all((basis.weights >= 0) & (basis.weights <= 1))
    resting = basis.base + np.tensordot(basis.resting, basis.shapes, axes=1)
    assert np.abs(resting - basis.mean).max() < 1e-3


def test_more_dimensions_than_are_kept_still_have_their_true_error() -> None:
    vertices = 50.0 + torch.randn(200, 40, 3, generator=torch.Generator().manual_seed(1))
    track = track_of(vertices)
    basis = fit_morph_basis(track, error_mm=0.01)
    mine = basis.base + np.tensordot(basis.weights.astype(np.float64), basis.shapes, axes=1)
    distance = np.linalg.norm(mine - meshes_of(track), axis=2)
    assert len(basis.shapes) == 64 and basis.error_max_mm > 0.01
    assert basis.error_max_mm == pytest.approx(distance.max(), abs=1e-4)


def test_one_mesh_and_a_still_face_need_no_shapes(wobble: Track) -> None:
    one = wobble[0:1]
    still = dataclasses.replace(one[torch.zeros(5, dtype=torch.long)], time_s=torch.arange(5).double())
    for track in (one, still):
        basis = fit_morph_basis(track)
        assert basis.shapes.shape == (0, 40, 3) and basis.weights.shape == (len(track), 0)
        assert np.abs(basis.base - one.vertices[0].numpy()).max() < 1e-5 and basis.error_max_mm < 1e-5
