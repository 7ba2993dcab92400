"""Points found in a crop, and the pose through them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from steadyface.geometry.cameras import crop_intrinsics, project, transform
from steadyface.networks.pose_network import LEAST_DOUBT_PX, STRIDE, FoundPoints, PointNetwork, PoseNetwork
from steadyface.networks.pose_network import farthest_points as choose

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


def test_chosen_points_are_candidates_and_lie_apart(dome) -> None:
    network = PoseNetwork(8, 12)
    mean, rigid = dome.statistics.vertex_mean, dome.statistics.rigid_vertices
    network.choose_points(mean, rigid)
    known = {tuple(point) for point in mean[rigid].tolist()}
    assert all(tuple(point) in known for point in network.points.tolist())
    gaps = torch.pdist(network.points)
    assert float(gaps.min()) > float(torch.pdist(mean[rigid]).min())


def test_what_is_found_is_a_distribution_and_its_centre() -> None:
    found = PointNetwork(8, 5)(torch.rand(2, 3, 64, 64))
    assert found.pixels.shape == (2, 5, 2) and found.doubt_px.shape == (2, 5)
    assert found.log_heat.shape == (2, 5, 64 // STRIDE, 64 // STRIDE)
    share = found.log_heat.exp()
    torch.testing.assert_close(share.flatten(2).sum(-1), torch.ones(2, 5))
    assert float(found.doubt_px.min()) > LEAST_DOUBT_PX
    expected = torch.zeros(2, 5, 2)
    for row in range(16):
        for column in range(16):
            middle = torch.tensor([column * STRIDE + 1.5, row * STRIDE + 1.5])  # of the cell's four pixels
            expected += share[:, :, row, column, None] * middle
    torch.testing.assert_close(found.pixels, expected, rtol=0, atol=1e-3)


class Planted(torch.nn.Module):
    """Stands for a trained PointNetwork: the points as they are projected."""

    def __init__(self, pixels: Tensor) -> None:
        super().__init__()
        self.pixels = pixels

    def forward(self, image: Tensor) -> FoundPoints:
        return FoundPoints(self.pixels, torch.ones(self.pixels.shape[:2]), torch.zeros(1))


def pose_in_crop(dome, box: list[float]) -> tuple[Tensor, Tensor]:
    """The pose that the network finds when it sees the head through one crop of a frame of 480 x 640."""
    network = PoseNetwork(8, 12)
    network.choose_points(dome.statistics.vertex_mean, dome.statistics.rigid_vertices)
    frame = torch.tensor([[[620.0, 0, 239.5], [0, 620.0, 319.5], [0, 0, 1]]])
    intrinsics = crop_intrinsics(frame, torch.tensor([box]), 64)
    network.find = Planted(project(transform(network.points[None], TURN, HERE), intrinsics))  # type: ignore[assignment]
    rotation, translation, _ = network(torch.rand(1, 3, 64, 64), intrinsics)
    return rotation, translation


def test_the_crop_changes_k_and_never_the_pose(dome) -> None:
    for box in ([80.0, 150.0, 320.0, 320.0], [120.0, 130.0, 280.0, 280.0], [10.0, 60.0, 460.0, 460.0]):
        rotation, translation = pose_in_crop(dome, box)
        torch.testing.assert_close(rotation, TURN, rtol=0, atol=2e-3)
        torch.testing.assert_close(translation, HERE, rtol=0, atol=1.0)


def test_the_pose_does_not_teach_the_doubt(dome) -> None:
    network = PoseNetwork(8, 12)
    network.choose_points(dome.statistics.vertex_mean, dome.statistics.rigid_vertices)
    intrinsics = torch.tensor([[[150.0, 0, 31.5], [0, 150.0, 31.5], [0, 0, 1]]])
    rotation, translation, found = network(torch.rand(1, 3, 64, 64), intrinsics)
    (rotation.sum() + translation.sum()).backward(retain_graph=True)
    assert network.find.to_doubt.weight.grad is None
    assert network.find.to_heat.weight.grad is not None
    assert float(network.find.to_heat.weight.grad.abs().sum()) > 0.0
    found.doubt_px.sum().backward()
    assert network.find.to_doubt.weight.grad is not None
