"""A subject's lab capture in the Multiface layout, as ``LabBatch``."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytorch_lightning as pl
import torch
from torch import Tensor

from datamodules.batches import GroupedBatches, OrderedBatches, ShuffledBatches
from datamodules.lab_cache import CropRule, LabViews, read_views
from datamodules.lab_splits import SplitInstant, split_capture
from datamodules.lab_subject import read_subject
from steadyface.capture.capture_index import MultifaceCapture
from steadyface.errors import InputError
from steadyface.geometry.cameras import view_direction
from steadyface.processes import rank_and_world
from steadyface.types import LabBatch, SubjectStatistics

logger = logging.getLogger(__name__)

_LOWEST = {
    "image_size": 8, "batch_size": 1, "views_per_instant": 1, "frame_step": 1, "workers": 0, "texture_size": 0
}


@dataclass
class LabCapturesSettings:
    """Settings of ``LabCaptures``."""

    folder: str = ""
    """The capture's folder, the one that holds ``KRT``."""
    image_size: int = 160
    """Side of the square crops, pixels."""
    texture_size: int = 0
    """Side of the textures, texels; 0 = as on disk. Smaller than on disk saves memory."""
    batch_size: int = 16
    """Views a batch, on each rank."""
    views_per_instant: int = 1
    """Views of one instant that stand side by side in a batch; above 1 only instants with so many are used."""
    held_out_segments: list[str] = field(default_factory=list)
    """Prefixes of segment names that are validated on, never trained on."""
    held_out_cameras: list[str] = field(default_factory=list)
    """Names of cameras that are validated on, never trained on."""
    crop_scale: float = 1.35
    """Side of the crop over the larger side of the projected mesh's box."""
    crop_jitter: float = 0.1
    """How far the head may sit off the crop's centre, as a share of its side (and, as a logarithm, off
    its size): drawn once a view. Phone clips do not come centred."""
    frame_step: int = 1
    """Every n-th instant is used."""
    in_memory: bool = True
    """False: pictures and textures are read anew for every batch, for captures that do not fit into memory."""
    workers: int = 0
    """Threads that decode; 0 = one a core."""


class LabCaptures(pl.LightningDataModule):
    """Reads everything once in ``setup`` and keeps bytes; a batch is an index into memory, or into the disk.

    Frames are numbered 0 .. T-1 with the training instants first, in the frame list's order.

    Args:
        settings: see ``LabCapturesSettings``.
        seed: of the order of the batches and of the crops' displacement.
    """

    def __init__(self, settings: LabCapturesSettings, seed: int) -> None:
        super().__init__()
        self.allow_zero_length_dataloader_with_multiple_devices = True
        self._settings, self._seed = settings, seed
        self._views: LabViews | None = None
        self._statistics: SubjectStatistics | None = None
        self._training_frames = 0

    def setup(self, stage: str | None = None) -> None:
        """Reads the capture; a second call does nothing. Raises InputError where it cannot be used."""
        if self._views is not None:
            return
        settings = self._settings
        _check(settings)
        capture = MultifaceCapture(Path(settings.folder))
        splits = split_capture(capture, settings.held_out_segments, settings.held_out_cameras, settings.frame_step)
        instants = splits.training + splits.validation
        statistics = read_subject(capture, settings.texture_size, splits.training, settings.workers)
        if settings.in_memory:
            _check_memory(settings, instants, statistics)
        rule = CropRule(settings.image_size, settings.crop_scale, settings.crop_jitter, self._seed)
        self._views = read_views(capture, instants, statistics, rule, settings.workers, settings.in_memory)
        self._statistics, self._training_frames = statistics, len(splits.training)
        for name, training, count in (
            ("train on", True, len(splits.training)),
            ("validate on", False, len(splits.validation)),
        ):
            views = len(self._split(training))
            logger.info("%s: %d views of %d instants to %s", settings.folder, views, count, name)

    @property
    def statistics(self) -> SubjectStatistics:
        """Topology, normalisation, regions and cameras of the subject."""
        if self._statistics is None:
            raise RuntimeError("LabCaptures.setup() has not run yet")
        return self._statistics

    @property
    def frame_meshes(self) -> Tensor:
        """(T, N, 3) canonical meshes of the training instants, mm."""
        return self._cached().vertices[: self._training_frames]

    @property
    def frame_average_textures(self) -> Tensor:
        """(T, U, U, 3) uint8 average textures of the training instants, rows growing with v; 0 = unseen."""
        return self._cached().pixels.averages(torch.arange(self._training_frames))

    def instants(self) -> Iterator[LabBatch]:
        """All training instants in order, one view each, on every rank alike: to encode all frames."""
        views = self._cached()
        first = torch.searchsorted(views.frame, torch.arange(self._training_frames))
        for index in first.split(self._settings.batch_size):
            yield self._batch(index)

    def train_dataloader(self) -> ShuffledBatches[LabBatch]:
        """Views of held-in segments and cameras, shuffled. Raises InputError where they fill no batch.

        With ``views_per_instant`` above 1, so many views of an instant stand side by side.
        """
        settings = self._settings
        if settings.views_per_instant == 1:
            return self.training_batches(settings.batch_size, self._seed)
        chosen = self._split(True)
        loader = GroupedBatches(
            self._cached().frame[chosen], settings.views_per_instant, settings.batch_size,
            lambda index: self._batch(chosen[index]), self._seed,
        )  # fmt: skip
        if len(loader) == 0:
            most = int(torch.bincount(self._cached().frame[chosen]).max())
            expected = f"so few that instants of up to {most} training views fill a batch of {settings.batch_size}"
            raise InputError("views_per_instant", expected, str(settings.views_per_instant), "lower it or batch_size")
        return loader

    def training_batches(self, batch_size: int, seed: int) -> ShuffledBatches[LabBatch]:
        """The same views in batches of another size and order: for who rehearses the lab beside a clip."""
        chosen = self._split(True)
        loader = ShuffledBatches(len(chosen), batch_size, lambda index: self._batch(chosen[index]), seed)
        if len(loader) == 0:
            raise InputError(
                "batch_size",
                f"at most {len(chosen) // rank_and_world()[1]}, a process's share of the {len(chosen)} training views",
                str(batch_size),
                "lower it",
            )
        return loader

    @property
    def training_view_count(self) -> int:
        """How many views are trained on."""
        return len(self._split(True))

    def training_views(self, numbers: Tensor) -> LabBatch:
        """The views that are trained on, by numbers (B,) from 0; behind the last one it starts again."""
        chosen = self._split(True)
        return self._batch(chosen[numbers % len(chosen)])

    def val_dataloader(self) -> OrderedBatches[LabBatch] | list[LabBatch]:
        """Views held out by segment AND camera, in order; an empty list where there is none."""
        chosen = self._split(False)
        if not len(chosen):
            return []
        return OrderedBatches(len(chosen), self._settings.batch_size, lambda index: self._batch(chosen[index]))

    def _cached(self) -> LabViews:
        if self._views is None:
            raise RuntimeError("LabCaptures.setup() has not run yet")
        return self._views

    def _split(self, training: bool) -> Tensor:
        return torch.nonzero((self._cached().frame < self._training_frames) == training).squeeze(1)

    def _batch(self, index: Tensor) -> LabBatch:
        views = self._cached()
        frame = views.frame[index]
        pixels, average = views.pixels.views(index), views.pixels.averages(frame)
        rotation, translation = views.rotation[index], views.translation[index]
        return LabBatch(
            image=_planes(pixels.image),
            silhouette=pixels.silhouette.unsqueeze(1).float(),
            normal=pixels.normal.permute(0, 3, 1, 2).float().div_(127),
            intrinsics=views.intrinsics[index],
            rotation=rotation,
            translation=translation,
            vertices=views.vertices[frame],
            average_texture=_planes(average),
            average_mask=_seen(average),
            texture=_planes(pixels.texture),
            texture_mask=_seen(pixels.texture),
            view_direction=view_direction(rotation, translation),
            camera=views.camera[index],
            frame=frame,
        )


