"""The cost of shaking, against a loop over triples and places."""

from __future__ import annotations

import math

import torch
from torch.autograd import gradcheck

from steadyface.losses.acceleration import SOFT_PX, acceleration_cost

EVEN = torch.tensor([[0.0, 1 / 30, 2 / 30], [1.0, 1 + 1 / 30, 1 + 2 / 30]], dtype=torch.double)


def test_it_is_the_second_difference_of_even_frames() -> None:
    places = torch.randn(2, 3, 4, 2, dtype=torch.double)
    total = 0.0
    for window in range(2):
        for place in range(4):
            first, second, third = places[window, :, place].tolist()
            bend = [a - 2 * b + c for a, b, c in zip(first, second, third, strict=True)]
            total += math.hypot(*bend, SOFT_PX) - SOFT_PX
    assert math.isclose(float(acceleration_cost(places, EVEN)), total / 8, rel_tol=1e-6)


def test_an_even_pace_costs_nothing_however_the_frames_lie() -> None:
    time_s = torch.tensor([[0.0, 0.03, 0.1]], dtype=torch.double)
    places = torch.tensor([3.0, -5.0]) * time_s[..., None, None] * 30 + torch.randn(1, 1, 4, 2, dtype=torch.double)
    assert float(acceleration_cost(places, time_s)) < 1e-9
    assert float(acceleration_cost(places, EVEN[:1])) > 0.1


def test_its_gradient() -> None:
    places = torch.randn(2, 3, 2, 2, dtype=torch.double, requires_grad=True)
    assert gradcheck(lambda x: acceleration_cost(x, EVEN), (places,))
