"""A clip's own truth as supervision: what a supervised rival of the adaptation, or its ceiling, learns from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from steadyface.capture.clip_truth import ClipTruth
from steadyface.capture.phone_augmentation import PhoneView
from steadyface.errors import InputError
from steadyface.geometry.alignment import canonicalise
from steadyface.networks.face_model import FaceModel
from steadyface.randomness import drawing
from steadyface.tracking.floor import fit_latent
from steadyface.types import ClipBatch, SubjectStatistics

_FIT_STEPS = 60
"""Of the latent that brings the decoder nearest to the true mesh: its own encoder needs a lab's textures."""


class LabelledFrames(NamedTuple):
    """F frames and their truth: image (F, 3, S, S) sRGB as bytes; intrinsics (F, 3, 3) of the crop;
    rotation (F, 3, 3), translation (F, 3) mm; vertices (F, N, 3) mm, canonical; latent (F, Z)."""

    image: Tensor
    intrinsics: Tensor
    rotation: Tensor
    translation: Tensor
    vertices: Tensor
    latent: Tensor

    def draw(self, count: int, seed: int, step: int, rank: int) -> LabelledFrames:
        """Different frames, ``count`` or as many as there are: the same ones for the same seed, step and rank."""
        with drawing(seed, "labels", step, rank):
            rows = torch.randperm(len(self.image))[:count]
        return LabelledFrames(*(part[rows] for part in self))

    def to(self, device: torch.device) -> LabelledFrames:
        """The same frames on another device."""
        return LabelledFrames(*(part.to(device) for part in self))

    @property
    def view(self) -> PhoneView:
        """The frames as views of a phone whose pose is known."""
        return PhoneView(self.image.float().div(255), self.intrinsics, self.rotation, self.translation)


def spread_evenly(length: int, count: int) -> Tensor:
    """``count`` of ``length`` frames, evenly over the clip and as far from its ends; all where count is -1.

    >>> spread_evenly(10, 2).tolist(), spread_evenly(3, -1).tolist()
    ([2, 7], [0, 1, 2])

    Raises:
        InputError: the clip has fewer frames.
    """
    if count > length:
        raise InputError(
            "adaptation.labelled_frames", f"at most the clip's {length} frames", str(count), "lower it, or -1 for all"
        )
    count = length if count < 0 else count
    return ((torch.arange(count, dtype=torch.float64) + 0.5) * (length / count)).long()


def label_frames(
    truths: Sequence[ClipTruth], count: int, frames: Iterable[ClipBatch], statistics: SubjectStatistics,
    face_model: FaceModel,
) -> LabelledFrames:
    """Pick the labelled frames of each clip, and what is true of them.

    Args:
        truths: of each clip, in the clips' order.
        count: frames a clip, spread evenly; -1 for all.
        frames: every frame of the clips.
        statistics, face_model: of the subject, on the CPU.

    Raises:
        InputError: truth and clips do not belong together.
    """
    wanted = [set(spread_evenly(len(truth.time_s), count).tolist()) for truth in truths]
    found: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
    for batch in frames:
        clip = batch.clip.unsqueeze(1).expand_as(batch.frame)
        for row in zip(clip.flatten().tolist(), batch.frame.flatten().tolist(), batch.image.flatten(0, 1),
                       batch.intrinsics.flatten(0, 1), strict=True):
            _check_known(truths, *row[:2])
            if row[1] in wanted[row[0]]:
                found[row[:2]] = ((row[2] * 255).round().to(torch.uint8), row[3])
    keys = sorted(found)
    if not keys:
        raise InputError("adaptation.labelled_frames", "frames to label", "none", "give clips that have frames")
    return _with_truth(truths, keys, [found[key] for key in keys], statistics, face_model)


def _check_known(truths: Sequence[ClipTruth], clip: int, frame: int) -> None:
    if clip >= len(truths) or frame >= len(truths[clip].time_s):
        known = f"{len(truths)} clips of {', '.join(str(len(truth.time_s)) for truth in truths)} frames"
        raise InputError(
            "the clips' truth", "that of every frame of every clip", f"{known}, and not frame {frame} of clip {clip}",
            "write the clips again with `steadyface studio OUT`, or adaptation.labelled_frames=0",
        )


def _with_truth(
    truths: Sequence[ClipTruth], keys: list[tuple[int, int]], crops: list[tuple[Tensor, Tensor]],
    statistics: SubjectStatistics, face_model: FaceModel,
) -> LabelledFrames:
    vertices, rotation, translation = (
        torch.stack([getattr(truths[clip], name)[frame] for clip, frame in keys])
        for name in ("vertices", "rotation", "translation")
    )
    vertices, rotation, translation = canonicalise(
        vertices, rotation, translation, statistics.vertex_mean, statistics.rigid_vertices
    )
    image, intrinsics = (torch.stack(parts) for parts in zip(*crops, strict=True))
    latent = fit_latent(face_model, vertices, _FIT_STEPS)
    return LabelledFrames(image, intrinsics, rotation, translation, vertices, latent)
