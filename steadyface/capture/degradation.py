"""What lowers the quality of a clip: resolution, blur, noise, compression, crop error (paper, Fig. 10).

A degradation acts at one of three places on the way of a frame: on the frames of the file, on the box
that is cut out of them, or on the crop. Levels have the unit that ``Degradation.unit`` states. What is
drawn is a function of the clip's number and the frame's, so that every network sees the same clip.

To add one, write a pure function and give it an entry in ``DEGRADATIONS``.
"""

from __future__ import annotations

import difflib
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from steadyface.capture.crop import Box
from steadyface.capture.video import VideoFrame, VideoWriter, read_frames
from steadyface.errors import InputError
from steadyface.randomness import derive_seed

Pixels = NDArray[np.uint8]

DRAWING_SEED = 0  # one for all runs: rows that are compared must be of the same clip
NOMINAL_FPS = 30.0  # of the re-encoded file; the frames carry their own times


class FrameKey(NamedTuple):
    """Which frame of which clip, both from 0: all that a draw may depend on."""

    clip: int
    frame: int


@dataclass(frozen=True)
class Degradation:
    """One way in which a clip loses quality; what is None stays as it is.

    unit: of a level; levels: those of a study that names none; lowest, highest: the range of a level;
    whole: whether a level must be a whole number.
    frames: frames and the levels -> a frame's versions, one a level, in order.
    box: box, level, key -> the box that is cut out. crop: crop, level, key -> the crop that is seen.
    """

    unit: str
    levels: tuple[float, ...]
    lowest: float
    highest: float
    whole: bool = False
    frames: Callable[[Iterable[VideoFrame], Sequence[float]], Iterator[tuple[VideoFrame, ...]]] | None = None
    box: Callable[[Box, float, FrameKey], Box] | None = None
    crop: Callable[[Pixels, float, FrameKey], Pixels] | None = None

    @property
    def on_crops(self) -> bool:
        """Whether clean crops are all that it needs."""
        return self.frames is None and self.box is None


def reduce_resolution(crop: Pixels, side: float) -> Pixels:
    """A crop with the detail of one of ``side`` pixels: mean over areas, then bilinear back to its size.

    Unchanged where the crop has no more than that. Shapes: (S, S, 3) uint8 -> the same.
    """
    if side >= crop.shape[0]:
        return crop
    small = Image.fromarray(crop).resize((int(side), int(side)), Image.Resampling.BOX)
    return np.asarray(small.resize((crop.shape[1], crop.shape[0]), Image.Resampling.BILINEAR))


def blur(image: Pixels, sigma: float) -> Pixels:
    """Gaussian blur, ``sigma`` in pixels; the border is repeated. Shapes: (H, W, 3) uint8 -> the same."""
    blurred = gaussian_filter(image.astype(np.float32), (sigma, sigma, 0.0), mode="nearest")
    return _to_bytes(blurred)


def add_noise(image: Pixels, sigma: float, key: FrameKey) -> Pixels:
    """White Gaussian noise of ``sigma`` 8-bit levels on each channel. Shapes: (H, W, 3) uint8 -> the same."""
    noise = torch.randn(image.shape, generator=_generator("noise", *key)).numpy()
    return _to_bytes(image + np.float32(sigma) * noise)


def displace_box(box: Box, share: float, key: FrameKey) -> Box:
    """The box moved by ``share`` of its larger side, in one direction for the whole clip."""
    angle = 2 * math.pi * float(torch.rand((), generator=_generator("crop_error", key.clip)))
    return _moved(box, share * math.cos(angle), share * math.sin(angle))


def jitter_box(box: Box, share: float, key: FrameKey) -> Box:
    """The box moved anew in each frame: in x and y by a standard deviation of ``share`` of its larger side."""
    x, y = (share * torch.randn(2, generator=_generator("crop_jitter", *key))).tolist()
    return _moved(box, x, y)


