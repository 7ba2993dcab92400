"""A clip's frames, cut to the head: decoded once, frame by frame, for all the levels of a degradation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from datamodules.crop_stack import CropStack
from steadyface.capture.crop import Box, crop_image
from steadyface.capture.cuts import CutDetector
from steadyface.capture.degradation import Degradation, FrameKey
from steadyface.capture.video import VideoFrame, read_frames
from steadyface.tracking.crop_path import CropPath

NO_DEGRADATION = Degradation(unit="", levels=(0.0,), lowest=0.0, highest=0.0)


class ClipCrops(NamedTuple):
    """F frames of a clip. Shapes: image (F, S, S, 3) uint8 sRGB; box (F, 4), what each was cut from, pixels of
    the full frame; time_s (F,) float64; shot (F,) long, one more after each cut."""

    image: Tensor
    box: Tensor
    time_s: Tensor
    shot: Tensor


def read_crops(
    path: Path,
    where: Box | CropPath,
    size: int,
    frame_count: int = 0,
    degradation: Degradation = NO_DEGRADATION,
    levels: Sequence[float] = NO_DEGRADATION.levels,
    clip: int = 0,
) -> list[ClipCrops]:
    """The crops of a clip under each level; the file is decoded once whatever their number.

    Args:
        path: the video.
        where: the head's box, before any crop error: one for all frames, or a path.
        size: side of the crops, pixels.
        frame_count: for the progress bar; 0 = not known.
        degradation, levels: what happens to the clip; by default nothing.
        clip: the clip's number, for what is drawn.

    Raises:
        InputError: for a clip that cannot be read, or whose frames are not those of the path.
    """
    images = [CropStack(size) for _ in levels]
    boxes: list[list[Box]] = [[] for _ in levels]
    times: list[float] = []
    shots, cuts = [0], CutDetector()
    box_of = _box_of(where, path)
    with tqdm(total=frame_count or None, desc=path.name, unit="frame", disable=None) as bar:
        for frame, versions in enumerate(_versions(path, degradation, levels)):
            key, box = FrameKey(clip, frame), box_of(frame)
            shots.append(shots[-1] + int(cuts.update(versions[0].image, versions[0].time_s)))
            for place, (level, version) in enumerate(zip(levels, versions, strict=True)):
                cut = degradation.box(box, level, key) if degradation.box else box
                crop = crop_image(version.image, cut, size)
                images[place].append(degradation.crop(crop, level, key) if degradation.crop else crop)
                boxes[place].append(cut)
            times.append(versions[0].time_s)
            bar.update()
    time_s, shot = torch.tensor(times, dtype=torch.float64), torch.tensor(shots[1:])
    if isinstance(where, CropPath):
        where.check_clip(path, times)
        shot = where.shot
    return [
        ClipCrops(image.tensor(), torch.tensor(cut), time_s, shot) for image, cut in zip(images, boxes, strict=True)
    ]


def _box_of(where: Box | CropPath, path: Path) -> Callable[[int], Box]:
    """Frame -> box; beyond a path's end its last box, since the check of the time stamps comes at the end."""
    if not isinstance(where, CropPath):
        return lambda frame: where
    boxes: list[Box] = [(x, y, w, h) for x, y, w, h in where.filled(path).tolist()]
    return lambda frame: boxes[min(frame, len(boxes) - 1)]


def degrade_crops(images: Tensor, degradation: Degradation, level: float, clip: int = 0) -> Tensor:
    """What `read_crops` gives under a level of a degradation of crops alone, from clean crops and not from the file.

    Shapes: (F, S, S, 3) uint8 -> the same.
    """
    assert degradation.crop is not None and degradation.on_crops
    degraded = CropStack(images.shape[1])
    for frame, image in enumerate(images):
        degraded.append(degradation.crop(image.numpy(), level, FrameKey(clip, frame)))
    return degraded.tensor()


def _versions(path: Path, degradation: Degradation, levels: Sequence[float]) -> Iterator[tuple[VideoFrame, ...]]:
    """Each frame of the file as every level has it."""
    if degradation.frames is not None:
        return degradation.frames(read_frames(path), levels)
    return ((frame,) * len(levels) for frame in read_frames(path))
