"""A phone's camera: exposure, white balance, sensor noise, tone curve, motion blur, a hand that holds it.

The order is a phone's: motion blurs the light, the sensor adds its noise, then gains and the tone
curve make an sRGB picture. H.264 is the video writer's business.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steadyface.studio.motion import Array, band_limited, rotation_from_angles

_TABLE_SIZE = 16384  # of the tone curve: its steps are finer than one of 255 even near black


@dataclass(frozen=True)
class PhoneCamera:
    """What is fixed for a phone.

    Attributes:
        exposure: gain on linear light before the tone curve.
        exposure_drift_stops: largest drift of the automatic exposure, in stops (factors of two).
        white_balance: gains of red, green and blue.
        read_noise: deviation of the noise at black, of linear values in [0, 1].
        shot_noise: variance of the noise a unit of linear light.
        curve: strength of the tone curve's S, 0 = plain sRGB.
        shutter: share of the frame's time that the shutter is open.
    """

    exposure: float = 1.0
    exposure_drift_stops: float = 0.12
    white_balance: tuple[float, float, float] = (1.04, 1.0, 0.95)
    read_noise: float = 0.003
    shot_noise: float = 0.00012
    curve: float = 0.35
    shutter: float = 0.4

    def develop(self, linear: Tensor, gain: float, generator: torch.Generator) -> Tensor:
        """From light on the sensor to an sRGB picture: (H, W, 3) linear -> (H, W, 3) uint8."""
        light = (linear * (self.exposure * gain)).clamp_(min=0.0)
        noise = torch.randn(light.shape, generator=generator)
        light += noise.mul_((light * self.shot_noise).add_(self.read_noise**2).sqrt_())
        rows = light.view(len(light), -1)  # a last axis of three is slow
        level = rows.mul_(torch.tensor(self.white_balance).repeat(linear.shape[1])).clamp_(0.0, 1.0)
        level = level.mul_(_TABLE_SIZE - 1).add_(0.5).to(torch.int32)
        return _tone_table(self.curve).index_select(0, level.view(-1)).view(linear.shape)

    def exposure_gains(self, rng: np.random.Generator, time_s: Array) -> Array:
        """The automatic exposure's gain over time, around 1: (T,) -> (T,)."""
        return 2.0 ** (self.exposure_drift_stops * band_limited(rng, time_s, 0.05, 0.4))


@dataclass(frozen=True)
class HandHeld:
    """How a hand holds a phone: slow wander and a small tremor, angles in degrees, shift in mm."""

    wander_deg: float = 0.55
    tremor_deg: float = 0.05
    shift_mm: float = 3.0

    def poses(self, rng: np.random.Generator, time_s: Array) -> tuple[Array, Array]:
        """The camera's pose in the room: times (T,) -> rotation (T, 3, 3) and centre (T, 3) mm,
        camera -> room."""
        angles = [
            math.radians(self.wander_deg) * band_limited(rng, time_s, 0.1, 0.6)
            + math.radians(self.tremor_deg) * band_limited(rng, time_s, 3.0, 8.0)
            for _ in range(3)
        ]
        centre = np.stack([self.shift_mm * band_limited(rng, time_s, 0.1, 0.8) for _ in range(3)], axis=-1)
        return rotation_from_angles(*angles), centre


def tone_curve(linear: Tensor, strength: float) -> Tensor:
    """sRGB's transfer curve, bent into a slight S around middle grey: [0, 1] -> [0, 1].

    >>> [round(value, 3) for value in tone_curve(torch.tensor([0.0, 0.5]), 0.0).tolist()]
    [0.0, 0.735]
    """
    encoded = torch.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)
    smooth = encoded * encoded * (3.0 - 2.0 * encoded)
    return torch.lerp(encoded, smooth, strength)


@cache
def _tone_table(strength: float) -> Tensor:
    """The tone curve in steps, as sRGB bytes."""
    return (tone_curve(torch.linspace(0.0, 1.0, _TABLE_SIZE), strength) * 255.0 + 0.5).to(torch.uint8)


def motion_blur(picture: Tensor, shift: NDArray[np.floating]) -> Tensor:
    """Blurs along a straight path of ``shift`` (x, y) pixels, centred: (H, W, C) -> (H, W, C).

    The mean of shifted copies at most a pixel apart; below a tenth of a pixel nothing happens.
    """
    length = float(np.hypot(*shift))
    if length < 0.1:
        return picture
    count = max(2, math.ceil(length) + 1)
    copies = [translate(picture, *(shift * step)) for step in np.linspace(-0.5, 0.5, count)]
    return torch.stack(copies).mean(0)


def translate(picture: Tensor, right: float, down: float) -> Tensor:
    """Moves a picture by a fraction of a pixel or more, bilinear, the border held: (H, W, C) -> (H, W, C)."""
    for axis, amount in ((0, down), (1, right)):
        whole = math.floor(amount)
        share = amount - whole
        near = _shift(picture, axis, whole)
        if share > 1e-4:
            near = torch.lerp(near, _shift(picture, axis, whole + 1), share)
        picture = near
    return picture


def _shift(picture: Tensor, axis: int, pixels: int) -> Tensor:
    """Moves a picture by whole pixels along an axis, to higher indices where positive, the border held."""
    size = picture.shape[axis]
    pixels = max(-size, min(pixels, size))
    if pixels == 0:
        return picture
    kept = picture.narrow(axis, max(-pixels, 0), size - abs(pixels))
    border = picture.narrow(axis, 0 if pixels > 0 else size - 1, 1)
    border = border.expand(*(abs(pixels) if at == axis else -1 for at in range(picture.dim())))
    return torch.cat([border, kept] if pixels > 0 else [kept, border], dim=axis)
