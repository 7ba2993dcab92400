"""The blocks between texture and grid: sides, channels, and what tells the styles apart."""

from __future__ import annotations

import pytest
import torch

from steadyface.networks.texture_blocks import (
    Doubling,
    Enlargement,
    Reduction,
    Style,
    TextureShape,
    activate,
    texture_decoder,
    texture_encoder,
)


@pytest.mark.parametrize("size", [16, 32, 64, 128, 256, 512, 1024])
def test_every_power_of_two_comes_down_to_a_small_grid(size: int) -> None:
    shape = TextureShape.of(size)
    assert shape.grid * 4**shape.blocks == size and shape.grid in {2, 4}


@pytest.mark.parametrize("size", [16, 32, 64, 128])
@pytest.mark.parametrize("style", [Style(), Style(residual=True), Style(resized=True), Style(untied=False)])
def test_there_and_back(size: int, style: Style) -> None:
    shape = TextureShape.of(size)
    code = texture_encoder(shape, 2, style.residual)(torch.rand(2, 3, size, size))
    assert code.shape == (2, 2 * 2 ** (shape.blocks - 1), shape.grid, shape.grid)
    decoded = texture_decoder(shape, 5, 2, style)(torch.rand(2, 5, shape.grid, shape.grid))
    assert decoded.shape == (2, 3, size, size)


def test_the_bias_is_one_a_texel_or_one_a_channel() -> None:
    assert Doubling(2, 3, 8, Style()).texel_bias.shape == (1, 3, 8, 8)
    assert Doubling(2, 3, 8, Style(untied=False)).texel_bias.shape == (1, 3, 1, 1)


def test_a_resized_doubling_sees_each_texel_four_times() -> None:
    torch.manual_seed(0)
    layer, features = Doubling(2, 3, 8, Style(resized=True)), torch.randn(1, 2, 4, 4)
    with torch.no_grad():
        layer.texel_bias.normal_()
    repeated = torch.stack([features[..., row // 2, column // 2] for row in range(8) for column in range(8)], dim=-1)
    torch.testing.assert_close(layer(features), layer.convolution(repeated.view(1, 2, 8, 8)) + layer.texel_bias)


def test_a_residual_block_is_its_formula() -> None:
    torch.manual_seed(0)
    block, features = Reduction(2, 4, residual=True), torch.randn(1, 2, 8, 8)
    assert block.first_residual is not None and block.second_residual is not None
    half = activate(block.first(features))
    half = activate(block.first_residual(half) + half)
    quarter = activate(block.second(half))
    torch.testing.assert_close(block(features), activate(block.second_residual(quarter) + quarter))


@pytest.mark.parametrize("residual", [False, True])
def test_colours_are_not_cut_off_below_zero(residual: bool) -> None:
    """The last block ends without an activation, the others with one."""
    torch.manual_seed(0)
    block, features = Enlargement(2, 3, 3, 2, Style(residual=residual), last=True), torch.randn(1, 2, 2, 2)
    colours = block(features)
    block.last = False
    if not residual:
        torch.testing.assert_close(block(features), activate(colours))
    assert float(colours.detach().min()) < float(block(features).detach().min()) < 0