def _planes(image: Tensor) -> Tensor:
    """(B, H, W, 3) bytes -> (B, 3, H, W) in [0, 1]."""
    return image.permute(0, 3, 1, 2).float().div_(255)


def _seen(texture: Tensor) -> Tensor:
    """(B, U, U, 3) bytes -> (B, 1, U, U): 1 unless all three channels are 0."""
    return (texture.amax(-1) > 0).unsqueeze(1).float()


def _check(settings: LabCapturesSettings) -> None:
    for name, low in _LOWEST.items():
        if getattr(settings, name) < low:
            raise InputError(name, f"{low} or more", str(getattr(settings, name)), "correct the setting")
    if settings.batch_size % settings.views_per_instant:
        expected = f"a multiple of views_per_instant, {settings.views_per_instant}"
        raise InputError("batch_size", expected, str(settings.batch_size), "change one of the two")
    if not settings.crop_scale > 0 or not 0 <= settings.crop_jitter < 0.5:
        raise InputError(
            "crop_scale, crop_jitter",
            "a positive scale and a jitter in [0, 0.5)",
            f"{settings.crop_scale}, {settings.crop_jitter}",
            "correct the settings",
        )


def _check_memory(settings: LabCapturesSettings, instants: list[SplitInstant], statistics: SubjectStatistics) -> None:
    """Fails before an hour of decoding rather than after it."""
    texture = 3 * statistics.texture_size**2
    views = sum(len(instant.cameras) for instant in instants)
    instant = 12 * statistics.vertex_count + texture
    needed = views * (7 * settings.image_size**2 + texture) + len(instants) * instant
    available = available_memory()
    logger.info("%d views of %d instants take %.0f MB", views, len(instants), needed / 1e6)
    if available is not None and needed > available:
        raise InputError(
            settings.folder,
            f"a capture that fits into the {available / 1e9:.1f} GB of free memory",
            f"{needed / 1e9:.1f} GB",
            "set in_memory=false, raise frame_step, or lower image_size or texture_size",
        )


def available_memory() -> int | None:
    """Bytes that can be had without swapping, as Linux estimates them; None elsewhere."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return None
