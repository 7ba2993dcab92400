"""The warp of a texture against a loop over texels."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.autograd import gradcheck

from steadyface.networks.texture_blocks import TextureShape
from steadyface.networks.texture_warp import TextureWarp

SIZE = 16


def warp() -> TextureWarp:
    torch.manual_seed(0)
    made = TextureWarp(TextureShape.of(SIZE), SIZE, 3, 8, 2).double()
    with torch.no_grad():
        made.to_field.bias.copy_(torch.tensor([3.0, -1.5]))
        made.to_field.weight.mul_(4.0)
    return made


def sampled(texture: Tensor, field: Tensor) -> Tensor:
    """Bilinear, texel by texel; (-1, 1) are the outer edges and beyond them lies 0."""
    out = torch.zeros_like(texture)
    for row in range(SIZE):
        for column in range(SIZE):
            x, y = (((float(place) + 1) * SIZE - 1) / 2 for place in field[row, column])
            for other_row in (math.floor(y), math.floor(y) + 1):
                for other_column in (math.floor(x), math.floor(x) + 1):
                    share = (1 - abs(y - other_row)) * (1 - abs(x - other_column))
                    if 0 <= other_row < SIZE and 0 <= other_column < SIZE:
                        out[:, row, column] += share * texture[:, other_row, other_column]
    return out


def test_the_warp_is_the_loop() -> None:
    made, latent = warp(), torch.randn(1, 3, dtype=torch.double)
    texture = torch.rand(1, 3, SIZE, SIZE, dtype=torch.double)
    field = made.field(latent)
    assert field.shape == (1, SIZE, SIZE, 2)
    torch.testing.assert_close(made(latent, texture)[0], sampled(texture[0], field[0]))


def test_the_field_is_an_offset_of_half_texels_from_the_identity() -> None:
    made = warp()
    with torch.no_grad():
        made.to_field.weight.zero_()
    field = made.field(torch.randn(2, 3, dtype=torch.double))
    side = torch.linspace(-1, 1, SIZE, dtype=torch.double)
    expected_x, expected_y = side.expand(SIZE, SIZE) + 3.0 / SIZE, side.view(-1, 1).expand(SIZE, SIZE) - 1.5 / SIZE
    torch.testing.assert_close(field[1, ..., 0], expected_x, rtol=0, atol=1e-6)
    torch.testing.assert_close(field[1, ..., 1], expected_y, rtol=0, atol=1e-6)


def test_gradients_reach_latent_and_texture() -> None:
    made, texture = warp(), torch.rand(1, 3, SIZE, SIZE, dtype=torch.double)
    latent = torch.randn(1, 3, dtype=torch.double, requires_grad=True)
    patch = torch.rand(1, 3, 3, 3, dtype=torch.double, requires_grad=True)

    def around_the_patch(latent: Tensor, patch: Tensor) -> Tensor:
        filled = torch.nn.functional.pad(patch, (6, SIZE - 9, 6, SIZE - 9))
        return made(latent, texture + filled)[..., 4:11, 4:11]

    assert gradcheck(around_the_patch, (latent, patch), nondet_tol=1e-9)
