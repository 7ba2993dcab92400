"""The lab's supervision: zero at the truth, growing away from it, gradients that hold."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from pytorch3d.transforms import so3_exp_map
from torch import Tensor

from steadyface.losses.supervised import geometry_error, latent_error, point_error, pose_error, view_consistency
from steadyface.networks.point_network import FoundPoints

POINTS = torch.tensor([[0, 0, -90], [40, 10, -60], [-40, 10, -60], [0, -60, -70], [0, 60, -60]], dtype=torch.float64)
K = torch.tensor([[[130.0, 0, 31.5], [0, 130.0, 31.5], [0, 0, 1]]], dtype=torch.float64)
HERE = torch.tensor([[5.0, -8.0, 500.0]], dtype=torch.float64)
STRAIGHT = torch.eye(3, dtype=torch.float64)[None]


def moved_pose(turn: float = 0.0, sideways: float = 0.0, away: float = 0.0) -> Tensor:
    """The pose's error, turned (rad), moved sideways and away (mm) from the truth."""
    rotation = so3_exp_map(torch.tensor([[0.3, 0.8, 0.2]], dtype=torch.float64) * turn)
    translation = HERE + torch.tensor([[sideways, 0.0, away]], dtype=torch.float64)
    return pose_error(rotation, translation, STRAIGHT, HERE, POINTS, K, 64)


def test_pose_error_is_zero_at_the_truth() -> None:
    assert abs(float(moved_pose())) < 1e-9


@pytest.mark.parametrize("way", ["turn", "sideways", "away"])
def test_pose_error_grows_with_the_distance(way: str) -> None:
    unit = 0.02 if way == "turn" else 3.0
    for sign in (-1.0, 1.0):
        costs = [float(moved_pose(**{way: sign * unit * step})) for step in range(6)]
        assert all(after > before for before, after in pairwise(costs)), costs


def test_pose_error_sees_depth_that_no_pixel_shows() -> None:
    """A point on the axis stays at its pixel however far away it is."""
    axis = torch.tensor([[0.0, 0.0, 500.0]], dtype=torch.float64)
    point = torch.zeros(1, 3, dtype=torch.float64)
    costs = [float(pose_error(STRAIGHT, axis * scale, STRAIGHT, axis, point, K, 64)) for scale in (1.0, 1.05, 1.2)]
    assert costs[0] + 0.1 < costs[1] < costs[2] - 0.1


def test_pose_error_measures_pixels_by_the_size_of_the_crop() -> None:
    """The same error in a crop of twice the pixels costs the same."""
    double = K * torch.tensor([[[2.0], [2.0], [1.0]]], dtype=torch.float64)
    away = HERE + torch.tensor([[4.0, 0, 0]], dtype=torch.float64)
    small = pose_error(STRAIGHT, away, STRAIGHT, HERE, POINTS, K, 64)
    large = pose_error(STRAIGHT, away, STRAIGHT, HERE, POINTS, double, 128)
    torch.testing.assert_close(small, large)


def test_pose_error_takes_points_a_head_or_for_all() -> None:
    rotation, translation = so3_exp_map(0.1 * torch.randn(3, 3, dtype=torch.float64)), HERE.expand(3, 3) + 2.0
    truth = STRAIGHT.expand(3, 3, 3), HERE.expand(3, 3)
    one, many = (
        pose_error(rotation, translation, *truth, points, K.expand(3, 3, 3), 64)
        for points in (POINTS, POINTS.expand(3, 5, 3))
    )
    torch.testing.assert_close(one, many)


def test_pose_error_gradient_holds() -> None:
    rotation = (STRAIGHT + 0.05 * torch.randn(1, 3, 3, dtype=torch.float64)).requires_grad_(True)
    translation = (HERE + 3.0).requires_grad_(True)
    assert torch.autograd.gradcheck(
        lambda r, t: pose_error(r, t, STRAIGHT, HERE, POINTS, K, 64), [rotation, translation]
    )


def test_geometry_error_against_a_loop() -> None:
    vertices, truth, weight = torch.randn(2, 5, 3), torch.randn(2, 5, 3), torch.rand(5)
    total = 0.0
    for b in range(2):
        for n in range(5):
            distance = math.dist(vertices[b, n].tolist(), truth[b, n].tolist())
            total += float(weight[n]) * (math.hypot(distance, 0.3) - 0.3)
    assert math.isclose(float(geometry_error(vertices, truth, weight)), total / 10, rel_tol=1e-3)


def test_geometry_error_has_a_finite_gradient_at_the_truth() -> None:
    vertices = torch.zeros(1, 4, 3, requires_grad=True)
    geometry_error(vertices, torch.zeros(1, 4, 3), torch.ones(4)).backward()
    assert vertices.grad is not None and torch.isfinite(vertices.grad).all()


