"""Consistency against a slow loop, and that nothing is won by hiding or leaving the picture."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from steadyface.geometry.contrast import normalise_contrast
from steadyface.losses.consistency import OUT_OF_FRAME_COST, texture_difference, unguarded_texture_difference

ONE = torch.ones(2, 1, 24, 24)


def textures(count: int = 2) -> Tensor:
    """Contrast-normalised noise (2, 3, 24, 24)."""
    return normalise_contrast(torch.rand(count, 3, 24, 24), torch.ones(count, 1, 24, 24))


def test_against_a_loop() -> None:
    first, second = torch.rand(2, 3, 5, 5), torch.rand(2, 3, 5, 5)
    mask, inside = (torch.rand(2, 1, 5, 5) > 0.3).float(), (torch.rand(2, 1, 5, 5) > 0.3).float()
    total, count = 0.0, 0
    for b in range(2):
        for y in range(5):
            for x in range(5):
                if not mask[b, 0, y, x]:
                    continue
                count += 1
                if not inside[b, 0, y, x]:
                    total += OUT_OF_FRAME_COST
                    continue
                for c in range(3):
                    difference = float(first[b, c, y, x] - second[b, c, y, x])
                    total += (math.sqrt(difference**2 + 0.1**2) - 0.1) / 3
    assert math.isclose(float(texture_difference(first, second, mask, inside)), total / count, rel_tol=1e-4)


def test_the_gradient_holds() -> None:
    first = torch.rand(1, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    second = torch.rand(1, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    mask, inside = (torch.rand(2, 1, 1, 4, 4) > 0.3).double()
    assert torch.autograd.gradcheck(lambda a, b: texture_difference(a, b, mask, inside), [first, second])


def test_equal_textures_cost_nothing() -> None:
    texture = textures()
    assert float(texture_difference(texture, texture, ONE, ONE)) < 1e-6


def test_moving_further_out_never_pays() -> None:
    """Whatever the textures say, also where they disagree altogether: column by column out of the picture."""
    first = textures()
    for second in (first, textures(), -first):
        costs = []
        for columns in range(0, 25, 4):
            inside = ONE.clone()
            inside[..., :columns] = 0.0
            costs.append(float(texture_difference(first, second, ONE, inside)))
        assert costs == sorted(costs), costs


def test_the_denominator_is_the_fixed_mask_and_not_what_is_in_the_picture() -> None:
    first, second = textures(), textures()
    half = ONE.clone()
    half[..., :12] = 0.0
    whole, left = (texture_difference(first, second, mask, mask) * mask.sum() for mask in (ONE, half))
    out = texture_difference(first, second, ONE, half) * ONE.sum()
    torch.testing.assert_close(out, left + OUT_OF_FRAME_COST * (ONE - half).sum())
    assert float(whole) > float(left)


def test_an_empty_mask_costs_nothing() -> None:
    assert float(texture_difference(textures(), textures(), 0 * ONE, ONE)) == 0.0


def test_the_unguarded_difference_against_a_loop() -> None:
    first, second, inside = torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 4), (torch.rand(1, 1, 4, 4) > 0.4).float()
    chosen = [
        float((first[0, :, y, x] - second[0, :, y, x]).abs().mean())
        for y in range(4) for x in range(4) if inside[0, 0, y, x]
    ]  # fmt: skip
    found = float(unguarded_texture_difference(first, second, inside))
    assert math.isclose(found, sum(chosen) / len(chosen), rel_tol=1e-5)


def test_the_unguarded_difference_rewards_an_empty_picture() -> None:
    """The very fault it is kept to show."""
    assert float(unguarded_texture_difference(textures(), textures(), 0 * ONE)) == 0.0