def compress(frames: Iterable[VideoFrame], crfs: Sequence[float]) -> Iterator[tuple[VideoFrame, ...]]:
    """H.264 of each constant rate factor, encoded and decoded again; indices and times stay what they were.

    The frames are read once for all factors, and kept in temporary files, never in memory.

    Args:
        frames: of one clip, in order.
        crfs: 0 (best) to 51 (worst), whole numbers.

    Yields:
        a frame's versions, one a factor.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.mp4" for number in range(len(crfs))]
        written = _encode(frames, paths, crfs)
        for (index, time_s, height, width), *versions in zip(written, *map(read_frames, paths), strict=True):
            yield tuple(VideoFrame(index, time_s, frame.image[:height, :width]) for frame in versions)


def _encode(
    frames: Iterable[VideoFrame], paths: Sequence[Path], crfs: Sequence[float]
) -> list[tuple[int, float, int, int]]:
    """Write the files; returns index, time, height and width of every frame."""
    written: list[tuple[int, float, int, int]] = []
    with ExitStack() as stack:
        writers: list[VideoWriter] = []
        for frame in frames:
            height, width = frame.image.shape[:2]
            # chroma is stored at half size, so an odd side is lengthened by a repeated pixel
            even = np.pad(frame.image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            if not writers:
                size = (even.shape[1], even.shape[0], NOMINAL_FPS)
                writers = [
                    stack.enter_context(VideoWriter(path, *size, crf=int(crf)))
                    for path, crf in zip(paths, crfs, strict=True)
                ]
            written.append((frame.index, frame.time_s, height, width))
            for writer in writers:
                writer.write(even, frame.time_s - written[0][1])
    return written


def _generator(*keys: str | int) -> torch.Generator:
    # one of its own for each frame: to seed torch's global ones again and again takes milliseconds a frame
    return torch.Generator().manual_seed(derive_seed(DRAWING_SEED, *keys))


def _moved(box: Box, x: float, y: float) -> Box:
    side = max(box[2:])
    return (box[0] + x * side, box[1] + y * side, box[2], box[3])


def _to_bytes(image: NDArray[np.floating]) -> Pixels:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


DEGRADATIONS: dict[str, Degradation] = {
    "resolution": Degradation(
        "px, side of the crop", (64, 48, 32, 24, 16), 4, 4096, whole=True,
        crop=lambda crop, level, _: reduce_resolution(crop, level),
    ),
    "blur": Degradation(
        "px, sigma in the crop", (0.5, 1, 2, 4), 0, 64, crop=lambda crop, level, _: blur(crop, level)
    ),
    "noise": Degradation("8-bit levels, sigma", (5, 10, 20, 40), 0, 255, crop=add_noise),
    "compression": Degradation("CRF of H.264", (23, 30, 37, 44, 51), 0, 51, whole=True, frames=compress),
    "crop_error": Degradation("share of the box's side", (0.02, 0.05, 0.1, 0.2), 0, 1, box=displace_box),
    "crop_jitter": Degradation("share of the box's side", (0.01, 0.02, 0.05, 0.1), 0, 1, box=jitter_box),
}


def find_degradation(name: str) -> Degradation:
    """The degradation of a name. Raises InputError, with the nearest known name, where there is none."""
    if name not in DEGRADATIONS:
        (nearest,) = difflib.get_close_matches(name, DEGRADATIONS, n=1, cutoff=0.0)
        raise InputError("degradation", f"one of {', '.join(DEGRADATIONS)}", name, f"the nearest is {nearest}")
    return DEGRADATIONS[name]


def check_level(name: str, level: float) -> None:
    """Raises InputError where the degradation is unknown or the level is outside its range."""
    kind = find_degradation(name)
    if not kind.lowest <= level <= kind.highest or (kind.whole and level != int(level)):
        number = "a whole number" if kind.whole else "a number"
        expected = f"{number} from {kind.lowest:g} to {kind.highest:g} ({kind.unit})"
        raise InputError(f"level of {name}", expected, f"{level:g}", f"levels in use: {format_levels(kind.levels)}")


def parse_degradation(text: str) -> tuple[str, tuple[float, ...]]:
    """Name and levels of ``name`` or ``name:level,level``.

    Raises:
        InputError: an unknown name, a level that is no number or outside its range.

    >>> parse_degradation("blur:1,2.5"), parse_degradation("noise")
    (('blur', (1.0, 2.5)), ('noise', (5, 10, 20, 40)))
    """
    name, colon, listed = (part.strip() for part in text.partition(":"))
    kind = find_degradation(name)
    if not colon:
        return name, kind.levels
    try:
        levels = tuple(dict.fromkeys(float(level) for level in listed.split(",")))
    except ValueError:
        remedy = f"write for example {name}:{format_levels(kind.levels)}"
        raise InputError(f"levels of {name}", "numbers, separated by commas", repr(listed), remedy) from None
    for level in levels:
        check_level(name, level)
    return name, levels


def parse_degradations(requested: Iterable[str]) -> dict[str, tuple[float, ...]]:
    """Name -> levels of what a study asks for. Raises InputError as `parse_degradation`, or for a name twice."""
    chosen: dict[str, tuple[float, ...]] = {}
    for name, levels in map(parse_degradation, requested):
        if name in chosen:
            raise InputError("degradations", "each name once", f"{name} twice", f"write {name}:level,level")
        chosen[name] = levels
    return chosen


def format_levels(levels: Iterable[float]) -> str:
    """Levels as they are written in settings.

    >>> format_levels((16.0, 0.5))
    '16,0.5'
    """
    return ",".join(f"{level:g}" for level in levels)
