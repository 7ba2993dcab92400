"""The linear rig against loops, its gradients, and what it refuses to be made of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from steadyface.errors import InputError
from steadyface.rigs.landmarks import Landmarks, embedded
from steadyface.rigs.parts import FACE, PART_NAMES
from steadyface.rigs.rig import UNKNOWN_UNIT, Rig


@pytest.fixture
def rig() -> Rig:
    vertices = torch.randn(7, 3)
    faces = torch.tensor([[0, 1, 2], [2, 3, 4], [4, 5, 6]])
    weights = torch.tensor([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]])
    landmarks = embedded(torch.tensor([[0, 1, 2], [4, 5, 6]]), weights, (17, 30))
    parts = torch.tensor([FACE, PART_NAMES.index("eye_left"), FACE])
    return Rig(
        "test", vertices, faces, torch.rand(7, 2), faces, ("jawOpen", "browDownLeft"), torch.randn(2, 7, 3),
        torch.randn(3, 7, 3), UNKNOWN_UNIT, landmarks, parts,
    )  # fmt: skip


def slow_vertices(rig: Rig, identity: Tensor, expression: Tensor) -> Tensor:
    meshes = []
    for person, weights in zip(identity, expression, strict=True):
        mesh = rig.neutral.clone()
        for weight, mode in zip(person, rig.identity, strict=True):
            mesh += weight * mode
        for weight, delta in zip(weights, rig.expressions, strict=True):
            mesh += weight * delta
        meshes.append(mesh)
    return torch.stack(meshes)


def test_vertices_are_the_weighted_sum(rig: Rig) -> None:
    identity, expression = torch.randn(4, 3), torch.rand(4, 2)
    torch.testing.assert_close(rig.vertices(identity, expression), slow_vertices(rig, identity, expression))


def test_without_identity_modes(rig: Rig) -> None:
    bare = replace(rig, identity=torch.zeros(0, 7, 3))
    torch.testing.assert_close(bare.vertices(torch.zeros(2, 0), torch.zeros(2, 2)), rig.neutral.expand(2, -1, -1))


def test_landmarks_are_weighted_means_of_corners(rig: Rig) -> None:
    meshes = torch.randn(5, 7, 3)
    expected = torch.zeros(5, 2, 3)
    for b in range(5):
        for number, (corners, weights) in enumerate(zip(rig.landmarks.vertices, rig.landmarks.weights, strict=True)):
            for corner, weight in zip(corners, weights, strict=True):
                expected[b, number] += weight * meshes[b, corner]
    torch.testing.assert_close(rig.landmark_points(meshes), expected)


def test_gradients_reach_identity_and_expression(rig: Rig) -> None:
    double = rig.to(dtype=torch.float64)

    def points(identity: Tensor, expression: Tensor) -> Tensor:
        return double.landmark_points(double.vertices(identity, expression))

    inputs = (torch.randn(2, 3, dtype=torch.float64, requires_grad=True),
              torch.rand(2, 2, dtype=torch.float64, requires_grad=True))  # fmt: skip
    assert torch.autograd.gradcheck(points, inputs)


def test_to_keeps_indices_whole(rig: Rig) -> None:
    double = rig.to(dtype=torch.float64)
    assert double.neutral.dtype == double.landmarks.weights.dtype == torch.float64
    assert double.faces.dtype == double.landmarks.vertices.dtype == torch.int64


def test_tracked_and_drawn(rig: Rig) -> None:
    assert rig.tracked_faces.tolist() == [True, False, True]
    assert rig.tracked_vertices.tolist() == [0, 1, 2, 4, 5, 6]
    assert {name: index.tolist() for name, index in rig.eyes.items()} == {"eye_left": [2, 3, 4]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"neutral": torch.full((7, 3), float("nan"))}, "finite neutral"),
        ({"expressions": torch.zeros(2, 6, 3)}, "expressions of shape"),
        ({"expression_names": ("jawOpen", "jawOpen")}, "jawOpen twice"),
        ({"faces": torch.tensor([[0, 1, 2], [2, 3, 4], [4, 5, 7]])}, "0..6 in faces"),
        ({"uv": torch.full((7, 2), 1.5)}, "in [0, 1]"),
        ({"part_of_face": torch.full((3,), PART_NAMES.index("head"))}, "face's skin"),
        ({"landmarks": Landmarks.at_vertices(torch.tensor([9]), (8,))}, "in landmarks"),
    ],
)
def test_what_cannot_be_is_one_clear_line(rig: Rig, change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=r"^test: expected") as error:
        replace(rig, **change)
    assert said in str(error.value)
