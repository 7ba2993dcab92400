"""The warp of a decoded texture by a field that the latent decides (the public Multiface code's ``warp``)."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional

from steadyface.networks.texture_blocks import Enlargement, Style, TextureShape
from steadyface.networks.weight_normalised import SLOPE, NormalisedLinear, start


class TextureWarp(nn.Module):
    """Moves the texels of a texture, so that what slides over the skin need not be painted anew.

    Args:
        shape: of the texture.
        texture_size: U, texels.
        latent_size, hidden: numbers in z, and width of the first layer.
        width: channels of the field's finest layer.
    """

    identity: Tensor

    def __init__(self, shape: TextureShape, texture_size: int, latent_size: int, hidden: int, width: int) -> None:
        super().__init__()
        widest = width * 2**shape.blocks
        self.texture_size = texture_size
        self.latent_features = nn.Sequential(
            NormalisedLinear(latent_size, hidden), nn.LeakyReLU(SLOPE),
            NormalisedLinear(hidden, 4 * widest), nn.LeakyReLU(SLOPE),
        )  # fmt: skip
        outs = [widest // 2 ** (level + 1) for level in range(shape.blocks)]
        self.enlarge = nn.Sequential(
            *(
                Enlargement(before, min(before, outs[0]), after, 2 * 4**level, Style())
                for level, (before, after) in enumerate(itertools.pairwise([widest, *outs]))
            )
        )
        self.to_field = nn.Conv2d(outs[-1], 2, 3, padding=1)
        start(self.to_field, (outs[-1] + 2) * 9, slope=1.0)
        # The outer texels' centres at -1 and 1, while the sampling takes the outer edges there: the
        # released weights were trained with this half texel, and it belongs to them.
        step = torch.linspace(-1.0, 1.0, texture_size, dtype=torch.float64).float()
        self.register_buffer("identity", torch.stack(torch.meshgrid(step, step, indexing="xy"))[None], False)

    def field(self, latent: Tensor) -> Tensor:
        """Latent (B, Z) -> where each texel is taken from, (B, U, U, 2) in [-1, 1]."""
        features = self.latent_features(latent)
        grown = self.enlarge(features.view(len(latent), -1, 2, 2))
        side = (self.texture_size, self.texture_size)
        grown = functional.interpolate(grown, size=side, mode="bilinear", align_corners=False)
        return (self.to_field(grown) / self.texture_size + self.identity).permute(0, 2, 3, 1)

    def forward(self, latent: Tensor, texture: Tensor) -> Tensor:
        """Latent (B, Z), texture (B, 3, U, U) in deviations, 0 = the mean -> the warped texture."""
        return functional.grid_sample(texture, self.field(latent), align_corners=False)