def test_latent_error_is_even_and_zero_at_the_truth() -> None:
    truth, away = torch.randn(3, 6, dtype=torch.float64), torch.randn(3, 6, dtype=torch.float64)
    assert float(latent_error(truth, truth)) == 0.0
    torch.testing.assert_close(latent_error(truth + away, truth), latent_error(truth - away, truth))
    assert torch.autograd.gradcheck(lambda code: latent_error(code, truth), [away.requires_grad_(True)])


def test_view_consistency_against_a_loop() -> None:
    frame = torch.tensor([7, 3, 7, 7, 3, 9])
    whitened = torch.randn(6, 4, dtype=torch.float64)
    total = 0.0
    for view in range(6):
        others = [whitened[row] for row in range(6) if frame[row] == frame[view]]
        for number in range(4):
            away = float(whitened[view, number]) - sum(float(row[number]) for row in others) / len(others)
            total += math.hypot(away, 0.5) - 0.5
    assert math.isclose(float(view_consistency(whitened, frame)), total / 24, rel_tol=1e-9)


def test_views_that_agree_cost_nothing() -> None:
    frame = torch.tensor([0, 0, 1, 1])
    whitened = torch.randn(2, 4, dtype=torch.float64).repeat_interleave(2, 0)
    assert float(view_consistency(whitened, frame)) < 1e-12
    assert float(view_consistency(torch.randn(4, 4), torch.arange(4))) < 1e-6
    assert float(view_consistency(whitened[[0, 2, 1, 3]], frame)) > 0.1


def test_view_consistency_gradient_holds() -> None:
    frame = torch.tensor([1, 0, 1])
    whitened = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda code: view_consistency(code, frame), [whitened])


def heat_at(cells: Tensor, side: int, spread: float = 0.7) -> Tensor:
    """Log-probabilities (B, K, side, side) of a Gaussian about cells (B, K, 2)."""
    steps = torch.arange(side, dtype=cells.dtype)
    square = (steps - cells[..., 1, None]).square()[..., :, None] + (steps - cells[..., 0, None]).square()[..., None, :]
    return (-0.5 * square / spread**2).flatten(2).log_softmax(-1).view(*cells.shape[:2], side, side)


def error_of(heat_shift: float = 0.0, place_shift: float = 0.0, doubt: float = 1.0) -> float:
    """Of one point at pixel (21, 25) of a crop of 64, found moved by the shifts (cells, pixels)."""
    truth = torch.tensor([[[21.0, 25.0]]])
    heat = heat_at((truth + 0.5) / 4 - 0.5 + heat_shift, 16)
    found = FoundPoints(truth + torch.tensor([place_shift, 0.0]), torch.tensor([[doubt]]), heat)
    return float(point_error(found, truth, 4))


def test_point_error_is_least_at_the_truth() -> None:
    costs = [error_of(heat_shift=step) for step in (0.0, 0.5, 1.0, 2.0, 4.0)]
    assert all(after > before for before, after in pairwise(costs)), costs
    costs = [error_of(place_shift=step) for step in (0.0, 0.5, 1.0, 4.0)]
    assert all(after > before for before, after in pairwise(costs)), costs


@pytest.mark.parametrize("distance", [0.5, 2.0, 6.0])
def test_the_honest_doubt_costs_least(distance: float) -> None:
    doubts = [distance * 2 ** (step / 4) for step in range(-8, 9)]
    costs = [error_of(place_shift=distance, doubt=doubt) for doubt in doubts]
    assert costs.index(min(costs)) == 8


def test_points_outside_the_crop_count_by_distance_only() -> None:
    truth = torch.tensor([[[-40.0, 25.0]]])
    costs = []
    for place in (4.0, 12.0):  # the heat anywhere
        heat = heat_at(torch.full((1, 1, 2), place), 16)
        found = FoundPoints(torch.tensor([[[-30.0, 25.0]]]), torch.ones(1, 1), heat)
        costs.append(float(point_error(found, truth, 4)))
    assert costs[0] == costs[1] == pytest.approx(10.0)


def test_point_error_gradient_holds() -> None:
    truth = torch.rand(1, 3, 2, dtype=torch.float64) * 20
    pixels = (truth + torch.randn(1, 3, 2, dtype=torch.float64)).requires_grad_(True)
    doubt = (0.5 + torch.rand(1, 3, dtype=torch.float64)).requires_grad_(True)
    heat = torch.randn(1, 3, 6, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p, d, h: point_error(FoundPoints(p, d, h), truth, 4), [pixels, doubt, heat])
