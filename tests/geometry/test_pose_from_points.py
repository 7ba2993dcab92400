"""Perspective-n-point against poses that are known, and its gradient against finite differences."""

from __future__ import annotations

import math

import pytest
import torch
from pytorch3d.transforms import so3_exp_map
from torch import Tensor

from steadyface.geometry.cameras import project, transform
from steadyface.geometry.pose_from_points import scaled_orthography, solve_pose

COUNT = 6
K = torch.tensor([[150.0, 1.5, 60.0], [0.7, 145.0, 66.0], [0.0, 0.0, 1.0]], dtype=torch.float64)


def head_points(count: int = 24) -> Tensor:
    """Points over the front of an ellipsoid, (K, 3) mm; the face looks along -z."""
    generator = torch.Generator().manual_seed(1)
    way = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator, dtype=torch.float64), dim=-1)
    way[:, 2] = -way[:, 2].abs()
    return way * torch.tensor([75.0, 105.0, 90.0], dtype=torch.float64)


def known_poses() -> tuple[Tensor, Tensor]:
    """Turns up to about 40 degrees, 400 to 700 mm away: (B, 3, 3), (B, 3)."""
    turn = torch.randn(COUNT, 3, dtype=torch.float64) * torch.tensor([0.25, 0.4, 0.15], dtype=torch.float64)
    shift = torch.randn(COUNT, 3, dtype=torch.float64) * torch.tensor([25.0, 25.0, 70.0], dtype=torch.float64)
    return so3_exp_map(turn), shift + torch.tensor([0.0, 0.0, 550.0], dtype=torch.float64)


def turn_deg(first: Tensor, second: Tensor) -> Tensor:
    """Angle between rotations, degrees, (B,); by the chord, which is exact for small angles."""
    chord = (first - second).flatten(1).norm(dim=-1)
    return torch.rad2deg(2.0 * torch.asin((chord / math.sqrt(8.0)).clamp(max=1.0)))


def test_exact_pixels_give_the_pose_even_under_a_skewed_camera() -> None:
    points, intrinsics = head_points(), K.expand(COUNT, 3, 3)
    rotation, translation = known_poses()
    pixels = project(transform(points.expand(COUNT, -1, -1), rotation, translation), intrinsics)
    found_rotation, found_translation = solve_pose(points, pixels, torch.ones(COUNT, 24).double(), intrinsics)
    assert turn_deg(found_rotation, rotation).max() < 0.05
    assert (found_translation - translation).norm(dim=-1).max() < 0.5
    identity = torch.eye(3, dtype=torch.float64).expand(COUNT, 3, 3)
    torch.testing.assert_close(found_rotation @ found_rotation.transpose(-1, -2), identity)
    assert (torch.linalg.det(found_rotation) > 0).all()


def test_more_steps_come_nearer() -> None:
    """The start is an approximation; Gauss-Newton must improve on it, and go on improving."""
    points, intrinsics = head_points(), K.expand(COUNT, 3, 3)
    rotation, translation = known_poses()
    pixels = project(transform(points.expand(COUNT, -1, -1), rotation, translation), intrinsics)
    weights = torch.ones(COUNT, 24).double()
    errors = [
        float((solve_pose(points, pixels, weights, intrinsics, iterations=steps)[1] - translation).norm(dim=-1).mean())
        for steps in (1, 3, 8)
    ]
    assert errors[0] > 2 * errors[1] > 4 * errors[2]


def test_scaled_orthography_is_exact_for_a_far_camera() -> None:
    points = head_points()
    rotation, translation = known_poses()
    translation = translation * torch.tensor([0.0, 0.0, 100.0], dtype=torch.float64)
    placed = transform(points.expand(COUNT, -1, -1), rotation, translation)
    rays = placed[..., :2] / placed[..., 2:]
    found, shift = scaled_orthography(points, rays, torch.full((COUNT, 24), 1 / 24).double())
    assert turn_deg(found, rotation).max() < 0.3
    assert (shift[:, 2] / translation[:, 2] - 1).abs().max() < 0.01


