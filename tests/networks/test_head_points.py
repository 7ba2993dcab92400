"""The points of the head: which they are, and the pose and expression through them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from steadyface.geometry.cameras import crop_intrinsics, project, transform
from steadyface.networks.head_points import HeadPoints
from steadyface.networks.head_points import farthest_points as choose
from steadyface.networks.point_network import FoundPoints

HERE = torch.tensor([[12.0, -8.0, 520.0]])
TURN = torch.linalg.matrix_exp(torch.tensor([[[0.0, -0.1, 0.2], [0.1, 0.0, -0.15], [-0.2, 0.15, 0.0]]]))


def brute_force(points: Tensor, count: int) -> list[int]:
    chosen = [min(range(len(points)), key=lambda i: float(points[i, 2]))]
    while len(chosen) < count:
        gaps = [min(math.dist(points[i].tolist(), points[j].tolist()) for j in chosen) for i in range(len(points))]
        chosen.append(gaps.index(max(gaps)))
    return chosen


@pytest.mark.parametrize("count", [1, 5, 30])
def test_farthest_points_against_brute_force(count: int) -> None:
    points = torch.randn(30, 3, dtype=torch.float64)
    assert choose(points, count).tolist() == brute_force(points, count)


def test_importance_decides_among_points_equally_far() -> None:
    points = torch.tensor([[0.0, 0.0, -1.0], [10.0, 0.0, 0.0], [-10.0, 0.0, 0.0], [0.0, 12.0, 0.0]])
    importance = torch.tensor([1.0, 1.0, 3.0, 1.0])
    assert choose(points, 2).tolist() == [0, 3]
    assert choose(points, 2, importance).tolist() == [0, 2]


def chosen_points(dome) -> HeadPoints:
    points = HeadPoints(12, 10, 5)
    statistics = dome.statistics
    points.choose(
        statistics.vertex_mean, dome.meshes, dome.whitened, statistics.rigid_vertices, statistics.regions["lips"]
    )
    return points


def test_chosen_points_are_candidates_and_lie_apart(dome) -> None:
    points = chosen_points(dome)
    mean, rigid = dome.statistics.vertex_mean, dome.statistics.rigid_vertices
    still, moving = points.vertices[:12], points.vertices[12:]
    assert set(still.tolist()) <= set(rigid.tolist())
    assert float(torch.pdist(mean[still]).min()) > float(torch.pdist(mean[rigid]).min())
    assert set(moving.tolist()) <= set(dome.statistics.regions["lips"].tolist())
    assert len(points.vertices.unique()) == 22


def test_the_linear_model_gives_the_meshes(dome) -> None:
    points = chosen_points(dome)
    drawn = points.mean + torch.einsum("kiz,fz->fki", points.basis, dome.whitened)
    torch.testing.assert_close(drawn, dome.meshes[:, points.vertices], rtol=0, atol=0.02)


def seen_in_crop(dome, box: list[float]) -> tuple[HeadPoints, FoundPoints, Tensor]:
    """The first meshes' points where they are projected in one crop of a frame of 480 x 640; and its K."""
    points = chosen_points(dome)
    frame = torch.tensor([[[620.0, 0, 239.5], [0, 620.0, 319.5], [0, 0, 1]]])
    intrinsics = crop_intrinsics(frame, torch.tensor([box]), 64).expand(4, 3, 3)
    placed = transform(dome.meshes[:4, points.vertices], TURN.expand(4, 3, 3), HERE.expand(4, 3))
    pixels = project(placed, intrinsics).requires_grad_()
    return points, FoundPoints(pixels, torch.full((4, 22), 0.1, requires_grad=True), torch.zeros(1)), intrinsics


@pytest.mark.parametrize("box", [[80.0, 150.0, 320.0, 320.0], [120.0, 130.0, 280.0, 280.0], [10.0, 60.0, 460.0, 460.0]])
def test_the_crop_changes_k_and_never_the_state(dome, box: list[float]) -> None:
    points, found, intrinsics = seen_in_crop(dome, box)
    state = points.solve(found, intrinsics)
    torch.testing.assert_close(state.rotation, TURN.expand(4, 3, 3), rtol=0, atol=5e-3)
    torch.testing.assert_close(state.translation, HERE.expand(4, 3), rtol=0, atol=2.0)
    # drawn towards the lab's mean a little, as far as the doubt has it
    error = (state.coefficients - dome.whitened[:4])[:, :3].detach().abs().mean()
    assert float(error) < 0.3 * float(dome.whitened[:4, :3].abs().mean())


def test_the_state_does_not_teach_the_doubt(dome) -> None:
    points, found, intrinsics = seen_in_crop(dome, [80.0, 150.0, 320.0, 320.0])
    state = points.solve(found, intrinsics)
    sum(part.sum() for part in state).backward()
    assert found.doubt_px.grad is None
    assert float(found.pixels.grad.abs().sum()) > 0.0
