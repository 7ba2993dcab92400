"""Decoded frames as sRGB bytes: the matrix and range of their tags, and high dynamic range tone-mapped.

Sources: ITU-R BT.2100 (PQ, HLG and its opto-optical transfer), BT.2087 (BT.2020 to BT.709), BT.2408 (reference white
of 203 cd/m2).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from av.video.frame import VideoFrame as AvFrame
from av.video.reformatter import Colorspace, Interpolation
from numpy.typing import NDArray

HDR_TRANSFERS = {16: "PQ", 18: "HLG"}
"""FFmpeg's numbers of the transfer characteristics that sRGB bytes cannot hold."""

# Without the two flags FFmpeg is some 15 ms a 1080p picture faster, and 1 to 2 levels darker, by coding: 8 and 10 bit
# of the same picture would differ.
_EXACT = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
_UNSPECIFIED = 2
_HD_WIDTH, _HD_HEIGHT = 1280, 720  # players take untagged video of at least this size for BT.709, smaller for BT.601
_WHITE_NITS, _PEAK_NITS = 203.0, 1000.0
_KNEE = 0.75  # of reference white: darker is left as it is, brighter is bent so that the peak lands on 1
_LINEAR_STEPS = 4095
_LUMA_2020 = np.array([0.2627, 0.6780, 0.0593], np.float32)
_TO_709 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32)


def transfer_of(frame: AvFrame) -> str:
    """``"PQ"``, ``"HLG"`` or ``"sdr"``."""
    return HDR_TRANSFERS.get(frame.color_trc, "sdr")


def is_full_range(frame: AvFrame) -> bool:
    """Whether black is stored as 0 rather than 16; RGB is."""
    return frame.color_range == 2 or frame.format.name.startswith("yuvj") or frame.format.is_rgb


def to_srgb(frame: AvFrame) -> NDArray[np.uint8]:
    """The stored picture, not yet turned, as (H, W, 3) uint8 sRGB.

    BT.709 and BT.601 video is taken as sRGB once it is RGB: what screens do with it.
    """
    matrix = None
    if frame.colorspace == _UNSPECIFIED and not frame.format.is_rgb:
        high = frame.width >= _HD_WIDTH or frame.height >= _HD_HEIGHT
        matrix = Colorspace.ITU709 if high else Colorspace.ITU601
    transfer = transfer_of(frame)
    if transfer == "sdr":
        return np.asarray(_to_array(frame, "rgb24", matrix), dtype=np.uint8)
    return tone_map(np.asarray(_to_array(frame, "rgb48le", matrix), dtype=np.uint16), transfer)


def _to_array(frame: AvFrame, pixels: str, matrix: Colorspace | None) -> NDArray[Any]:
    return frame.to_ndarray(format=pixels, src_colorspace=matrix, interpolation=_EXACT, threads=1)


def tone_map(signal: NDArray[np.uint16], transfer: str) -> NDArray[np.uint8]:
    """BT.2020 RGB under PQ or HLG to sRGB: reference white becomes white but for the bend, the peak 255.

    Args:
        signal: (H, W, 3), 65535 = 1.
        transfer: ``"PQ"`` or ``"HLG"``.

    Returns:
        (H, W, 3) uint8.
    """
    linear = _decoding_table(transfer)[signal]
    if transfer == "HLG":  # the display's share of HLG, at 1000 cd/m2
        luma = linear @ _LUMA_2020
        linear *= np.power(np.maximum(luma, 1e-6), 0.2)[..., None] * (_PEAK_NITS / _WHITE_NITS)
    linear = linear @ _TO_709.T
    scale = _LINEAR_STEPS / (_PEAK_NITS / _WHITE_NITS)
    # the square root spends the table's steps where the eye does
    place = np.sqrt(np.clip(linear, 0.0, _PEAK_NITS / _WHITE_NITS) * (scale * _LINEAR_STEPS))
    return _encoding_table()[(place + 0.5).astype(np.uint16)]


@cache
def _decoding_table(transfer: str) -> NDArray[np.float32]:
    """Signal to light: PQ relative to reference white, HLG scene light in [0, 1]."""
    signal = np.arange(65536) / 65535.0
    if transfer == "PQ":
        root = signal ** (1 / 78.84375)
        light = (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)
        return (light * 10000.0 / _WHITE_NITS).astype(np.float32)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12).astype(np.float32)


@cache
def _encoding_table() -> NDArray[np.uint8]:
    """Light to sRGB bytes, by the square root of light over the peak."""
    peak = _PEAK_NITS / _WHITE_NITS
    light = (np.arange(_LINEAR_STEPS + 1) / _LINEAR_STEPS) ** 2 * peak
    over, most = np.maximum(light - _KNEE, 0) / (1 - _KNEE), (peak - _KNEE) / (1 - _KNEE)
    bent = np.minimum(light, _KNEE) + (1 - _KNEE) * over * (1 + over / most**2) / (1 + over)  # Reinhard et al. 2002
    encoded = np.where(bent <= 0.0031308, 12.92 * bent, 1.055 * bent ** (1 / 2.4) - 0.055)
    return np.round(np.clip(encoded, 0, 1) * 255).astype(np.uint8)