def test_noise_of_half_a_pixel_moves_the_pose_little_and_without_bias() -> None:
    points, tries = head_points(60), 200
    rotation, translation = (part[:1].expand(tries, *part.shape[1:]) for part in known_poses())
    intrinsics = K.expand(tries, 3, 3)
    pixels = project(transform(points.expand(tries, -1, -1), rotation, translation), intrinsics)
    noisy = pixels + 0.5 * torch.randn_like(pixels)
    found, shift = solve_pose(points, noisy, torch.ones(tries, 60).double(), intrinsics)
    assert turn_deg(found, rotation).mean() < 2.0
    assert ((shift - translation)[:, 2] / translation[:, 2]).abs().mean() < 0.01
    assert ((shift - translation).mean(0).abs() < torch.tensor([0.3, 0.3, 2.0], dtype=torch.float64)).all()


def test_a_point_without_weight_has_no_say() -> None:
    points, intrinsics = head_points(), K.expand(COUNT, 3, 3)
    rotation, translation = known_poses()
    pixels = project(transform(points.expand(COUNT, -1, -1), rotation, translation), intrinsics)
    wrong = pixels.clone()
    wrong[:, 3] += 25.0
    weights = torch.ones(COUNT, 24).double()
    _, pulled = solve_pose(points, wrong, weights, intrinsics)
    weights[:, 3] = 1e-9
    found, shift = solve_pose(points, wrong, weights, intrinsics)
    assert (pulled - translation).norm(dim=-1).min() > 1.0
    assert turn_deg(found, rotation).max() < 0.05 and (shift - translation).norm(dim=-1).max() < 0.5


def test_only_the_ratio_of_weights_counts() -> None:
    points, intrinsics = head_points(), K.expand(COUNT, 3, 3)
    pixels = 60.0 + 20.0 * torch.randn(COUNT, 24, 2, dtype=torch.float64)
    weights = 0.1 + torch.rand(COUNT, 24, dtype=torch.float64)
    first, second = (solve_pose(points, pixels, scale * weights, intrinsics) for scale in (1.0, 1e4))
    torch.testing.assert_close(first, second)


@pytest.mark.parametrize("entry", [(0, 0), (7, 1), (15, 0)])
def test_the_gradient_at_convergence_is_that_of_the_solution(entry: tuple[int, int]) -> None:
    """One differentiated step stands for all of them; finite differences run the whole solver."""
    points, intrinsics = head_points(), K[None]
    rotation, translation = (part[:1] for part in known_poses())
    pixels = project(transform(points[None], rotation, translation), intrinsics)
    weights = torch.ones(1, 24).double()

    def answer(pixels: Tensor) -> Tensor:
        turned, shift = solve_pose(points, pixels, weights, intrinsics, iterations=40)
        return torch.cat([100.0 * turned.flatten(), shift.flatten()])

    place = pixels.clone().requires_grad_(True)
    by_gradient = torch.stack(
        [torch.autograd.grad(value, place, retain_graph=True)[0][0, entry[0], entry[1]] for value in answer(place)]
    )
    step = torch.zeros_like(pixels)
    step[0, entry[0], entry[1]] = 1e-3
    by_difference = (answer(pixels + step) - answer(pixels - step)) / 2e-3
    assert (by_gradient - by_difference).norm() < 0.05 * by_difference.norm()


def test_a_degenerate_set_gives_numbers() -> None:
    """All points found in one place: no pose, but no infinity that would poison a training run either."""
    points = head_points().float()
    pixels = torch.full((2, 24, 2), 60.0, requires_grad=True)
    rotation, translation = solve_pose(points, pixels, torch.ones(2, 24), K.float().expand(2, 3, 3))
    (rotation.sum() + translation.sum()).backward()
    assert torch.isfinite(rotation).all() and torch.isfinite(translation).all()
    assert pixels.grad is not None and torch.isfinite(pixels.grad).all()
