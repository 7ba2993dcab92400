"""Local contrast normalisation against a slow loop, and what it must not see."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from steadyface.geometry.contrast import local_deviation, normalise_contrast


def masked_texture(channels: int = 2, size: int = 14) -> tuple[Tensor, Tensor]:
    """Random values and a ragged mask with a hole and an empty corner, float64."""
    texture = torch.rand(2, channels, size, size, dtype=torch.float64)
    mask = (torch.rand(2, 1, size, size) > 0.25).double()
    mask[:, :, :5, :5] = 0
    mask[:, :, -1, -1] = 1
    return texture, mask


def neighbours(values: Tensor, mask: Tensor, row: int, column: int, radius: int) -> Tensor:
    """The masked values (n,) of one channel in the square around a texel."""
    rows = slice(max(row - radius, 0), row + radius + 1)
    columns = slice(max(column - radius, 0), column + radius + 1)
    return values[rows, columns][mask[rows, columns] > 0]


def each_mean(values: Tensor, mask: Tensor, radius: int) -> Tensor:
    """Local mean by the loop, (B, C, U, U); 0 where the square holds no texel of the mask."""
    means = torch.zeros_like(values)
    for image, channel, row, column in torch.nonzero(torch.ones_like(values)).tolist():
        found = neighbours(values[image, channel], mask[image, 0], row, column, radius)
        means[image, channel, row, column] = found.mean() if len(found) else 0.0
    return means


@pytest.mark.parametrize("radius", [1, 3])
def test_agrees_with_a_slow_loop(radius: int) -> None:
    texture, mask = masked_texture()
    centred = texture - each_mean(texture, mask, radius)
    variance = each_mean(centred.square(), mask, radius)
    expected = centred / (variance + 0.02**2).sqrt() * mask
    found = normalise_contrast(texture, mask, radius=radius, floor=0.02)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    deviation = local_deviation(texture, mask, radius)
    torch.testing.assert_close(deviation, variance.sqrt(), rtol=1e-6, atol=1e-9)


def test_what_lies_outside_the_mask_does_not_matter() -> None:
    texture, mask = masked_texture()
    litter = torch.where(mask > 0, texture, torch.full_like(texture, 7.0))
    torch.testing.assert_close(normalise_contrast(litter, mask), normalise_contrast(texture, mask))
    assert not (normalise_contrast(litter, mask) * (1 - mask)).any()


def test_bias_is_taken_away() -> None:
    texture, mask = masked_texture()
    bias = torch.tensor([0.3, -0.2], dtype=torch.float64).view(1, 2, 1, 1)
    torch.testing.assert_close(normalise_contrast(texture + bias, mask), normalise_contrast(texture, mask))


@pytest.mark.parametrize("gain", [0.5, 3.0])
def test_gain_is_taken_away_above_the_floor(gain: float) -> None:
    texture, mask = masked_texture()
    plain = normalise_contrast(texture, mask, radius=4, floor=1e-4)
    louder = normalise_contrast(gain * texture, mask, radius=4, floor=1e-4)
    torch.testing.assert_close(louder, plain, rtol=1e-4, atol=1e-5)


def test_slow_shading_is_mostly_taken_away() -> None:
    """A light that falls off over the whole texture leaves little of itself beside pores and freckles."""
    texture = 0.5 + 0.05 * torch.randn(1, 1, 64, 64)
    mask = torch.ones(1, 1, 64, 64)
    ramp = torch.linspace(0.6, 1.4, 64)
    plain, shaded = (normalise_contrast(values, mask) for values in (texture, texture * ramp))
    before, after = (texture * ramp - texture).std() / texture.std(), (shaded - plain).std() / plain.std()
    assert before > 2
    assert after < 0.2


def test_flat_skin_stays_flat() -> None:
    """Noise far below the floor is not blown up to contrast."""
    noise = 0.5 + 0.001 * torch.randn(1, 1, 32, 32)
    assert normalise_contrast(noise, torch.ones_like(noise), floor=0.01).std() < 0.15


def test_an_empty_mask_gives_zero() -> None:
    texture, mask = masked_texture()
    found = normalise_contrast(texture, torch.zeros_like(mask))
    assert torch.equal(found, torch.zeros_like(texture))


def test_passes_gradcheck() -> None:
    texture, mask = masked_texture(channels=1, size=7)
    texture = texture.requires_grad_()
    assert torch.autograd.gradcheck(lambda values: normalise_contrast(values, mask, radius=2), (texture,))
