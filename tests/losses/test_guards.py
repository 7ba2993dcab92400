"""The guards against loops and their gradients."""

from __future__ import annotations

import math

import torch

from steadyface.losses.guards import lab_prior, latent_pull, out_of_frame, pose_pull, shape_pull


def test_out_of_frame_against_a_loop() -> None:
    pixels = torch.randn(2, 7, 2, dtype=torch.float64) * 20 + 8
    total = 0.0
    for x, y in pixels.reshape(-1, 2).tolist():
        total += max(0.0, -x, x - 19) + max(0.0, -y, y - 9)
    assert math.isclose(float(out_of_frame(pixels, 20, 10)), total / 14, rel_tol=1e-9)


def test_inside_the_picture_is_free_to_the_last_pixel_centre() -> None:
    corners = torch.tensor([[[0.0, 0.0], [19.0, 9.0], [5.0, 5.0]]])
    assert float(out_of_frame(corners, 20, 10)) == 0.0
    assert float(out_of_frame(corners + torch.tensor([0.5, 0.0]), 20, 10)) > 0.0


def test_out_of_frame_pulls_back_in() -> None:
    pixels = torch.tensor([[[-3.0, 4.0], [25.0, 12.0], [5.0, 5.0]]], requires_grad=True)
    out_of_frame(pixels, 20, 10).backward()
    assert pixels.grad is not None
    assert torch.equal(pixels.grad.sign()[0], torch.tensor([[-1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]))


def test_pulls_are_zero_at_the_source_and_grow_away_from_it() -> None:
    source, way = torch.randn(3, 8), torch.randn(3, 8)
    costs = [float(latent_pull(source + step * way, source)) for step in (0.0, 0.5, 1.0, 2.0)]
    assert costs[0] == 0.0 and costs == sorted(costs)
    place, path = torch.rand(3, 11, 2) * 60, torch.randn(3, 11, 2)
    costs = [float(pose_pull(place + step * path, place)) for step in (0.0, 1.0, 4.0, 16.0)]
    assert costs[0] == 0.0 and costs == sorted(costs)


def test_pose_pull_measures_distance_and_not_axes() -> None:
    place = torch.zeros(1, 1, 2)
    along = pose_pull(place + torch.tensor([5.0, 0.0]), place)
    across = pose_pull(place + torch.tensor([3.0, 4.0]), place)
    torch.testing.assert_close(along, across)


def test_lab_prior_is_the_mean_square() -> None:
    whitened = torch.randn(4, 6)
    expected = sum(value**2 for value in whitened.flatten().tolist()) / 24
    assert math.isclose(float(lab_prior(whitened)), expected, rel_tol=1e-5)


def test_gradients_hold() -> None:
    code = torch.randn(2, 5, dtype=torch.float64, requires_grad=True)
    place = torch.randn(2, 5, 2, dtype=torch.float64, requires_grad=True)
    zeros, nought = torch.zeros(2, 5).double(), torch.zeros(2, 5, 2).double()
    assert torch.autograd.gradcheck(lambda c: latent_pull(c, zeros), [code])
    assert torch.autograd.gradcheck(lab_prior, [code])
    assert torch.autograd.gradcheck(lambda p: pose_pull(p, nought), [place])


def test_a_pull_at_the_source_itself_has_a_finite_gradient() -> None:
    """Adaptation begins there: every distance is zero at the first step."""
    place = torch.zeros(1, 4, 2, requires_grad=True)
    pose_pull(place, torch.zeros(1, 4, 2)).backward()
    assert place.grad is not None and float(place.grad.abs().sum()) == 0.0


def test_shape_pull_against_a_loop() -> None:
    here, there, deviation = torch.randn(2, 5, 3), torch.randn(2, 5, 3), torch.tensor([0.05, 0.2, 0.5, 2.0, 9.0])
    total = 0.0
    for frame in range(2):
        for vertex in range(5):
            gap = math.dist(here[frame, vertex].tolist(), there[frame, vertex].tolist())
            total += (gap / max(float(deviation[vertex]), 0.2)) ** 2
    assert math.isclose(float(shape_pull(here, there, deviation)), total / 10, rel_tol=1e-5)
    assert float(shape_pull(here, here, deviation)) == 0.0


def test_the_gradient_of_the_shape_pull_holds() -> None:
    here, there = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True), torch.randn(2, 4, 3).double()
    deviation = torch.tensor([0.1, 0.3, 1.0, 4.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda v: shape_pull(v, there, deviation), [here])
