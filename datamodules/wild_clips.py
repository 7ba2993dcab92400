"""Phone clips as windows of consecutive frames, ``ClipBatch``. No truth is ever read here."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor

from datamodules.batches import OrderedBatches, ShuffledBatches
from datamodules.clip_crops import NO_DEGRADATION, ClipCrops, degrade_crops, read_crops
from datamodules.clip_settings import WildClipsSettings, check_settings
from datamodules.windows import unbroken_windows
from steadyface.capture.crop import Box
from steadyface.capture.degradation import Degradation, check_level, find_degradation
from steadyface.capture.detector import detect_box
from steadyface.capture.video import VideoInfo, probe
from steadyface.errors import InputError
from steadyface.geometry.cameras import crop_intrinsics
from steadyface.processes import rank_and_world
from steadyface.tracking.adaptation_score import WatchedFrames
from steadyface.tracking.crop_path import CropPath, fixed_path
from steadyface.tracking.held_out import held_out_frames, spread_over
from steadyface.tracking.track import runs_of
from steadyface.types import ClipBatch

logger = logging.getLogger(__name__)

GUESSED_FOCAL_OVER_SIDE = 1.2
"""Focal length over the longer side of the picture where none is given: 45 degrees, a phone held upright."""


class ClipInfo(NamedTuple):
    """What is known of a clip.

    Shapes: path of the crops, F frames, before any crop error; intrinsics (3, 3) of the full frame, upright.
    """

    path: Path
    crops: CropPath
    width: int
    height: int
    intrinsics: Tensor
    focal_is_guessed: bool

    @property
    def time_s(self) -> Tensor:
        """(F,) float64."""
        return self.crops.time_s

    @property
    def box(self) -> Box:
        """Of the first frame that has one; of every frame, where the crop stays where it is."""
        x, y, width, height = self.crops.filled(self.path)[0].tolist()
        return (x, y, width, height)


class WildClips(pl.LightningDataModule):
    """Decodes each clip once in ``setup``, frame by frame, and keeps only the crops, as bytes.

    The box stays where it is through the clip, or follows a path, but for a crop error that is asked for; K
    follows each frame's box. The principal point is taken as the picture's centre. No window crosses a cut,
    or holds a frame without a face.

    Args:
        settings: see ``WildClipsSettings``.
        seed: of the order of the batches.
        ways: where the head goes in each clip, in their order, with the focal length that was found.
        held_out: share of each clip's frames that no training window holds, `held_out_frames`.
    """

    def __init__(
        self, settings: WildClipsSettings, seed: int, ways: Sequence[CropPath] = (), held_out: float = 0.0
    ) -> None:
        super().__init__()
        self._settings, self._seed, self._ways, self._held_out = settings, seed, tuple(ways), held_out
        self._clips: list[ClipInfo] | None = None
        self._images: list[Tensor] = []
        self._first, self._time_s = torch.empty(0), torch.empty(0)
        self._intrinsics = torch.empty(0)
        self._chosen: list[Tensor] | None = None

    def setup(self, stage: str | None = None) -> None:
        """Reads the clips; a second call does nothing. Raises InputError where one cannot be used."""
        if self._clips is not None:
            return
        settings = self._settings
        check_settings(settings)
        degradation = find_degradation(settings.degradation) if settings.degradation else NO_DEGRADATION
        crops, clips = [], []
        for index, path in enumerate(map(Path, settings.clips)):
            info, way = probe(path), self._ways[index] if self._ways else None
            where = way or (square_box(path, settings.box, info) if settings.box else detect_box(path))
            levels = [settings.degradation_level]
            (read,) = read_crops(path, where, settings.image_size, info.frame_count, degradation, levels, index)
            crops.append(read)
            path_of = where if isinstance(where, CropPath) else fixed_path(read.time_s, where, read.shot)
            focal_px = settings.focal_px or (way.focal_px if way else 0.0)
            clips.append(_clip_info(path, path_of, info, focal_px))
        self._keep(crops, clips)

    def degraded(self, name: str, levels: Sequence[float]) -> Iterator[WildClips]:
        """These clips under each level of a degradation, in order.

        A degradation of crops takes those in memory, one level at a time; for any other, each file is
        decoded once for all levels.

        Raises:
            InputError: an unknown name, or a level outside its range.
            ValueError: these clips are degraded themselves, or not read yet.
        """
        if self._settings.degradation:
            raise ValueError(f"a degradation of clips that are degraded already, by {self._settings.degradation}")
        for level in levels:
            check_level(name, level)
        for level, crops in zip(levels, self._degraded_crops(find_degradation(name), levels), strict=True):
            version = WildClips(replace(self._settings, degradation=name, degradation_level=level), self._seed)
            version._keep(crops, self.clip_infos)
            yield version

    def _degraded_crops(self, kind: Degradation, levels: Sequence[float]) -> Iterator[list[ClipCrops]]:
        """The crops of every clip, level after level."""
        infos, size = self.clip_infos, self._settings.image_size
        if kind.on_crops:
            clean = self._images
            for level in levels:
                yield [
                    ClipCrops(
                        degrade_crops(images, kind, level, index), info.crops.filled(info.path).float(), info.time_s,
                        info.crops.shot,
                    )
                    for index, (images, info) in enumerate(zip(clean, infos, strict=True))
                ]
            return
        read = [
            read_crops(info.path, info.crops, size, len(info.time_s), kind, levels, index)
            for index, info in enumerate(infos)
        ]
        yield from map(list, zip(*read, strict=True))

    def _keep(self, crops: list[ClipCrops], clips: list[ClipInfo]) -> None:
        lengths = torch.tensor([len(clip.time_s) for clip in clips])
        self._first = lengths.cumsum(0) - lengths
        self._images = [clip.image for clip in crops]
        self._time_s = torch.cat([clip.time_s for clip in crops])
        self._intrinsics = torch.cat(
            [_intrinsics_of_crops(info, crop.box, crop.image.shape[1]) for info, crop in zip(clips, crops, strict=True)]
        )
        self._clips = clips

    @property
    def clip_infos(self) -> list[ClipInfo]:
        """The clips, in the order of the settings."""
        if self._clips is None:
            raise RuntimeError("WildClips.setup() has not run yet")
        return self._clips

    def train_dataloader(self) -> ShuffledBatches[ClipBatch]:
        """Windows of all clips, shuffled. Raises InputError where they fill no batch."""
        offsets = self._settings.window_offsets_s
        windows = self._windows()
        if not len(windows):
            apart = float(self._time_s.diff().clamp(min=0).median()) if len(self._time_s) > 1 else 0.0
            example = [round(number * apart, 4) for number in range(len(offsets))]
            raise InputError(
                "window_offsets_s", f"offsets a frame interval ({apart:.4f} s here) or more apart that fit into a clip",
                str(offsets), f"write {example}, or use a longer clip",
            )  # fmt: skip
        loader = ShuffledBatches(
            len(windows), self._settings.batch_size, lambda index: self._batch(windows[index]), self._seed
        )
        if len(loader) == 0:
            expected = f"at most {len(windows) // rank_and_world()[1]}, a process's share of the {len(windows)} windows"
            raise InputError("batch_size", expected, str(self._settings.batch_size), "lower it")
        return loader

    def predict_dataloader(self) -> OrderedBatches[ClipBatch]:
        """Every frame of every clip in order, as windows of one frame; without a face, crops of where it was."""
        return self._ordered(torch.arange(len(self._time_s)))

    def frames_of_clips(self) -> list[OrderedBatches[ClipBatch]]:
        """As `predict_dataloader`, of each clip alone."""
        ends = [*self._first.tolist()[1:], len(self._time_s)]
        return [self._ordered(torch.arange(first, end)) for first, end in zip(self._first.tolist(), ends, strict=True)]

    def _ordered(self, place: Tensor) -> OrderedBatches[ClipBatch]:
        size = self._settings.batch_size
        return OrderedBatches(len(place), size, lambda index: self._batch(place[index].unsqueeze(1)))

    def val_dataloader(self) -> OrderedBatches[ClipBatch]:
        """The frames with a face in order, one a window; ``clip`` numbers the stretches that no cut and no lost
        face interrupts, which are the clips where nothing does."""
        runs = [
            (run, int(first))
            for clip, first in zip(self.clip_infos, self._first, strict=True)
            for run in runs_of(clip.crops.known, clip.crops.shot)
        ]
        place = torch.cat([torch.arange(run.start, run.stop) + first for run, first in runs])
        stretch = torch.cat([torch.full((run.stop - run.start,), number) for number, (run, _) in enumerate(runs)])

        def batch(index: Tensor) -> ClipBatch:
            return self._batch(place[index].unsqueeze(1))._replace(clip=stretch[index])

        return OrderedBatches(len(place), self._settings.batch_size, batch)

    def training_windows(self) -> list[Tensor]:
        """Of each clip, the windows (W, T) that training may hold, as frames of that clip; none spans two shots."""
        return [
            unbroken_windows(
                clip.time_s, clip.crops.shot, clip.crops.known & ~held_out_frames(len(clip.time_s), self._held_out),
                self._settings.window_offsets_s,
            )
            for clip in self.clip_infos
        ]  # fmt: skip

    def train_only_on(self, frames: Sequence[Tensor]) -> None:
        """From now on, training holds only the windows whose frames are all among these, (K,) long of each clip."""
        self._chosen = list(frames)

    def _windows(self) -> Tensor:
        """(W, T) positions in the crops of all clips, those of few chosen frames so often that they fill a batch."""
        found = self.training_windows()
        if self._chosen is not None:
            found = [part[torch.isin(part, frames).all(1)] for part, frames in zip(found, self._chosen, strict=True)]
        windows = torch.cat([part + first for part, first in zip(found, self._first, strict=True)])
        times = 1
        if self._chosen is not None and len(windows):
            times = -(-self._settings.batch_size * rank_and_world()[1] // len(windows))
        return windows.repeat(times, 1)

    def watched(self, count: int) -> WatchedFrames:
        """At most ``count`` frames with a face, in order, evenly spread over the clips; half of them from the frames
        that are held out, where some are."""
        known = torch.cat([clip.crops.known for clip in self.clip_infos])
        held_out = known & torch.cat([held_out_frames(len(clip.time_s), self._held_out) for clip in self.clip_infos])
        apart = spread_over(torch.nonzero(held_out)[:, 0], count // 2)
        place = torch.cat([apart, spread_over(torch.nonzero(known & ~held_out)[:, 0], count - len(apart))]).sort()[0]
        batch = self._batch(place.unsqueeze(1))
        image, intrinsics = batch.image.flatten(0, 1), batch.intrinsics.flatten(0, 1)
        return WatchedFrames(image, intrinsics, batch.clip, batch.frame[:, 0], held_out[place])

    def _batch(self, window: Tensor) -> ClipBatch:
        clip = torch.searchsorted(self._first, window[:, 0].contiguous(), right=True) - 1
        frame = window - self._first[clip].unsqueeze(1)
        image = torch.stack([self._images[one][index] for one, index in zip(clip.tolist(), frame, strict=True)])
        return ClipBatch(
            image=image.permute(0, 1, 4, 2, 3).float().div_(255),
            intrinsics=self._intrinsics[window],
            time_s=self._time_s[window],
            clip=clip,
            frame=frame,
        )


def _clip_info(path: Path, crops: CropPath, info: VideoInfo, focal_px: float) -> ClipInfo:
    focal = focal_px or GUESSED_FOCAL_OVER_SIDE * max(info.width, info.height)
    if not focal_px:
        said = "%s: no focal length given, %.0f px assumed (%.1f x the longer side); depth is as uncertain as that"
        logger.warning(said, path, focal, GUESSED_FOCAL_OVER_SIDE)
    intrinsics = torch.tensor(
        [[focal, 0.0, (info.width - 1) / 2], [0.0, focal, (info.height - 1) / 2], [0.0, 0.0, 1.0]]
    )
    return ClipInfo(path, crops, info.width, info.height, intrinsics, not focal_px)


def _intrinsics_of_crops(info: ClipInfo, box: Tensor, size: int) -> Tensor:
    """K of each crop, (F, 3, 3), for boxes (F, 4), which are mostly all the same."""
    different, which = box.unique(dim=0, return_inverse=True)
    return torch.stack([crop_intrinsics(info.intrinsics, one, size) for one in different])[which]


def square_box(path: Path, box: list[float], info: VideoInfo) -> Box:
    """The box, its shorter side extended: a crop must not squeeze the face."""
    x, y, width, height = box
    if x >= info.width or y >= info.height or x + width <= 0 or y + height <= 0:
        raise InputError(
            "box",
            f"a box in the {info.width} x {info.height} picture of {path}",
            str(box),
            "give x, y, w, h in pixels of the upright frame",
        )
    side = max(width, height)
    if width != height:
        logger.info("%s: box extended to a square of %.1f px", path, side)
    return (x + (width - side) / 2, y + (height - side) / 2, side, side)
