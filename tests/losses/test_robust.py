"""The robust penalty and the masked mean against their definitions."""

from __future__ import annotations

import math

import torch

from steadyface.losses.robust import charbonnier, masked_mean


def test_charbonnier_is_quadratic_near_zero_and_linear_far_away() -> None:
    near, far = torch.tensor([1e-3], dtype=torch.float64), torch.tensor([50.0], dtype=torch.float64)
    torch.testing.assert_close(charbonnier(near, 0.5), near**2 / (2 * 0.5), rtol=1e-4, atol=0)
    torch.testing.assert_close(charbonnier(far, 0.5), far - 0.5, rtol=1e-3, atol=0)
    assert float(charbonnier(torch.zeros(1), 0.5)) == 0.0


def test_charbonnier_is_even_and_its_gradient_holds() -> None:
    residual = torch.randn(9, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(charbonnier(residual, 0.1), charbonnier(-residual, 0.1))
    assert torch.autograd.gradcheck(lambda r: charbonnier(r, 0.1), [residual])


def test_masked_mean_against_a_loop() -> None:
    values, weight = torch.randn(2, 3, 4, 4), (torch.rand(2, 1, 4, 4) > 0.4).float()
    chosen = [
        float(values[b, c, y, x])
        for b in range(2) for c in range(3) for y in range(4) for x in range(4) if weight[b, 0, y, x]
    ]  # fmt: skip
    assert math.isclose(float(masked_mean(values, weight)), sum(chosen) / len(chosen), rel_tol=1e-4)


def test_masked_mean_of_nothing_is_zero() -> None:
    values = torch.randn(1, 3, 4, 4, requires_grad=True)
    nothing = masked_mean(values, torch.zeros(1, 1, 4, 4))
    nothing.backward()
    assert float(nothing.detach()) == 0.0 and values.grad is not None and float(values.grad.abs().sum()) == 0.0
