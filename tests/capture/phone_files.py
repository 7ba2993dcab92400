"""Files such as phones write, straight from PyAV: any coding, turned, with edit lists."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

WIDTH, HEIGHT, COUNT, RATE = 64, 48, 8, 30
REC_601, REC_709, REC_2020 = 5, 1, 9  # FFmpeg's numbers, of the matrix and of the tags
QUIET = {"x265-params": "log-level=error:pools=1"}


def moving_picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Smooth colours, no symmetry, and a bright spot that moves on: (H, W, 3) uint8."""
    y, x = np.mgrid[:height, :width]
    red, green = 60 + 120 * x / width, 50 + 100 * y / height
    spot = 60 * np.exp(-((x - 12 - 4 * number) ** 2 + (y - 14) ** 2) / 40)
    return np.stack([red + spot, green + spot, 90 + 60 * (x + y) / (width + height)], axis=2).astype(np.uint8)


def encode(path: Path, images: Sequence[np.ndarray], times: Sequence[float] | None = None, **how: Any) -> Path:
    """A video file, straight from PyAV. ``how``: codec, pixels, matrix (None = untagged), full, transfer, turn
    (degrees clockwise, mirrored), options, metadata, movflags."""
    matrix, full, codec = how.get("matrix", REC_709), how.get("full", False), how.get("codec", "libx264")
    with av.open(str(path), "w", options=how.get("container", {})) as container:
        container.metadata.update(how.get("metadata", {}))
        stream = container.add_stream(codec, rate=RATE, options={"crf": "4", **how.get("options", {})})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = how.get("pixels", "yuv420p")
        context = stream.codec_context
        context.time_base, context.color_range = Fraction(1, 90_000), 2 if full else 1
        if matrix is not None:
            context.colorspace = 6 if matrix == REC_601 else matrix
            context.color_primaries = 6 if matrix == REC_601 else matrix
            context.color_trc = how.get("transfer", 1)
        if "turn" in how:
            clockwise, mirrored = how["turn"]
            stream.set_display_rotation(-clockwise, mirrored, False)
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, "rgb24" if image.dtype == np.uint8 else "rgb48le")
            target = matrix or how.get("guess", REC_601)
            frame = frame.reformat(
                format=stream.pix_fmt, dst_colorspace=target, dst_color_range=2 if full else 1, interpolation="BICUBIC"
            )
            frame.pts = round((times[number] if times else number / RATE) * 90_000)
            frame.time_base = Fraction(1, 90_000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def set_edits(path: Path, edits: Sequence[tuple[int, int]]) -> None:
    """Writes edits (duration in ms, media time in ticks or -1) over those that are there, as many (elst, version 0)."""
    content = bytearray(path.read_bytes())
    at = content.index(b"elst") + 4
    assert content[at] == 0 and struct.unpack_from(">I", content, at + 4) == (len(edits),)
    for number, (duration, media_time) in enumerate(edits):
        struct.pack_into(">IiI", content, at + 8 + 12 * number, duration, media_time, 1 << 16)
    path.write_bytes(content)
