"""Crop -> where points of the head lie in it: a heat map for each, over features that ImageNet taught.

Position and size come from where things are in the picture, so a few hundred steps teach what a
regression of pose and expression needs thousands for, and K and the place of the crop never have
to be learned. (Yoon et al. 2019 join ImageNet's VGG-16 with an hourglass for landmarks; this is
MobileNetV2 going down and an hourglass's way up.)
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from steadyface.networks.blocks import FrozenBatchNorm, Residual
from steadyface.networks.imagenet import feature_layers, imagenet_weights
from steadyface.networks.precision import in_network_precision, in_single_precision

STRIDE = 4
"""Pixels of the crop to a cell of the heat maps."""

LEAST_DOUBT_PX = 0.3
"""A point is never surer than this, or one point would hold the pose alone."""


class FoundPoints(NamedTuple):
    """pixels (B, K, 2) in the crop; doubt_px (B, K); log_heat (B, K, C, C), log-probabilities over the cells."""

    pixels: Tensor
    doubt_px: Tensor
    log_heat: Tensor


class PointNetwork(FrozenBatchNorm):
    """Crop (B, 3, S, S) -> where K points lie.

    The layers down to a quarter of the resolution stay as they are loaded, and no batch norm ever
    gathers statistics: neither the lab nor a clip moves them.

    Args:
        width: half the channels at the heat maps' resolution, a multiple of 4.
        points: K.
    """

    image_mean: Tensor
    image_std: Tensor

    def __init__(self, width: int, points: int) -> None:
        super().__init__()
        layers = feature_layers()
        self.to_quarter, self.to_eighth, self.to_sixteenth = layers[:4], layers[4:7], layers[7:]
        self.to_quarter.requires_grad_(False)
        quarter, eighth, sixteenth = 2 * width, 4 * width, 6 * width
        self.at_quarter, self.at_eighth = _entry(24, quarter), _entry(32, eighth)
        self.at_sixteenth = nn.Sequential(_entry(96, sixteenth), nn.SiLU(), Residual(sixteenth))
        self.from_sixteenth = nn.Conv2d(sixteenth, eighth, 1)
        self.from_eighth = nn.Sequential(Residual(eighth), nn.Conv2d(eighth, quarter, 1))
        self.refine = Residual(quarter)
        self.to_heat = nn.Conv2d(quarter, points, 1)
        self.to_doubt = nn.Conv2d(quarter, points, 1)
        self.register_buffer("image_mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), persistent=False)
        self.register_buffer("image_std", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1), persistent=False)
        self.train()

    def start_from_imagenet(self) -> None:
        """Load the ImageNet weights of the way down. Raises InputError where their file is not torchvision's."""
        parts = (self.to_quarter, self.to_eighth, self.to_sixteenth)
        nn.Sequential(*(layer for part in parts for layer in part.children())).load_state_dict(imagenet_weights())

    @in_network_precision
    def forward(self, image: Tensor) -> FoundPoints:
        """(B, 3, S, S) sRGB in [0, 1], S a multiple of 16 -> K points each."""
        quarter = self.to_quarter((image - self.image_mean) / self.image_std)
        eighth = self.to_eighth(quarter)
        wide = self.at_eighth(eighth) + _double(self.from_sixteenth(self.at_sixteenth(self.to_sixteenth(eighth))))
        features = self.refine(self.at_quarter(quarter) + _double(self.from_eighth(wide)))
        return read_points(self.to_heat(features), self.to_doubt(features))

    def learning_parameters(self) -> list[nn.Parameter]:
        """All but those of the layers that stay as they are loaded."""
        fixed = {id(parameter) for parameter in self.to_quarter.parameters()}
        return [parameter for parameter in self.parameters() if id(parameter) not in fixed]


@in_single_precision
def read_points(heat: Tensor, doubt: Tensor) -> FoundPoints:
    """Points out of maps of a quarter of the crop's side.

    Args:
        heat: (B, K, C, C), logits of where each point is.
        doubt: (B, K, C, C), read where the heat is; the softplus of its mean there is in pixels.
    """
    log_heat = heat.flatten(2).log_softmax(-1)
    share = log_heat.exp()
    doubt_px = LEAST_DOUBT_PX + nn.functional.softplus((share * doubt.flatten(2)).sum(-1))
    return FoundPoints(_centre(share, heat.shape[-1]), doubt_px, log_heat.view_as(heat))


def _entry(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 1, bias=False), nn.GroupNorm(8, channels_out))


def _double(features: Tensor) -> Tensor:
    return interpolate(features, scale_factor=2, mode="nearest")


def _centre(share: Tensor, side: int) -> Tensor:
    """Centre of mass of heat maps (B, K, side^2), in pixels of the crop: (B, K, 2)."""
    steps = (torch.arange(side, device=share.device, dtype=share.dtype) + 0.5) * STRIDE - 0.5
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    return share @ torch.stack([x.flatten(), y.flatten()], dim=-1)
