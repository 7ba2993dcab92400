"""Landmark reprojection against a loop."""

from __future__ import annotations

import math

import torch

from steadyface.losses.landmarks import landmark_error


def test_against_a_loop() -> None:
    pixels, detected, doubt = 9 * torch.rand(2, 5, 2), 9 * torch.rand(2, 5, 2), 0.3 + torch.rand(2, 5)
    total, sureness = 0.0, 0.0
    for b in range(2):
        for k in range(5):
            distance = math.dist(pixels[b, k].tolist(), detected[b, k].tolist())
            total += (math.sqrt(distance**2 + 1.0) - 1.0) / float(doubt[b, k])
            sureness += 1.0 / float(doubt[b, k])
    assert math.isclose(float(landmark_error(pixels, detected, doubt)), total / sureness, rel_tol=1e-5)


def test_a_landmark_that_is_doubted_weighs_less() -> None:
    detected = torch.zeros(1, 2, 2)
    pixels = torch.tensor([[[5.0, 0.0], [0.0, 0.0]]])
    sure = landmark_error(pixels, detected, torch.tensor([[1.0, 1.0]]))
    unsure = landmark_error(pixels, detected, torch.tensor([[9.0, 1.0]]))
    assert float(unsure) < 0.3 * float(sure)


def test_one_that_was_found_far_off_pulls_no_harder_than_a_near_one() -> None:
    pixels = torch.zeros(1, 2, 2, requires_grad=True)
    landmark_error(pixels, torch.tensor([[[4.0, 0.0], [400.0, 0.0]]]), torch.ones(1, 2)).backward()
    assert pixels.grad is not None
    near, far = pixels.grad[0, :, 0].abs().tolist()
    assert near > 0.9 * far


def test_the_gradient_holds_and_is_finite_at_the_landmark_itself() -> None:
    detected, doubt = 9 * torch.rand(1, 4, 2).double(), 0.3 + torch.rand(1, 4).double()
    pixels = (9 * torch.rand(1, 4, 2, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: landmark_error(p, detected, doubt), [pixels])
    at_rest = detected.clone().requires_grad_()
    landmark_error(at_rest, detected, doubt).backward()
    assert at_rest.grad is not None and float(at_rest.grad.abs().sum()) == 0.0


def test_without_landmarks_nothing_is_owed() -> None:
    nothing = torch.zeros(2, 0, 2)
    assert float(landmark_error(nothing, nothing, torch.zeros(2, 0))) == 0.0
