"""How the light on a face changes over a clip: brightness, colour, side; in stops, from linear light.

Everything is kept as sums a half second, so that an hour of frames is 7,200 small records.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steadyface.capture.crop import Box, crop_image

BIN_S = 0.5
"""Changes over the clip are those between means over this time: a blink and a nod are none."""

JUMP_STOPS = 0.15
"""A change from one frame to the next that counts as a jump."""

BRIGHT, DARK = 250, 6
"""8-bit levels from which on a pixel is burnt out, and up to which it is drowned."""

_PATCH_PX = 32  # the face is looked at through so many pixels
_INNER = 0.7  # share of its box's sides: skin rather than background, hair and collar
_FLOOR = 1e-4  # linear light of black
_LINEAR = np.where(
    np.arange(256) <= 10, np.arange(256) / 255 / 12.92, ((np.arange(256) / 255 + 0.055) / 1.055) ** 2.4
).astype(np.float64)  # sRGB bytes -> linear light, IEC 61966-2-1
_LUMA = np.array([0.2126, 0.7152, 0.0722])


class FaceLight(NamedTuple):
    """Of one frame: log2 of the face's luminance, of red over blue, and of its left over its right half (as seen in
    the picture); the shares of its pixels that are burnt out and drowned."""

    luminance: float
    red_over_blue: float
    left_over_right: float
    bright: float
    dark: float


def measure_light(image: NDArray[np.uint8], face: Box) -> FaceLight:
    """The light on a face. Shapes: image (H, W, 3) sRGB; face x, y, w, h in pixels."""
    margin = (1 - _INNER) / 2
    inner = (face[0] + margin * face[2], face[1] + margin * face[3], _INNER * face[2], _INNER * face[3])
    patch = crop_image(image, inner, _PATCH_PX)
    linear = _LINEAR[patch]
    luminance = linear @ _LUMA
    half = _PATCH_PX // 2
    red, blue = linear[..., 0].mean(), linear[..., 2].mean()
    return FaceLight(
        luminance=_log2(luminance.mean()),
        red_over_blue=_log2(red) - _log2(blue),
        left_over_right=_log2(luminance[:, :half].mean()) - _log2(luminance[:, half:].mean()),
        bright=float((patch.max(-1) >= BRIGHT).mean()),
        dark=float((patch.max(-1) <= DARK).mean()),
    )


@dataclass
class LightMeter:
    """The light over a clip, fed frame by frame.

    Attributes:
        jumps: how often the luminance changed by more than `JUMP_STOPS` from one frame to the next.
        largest_jump: stops; largest_jump_s: when, seconds.
        frames: how many were measured.
    """

    jumps: int = 0
    largest_jump: float = 0.0
    largest_jump_s: float = 0.0
    frames: int = 0
    _before: tuple[float, FaceLight] | None = None
    _bins: dict[int, NDArray[np.float64]] = field(default_factory=dict)

    def add(self, image: NDArray[np.uint8], time_s: float, face: Box, place_before: Box | None, cut: bool) -> None:
        """The next frame with a face.

        Args:
            image: (H, W, 3) sRGB.
            face: where the face is now.
            place_before: where it was taken to be in the frame before: a jump is measured in one place, as
                a box that moves changes what is in it; None: there is nothing to compare with.
            cut: a new shot starts here.
        """
        now = measure_light(image, face)
        if self._before is not None and place_before is not None and not cut:
            here = now if place_before == face else measure_light(image, place_before)
            step = abs(here.luminance - self._before[1].luminance)
            self.jumps += step > JUMP_STOPS
            if step > self.largest_jump:
                self.largest_jump, self.largest_jump_s = step, time_s
        self._before = (time_s, now)
        self.frames += 1
        sums = self._bins.setdefault(int(time_s / BIN_S), np.zeros(len(now) + 1))
        sums += (*now, 1.0)

    def lost(self) -> None:
        """A frame without the face."""
        self._before = None

    def spans(self) -> FaceLight:
        """Of the three logarithms the range over the clip's half seconds, stops; of the two shares the mean."""
        if not self._bins:
            return FaceLight(*[float("nan")] * 5)
        full = max(sums[-1] for sums in self._bins.values())
        rows = np.stack([sums[:-1] / sums[-1] for sums in self._bins.values() if sums[-1] >= full / 2])
        ranges = np.ptp(rows, axis=0)
        means = rows.mean(axis=0)
        return FaceLight(*(float(value) for value in (*ranges[:3], *means[3:])))


def _log2(value: float) -> float:
    return float(np.log2(max(value, _FLOOR)))
