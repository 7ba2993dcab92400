"""A clip's frames, cut to the head: decoded once, frame by frame, for all the levels of a degradation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from steadyface.capture.crop import Box, crop_image
from steadyface.capture.degradation import Degradation, FrameKey, Pixels
from steadyface.capture.video import VideoFrame, read_frames

NO_DEGRADATION = Degradation(unit="", levels=(0.0,), lowest=0.0, highest=0.0)


class ClipCrops(NamedTuple):
    """F frames of a clip. Shapes: image (F, S, S, 3) uint8 sRGB; box (F, 4), what each was cut from, pixels of
    the full frame; time_s (F,) float64."""

    image: Tensor
    box: Tensor
    time_s: Tensor


def read_crops(
    path: Path,
    box: Box,
    size: int,
    frame_count: int = 0,
    degradation: Degradation = NO_DEGRADATION,
    levels: Sequence[float] = NO_DEGRADATION.levels,
    clip: int = 0,
) -> list[ClipCrops]:
    """The crops of a clip under each level; the file is decoded once whatever their number.

    Args:
        path: the video.
        box: of the head, before any crop error.
        size: side of the crops, pixels.
        frame_count: for the progress bar; 0 = not known.
        degradation, levels: what happens to the clip; by default nothing.
        clip: the clip's number, for what is drawn.

    Raises:
        InputError: for a clip that cannot be read.
    """
    images: list[list[Pixels]] = [[] for _ in levels]
    boxes: list[list[Box]] = [[] for _ in levels]
    times: list[float] = []
    with tqdm(total=frame_count or None, desc=path.name, unit="frame", disable=None) as bar:
        for frame, versions in enumerate(_versions(path, degradation, levels)):
            key = FrameKey(clip, frame)
            for place, (level, version) in enumerate(zip(levels, versions, strict=True)):
                cut = degradation.box(box, level, key) if degradation.box else box
                crop = crop_image(version.image, cut, size)
                crop = degradation.crop(crop, level, key) if degradation.crop else crop
                images[place].append(crop)
                boxes[place].append(cut)
            times.append(versions[0].time_s)
            bar.update()
    time_s = torch.tensor(times, dtype=torch.float64)
    return [
        ClipCrops(torch.from_numpy(np.stack(image)), torch.tensor(cut), time_s)
        for image, cut in zip(images, boxes, strict=True)
    ]


def degrade_crops(images: Tensor, degradation: Degradation, level: float, clip: int = 0) -> Tensor:
    """What `read_crops` gives under a level of a degradation of crops alone, from clean crops and not from the file.

    Shapes: (F, S, S, 3) uint8 -> the same.
    """
    assert degradation.crop is not None and degradation.on_crops
    degraded = [
        degradation.crop(image.numpy(), level, FrameKey(clip, frame)) for frame, image in enumerate(images)
    ]
    return torch.from_numpy(np.stack(degraded))


def _versions(path: Path, degradation: Degradation, levels: Sequence[float]) -> Iterator[tuple[VideoFrame, ...]]:
    """Each frame of the file as every level has it."""
    if degradation.frames is not None:
        return degradation.frames(read_frames(path), levels)
    return ((frame,) * len(levels) for frame in read_frames(path))
