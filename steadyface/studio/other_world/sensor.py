"""The second generator's phone: mosaic sensor, exposure that lags, local exposure, film curve.

The order is a phone's: the exposure that was chosen from the frames before, noise in the mosaic, the colours filled
in, white balance, local exposure, the film curve, a little sharpening.
Source of the curve: K. Narkowicz, ACES Filmic Tone Mapping Curve (2015).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, interpolate, pad

from steadyface.studio.other_world.environment import LUMINANCE
from steadyface.studio.other_world.settings import OtherWorldSettings

_GREY = 0.19  # what the metered part is exposed to, linear
_COARSE = 20  # pixels a cell of the local exposure
_SHARPEN = 0.35
_ADAPTED = 0.75  # of the light's colour that the white balance takes away
_GREEN = torch.tensor([[0.0, 0.25, 0.0], [0.25, 1.0, 0.25], [0.0, 0.25, 0.0]])
_RED_BLUE = torch.tensor([[0.25, 0.5, 0.25], [0.5, 1.0, 0.5], [0.25, 0.5, 0.25]])


class Phone:
    """Develops a clip's frames in their order: exposure and local exposure remember what was before.

    Args:
        settings: noise and lags.
        light: (3,) colour of the light, which the white balance meets for the most part.
    """

    def __init__(self, settings: OtherWorldSettings, light: Tensor) -> None:
        self._settings = settings
        neutral = light.mean() / light.clamp(min=1e-6)
        self._balance = neutral**_ADAPTED
        self._share = 1.0 - math.exp(-1.0 / (settings.fps * settings.exposure_lag_s))
        self._stops: Tensor | None = None  # log2 of the gain
        self._local: Tensor | None = None  # (1, 1, h, w) log2 of the brightness around

    def develop(self, linear: Tensor, generator: torch.Generator) -> Tensor:
        """(H, W, 3) linear radiance -> (H, W, 3) uint8 sRGB."""
        metered = self._meter(linear)
        self._stops = metered if self._stops is None else self._stops + self._share * (metered - self._stops)
        light = linear.permute(2, 0, 1) * 2.0**self._stops
        raw = quiet_colour(self._noisy(light, generator))
        exposed = self._even_out(raw * self._balance[:, None, None])
        return (sharpen(to_srgb(film(exposed))) * 255.0 + 0.5).clamp(0.0, 255.0).to(torch.uint8).permute(1, 2, 0)

    def _meter(self, linear: Tensor) -> Tensor:
        """Stops that bring the middle of the picture, where the face is, to grey."""
        height, width = linear.shape[:2]
        middle = linear[height // 5 : height * 4 // 5, width // 5 : width * 4 // 5]
        brightness = (middle.reshape(-1, 3) @ LUMINANCE).clamp(min=1e-4)
        return math.log2(_GREY) - brightness.log2().mean()

    def _noisy(self, light: Tensor, generator: torch.Generator) -> Tensor:
        settings = self._settings
        deviation = (light.clamp(min=0.0) * settings.photon_noise + settings.read_noise**2).sqrt()
        return light + deviation * torch.randn(light.shape, generator=generator)

    def _even_out(self, light: Tensor) -> Tensor:
        """Brightens what lies in the dark and dims what lies in the light, as far as the setting says."""
        luminance = torch.einsum("chw,c->hw", light, LUMINANCE).clamp(min=1e-4)
        coarse = blur(avg_pool2d(luminance.log2()[None, None], _COARSE, ceil_mode=True), 2.0)
        self._local = coarse if self._local is None else torch.lerp(self._local, coarse, self._share)
        around = interpolate(self._local, luminance.shape, mode="bicubic", align_corners=False)[0]
        return light * 2.0 ** (self._settings.local_exposure * (math.log2(_GREY) - around))


def demosaic(light: Tensor) -> Tensor:
    """Sees each pixel through one colour of a red, green, green, blue mosaic and fills the rest in: (3, H, W)."""
    mask = torch.zeros_like(light)
    mask[0, 0::2, 0::2] = mask[1, 0::2, 1::2] = mask[1, 1::2, 0::2] = mask[2, 1::2, 1::2] = 1.0
    kernels = torch.stack([_RED_BLUE, _GREEN, _RED_BLUE])[:, None]
    sums, weights = (conv2d(pad(part[None], (1, 1, 1, 1)), kernels, groups=3)[0] for part in (light * mask, mask))
    return sums / weights.clamp(min=1e-6)


def quiet_colour(light: Tensor) -> Tensor:
    """(3, H, W) as a phone makes it of its mosaic: brightness sharp and noisy, colours filled in and blurred."""
    filled = demosaic(light)
    weights = LUMINANCE.view(3, 1, 1)
    colour = filled - (filled * weights).sum(0, keepdim=True)
    return (light * weights).sum(0, keepdim=True) + blur(colour[None], 1.1)[0]


def film(light: Tensor) -> Tensor:
    """Narkowicz' fit of the ACES film curve, display-linear: [0, inf) -> [0, 1]."""
    x = light.clamp(min=0.0)
    return ((x * (2.51 * x + 0.03)) / (x * (2.43 * x + 0.59) + 0.14)).clamp(0.0, 1.0)


def to_srgb(linear: Tensor) -> Tensor:
    """sRGB's transfer curve: [0, 1] -> [0, 1]."""
    return torch.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)


def sharpen(picture: Tensor) -> Tensor:
    """(3, H, W) with its finest detail raised, as phones do."""
    return (picture + _SHARPEN * (picture - blur(picture[None], 1.0)[0])).clamp(0.0, 1.0)


def blur(pictures: Tensor, sigma: float) -> Tensor:
    """Gaussian blur, the border held: (B, C, H, W)."""
    reach = max(math.ceil(2.5 * sigma), 1)
    offsets = torch.arange(-reach, reach + 1, dtype=pictures.dtype)
    kernel = torch.exp(-0.5 * (offsets / sigma).square())
    kernel = (kernel / kernel.sum()).view(1, 1, -1)
    shape = pictures.shape
    flat = pad(pictures.reshape(-1, 1, *shape[-2:]), (reach, reach, reach, reach), mode="replicate")
    flat = conv2d(conv2d(flat, kernel.unsqueeze(-1)), kernel.unsqueeze(2))
    return flat.view(shape)
