"""The synthetic head as a rig: symmetric, its modes the generator's parameters, its landmarks in their places."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from steadyface.rigs.enrolment import check_for_enrolment, missing_arkit
from steadyface.rigs.landmarks import GROUPS, MIRRORED
from steadyface.rigs.open_rig import open_rig
from steadyface.rigs.own_head import MEAN_HAIR, MODE_NAMES, mirror_vertex, parameter_deviation
from steadyface.rigs.rig import Rig
from steadyface.studio import layout
from steadyface.studio.anatomy import Shape
from steadyface.studio.build import build_body
from steadyface.studio.subject import Subject


class Symmetric(np.random.Generator):
    """Draws zeros: a person without asymmetry."""

    def normal(self, *args: Any, size: Any = None, **kwargs: Any) -> Any:
        return np.zeros(() if size is None else size)


@pytest.fixture(scope="module")
def rig() -> Rig:
    return open_rig("own")


def test_it_has_what_enrolment_needs(rig: Rig) -> None:
    check_for_enrolment(rig, landmarks=range(68), shapes=("jawOpen", "eyeBlinkLeft", "mouthSmileRight"))
    assert missing_arkit(rig) == ("tongueOut",)
    assert set(rig.eyes) == {"eye_left", "eye_right"}
    assert rig.neutral[rig.eyes["eye_left"], 0].min() > 0 > rig.neutral[rig.eyes["eye_right"], 0].max()


def test_the_mean_is_symmetric(rig: Rig) -> None:
    mirror = torch.tensor([mirror_vertex(vertex) for vertex in range(layout.HEAD.count)])
    flipped = rig.neutral[mirror] * torch.tensor([-1.0, 1.0, 1.0])
    assert (flipped - rig.neutral[: layout.HEAD.count]).abs().max() < 0.05


def test_the_landmarks_mirror_each_other(rig: Rig) -> None:
    points = rig.landmark_points(rig.neutral[None])[0]
    flipped = points[torch.tensor(MIRRORED)] * torch.tensor([-1.0, 1.0, 1.0])
    assert (flipped - points).abs().max() < 0.05


def test_the_landmarks_lie_where_a_face_has_them(rig: Rig) -> None:
    x, y, z = rig.landmark_points(rig.neutral[None])[0].unbind(1)
    groups = {name: torch.tensor(list(group)) for name, group in GROUPS.items()}
    assert (x[groups["right eye"]] < 0).all() and (x[groups["left eye"]] > 0).all()
    assert y[groups["right brow"]].max() < y[groups["right eye"]].min()
    assert y[groups["right eye"]].max() < y[33] < y[51] < y[62] <= y[66] < y[57] < y[8]
    assert int(z.argmin()) == 30  # the nose's tip is what is farthest in front
    assert y[8] > 90 and (y[groups["jaw"]].diff()[:8] > 0).all() and (x[groups["jaw"]].diff() > 0).all()
    assert (y[torch.tensor([37, 38])] < y[torch.tensor([41, 40])]).all()
    lids = torch.cat([groups["right eye"], groups["left eye"]])
    vertex = rig.landmarks.vertices[lids, 0]
    blink = rig.expressions[[rig.expression_names.index(f"eyeBlink{side}") for side in ("Left", "Right")]].sum(0)
    assert blink[vertex[torch.tensor([1, 2, 7, 8])]].norm(dim=1).min() > 4.0  # the upper lids come down


def test_a_person_of_the_generator_is_a_sum_of_modes(rig: Rig) -> None:
    """Parameters drawn at a seed that no test subject has, built whole, against the linear rig."""
    shape = Shape.draw(np.random.default_rng(4711))
    built = torch.from_numpy(build_body(shape, MEAN_HAIR, Symmetric(np.random.PCG64(0))).neutral).float()
    weights = torch.tensor([[getattr(shape, name) for name in MODE_NAMES]]) / parameter_deviation()
    guess = rig.vertices(weights.float(), torch.zeros(1, len(rig.expression_names)))[0]
    tracked = rig.tracked_vertices
    error = (guess - built)[tracked].norm(dim=1)
    off = (rig.neutral - built)[tracked].norm(dim=1)
    assert error.mean() < 0.1 * off.mean() and off.mean() > 1.0  # the rest is what is not linear


def test_the_deviation_is_that_of_what_is_drawn() -> None:
    generator = np.random.default_rng(0)
    drawn = [value for _ in range(1500) for value in vars(Shape.draw(generator)).values()]
    assert parameter_deviation() == pytest.approx(float(np.std(drawn)), rel=0.02)


def test_expressions_are_a_subjects(rig: Rig) -> None:
    subject = Subject(30)
    names = ["jawOpen", "mouthClose", "browInnerUp", "mouthSmileLeft"]
    deltas = subject.expression_deltas()
    for name in names:
        index = rig.expression_names.index(name)
        own, other = rig.expressions[index, rig.tracked_vertices], deltas[index, rig.tracked_vertices]
        assert (own - other).norm() < 0.3 * other.norm(), name


def test_it_is_made_once_and_near_every_mean_person(rig: Rig) -> None:
    body = build_body(Shape(), MEAN_HAIR, np.random.default_rng(0))
    assert rig is open_rig("own")
    assert (torch.from_numpy(body.neutral).float() - rig.neutral).norm(dim=1).max() < 3.0
