"""How far mouth and eyes are open in clips, by MediaPipe, in the person's own mm: ``weights.apertures`` pulls to it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from kornia.color import linear_rgb_to_rgb
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from datamodules.lab_captures import LabCaptures
from steadyface.losses.apertures import mesh_openings
from steadyface.tracking.generic_tracker import find_landmarks, track_in_depth
from steadyface.tracking.openings import OPENINGS, ClipOpenings, fit_scale, landmark_openings, opening_pairs

logger = logging.getLogger(__name__)

_VIEWS, _LOOKED_AT = 120, 640  # frontal views of the lab that the scale is fitted to, among at most so many
_FRONTAL = 0.9  # cosine between the head's own forward direction and that to the camera
_LEAST_SIDE = 480  # pixels: a detector for whole pictures finds little in small ones
_TOGETHER = 16


def measure_openings(clips: Sequence[str | Path], lab: LabCaptures) -> ClipOpenings:
    """Detect the openings in every frame of clips, and learn from the lab's views what they are in mm.

    Args:
        clips: the videos, in the order in which batches number them.
        lab: the person's capture, set up.

    Raises:
        InputError: MediaPipe is not installed, the capture has no regions ``lips`` and ``lids``, or too few of its
            views show a face to MediaPipe.
    """
    detected = tuple(landmark_openings(track_in_depth(Path(clip))[0]).float() for clip in clips)
    pairs = opening_pairs(lab.statistics, lab.frame_meshes)
    images, true = _frontal_views(lab, pairs)
    found = landmark_openings(find_landmarks(images)).float() if images else torch.empty(0, len(OPENINGS))
    deviation = mesh_openings(lab.frame_meshes, pairs).std(0)
    scale = fit_scale(found, true, deviation)
    trust = ", ".join(f"{name} {value:.2f}" for name, value in zip(OPENINGS, scale.trust.tolist(), strict=True))
    logger.info("openings by MediaPipe, squared correlation with the truth on lab views: %s", trust)
    for clip, values in zip(clips, detected, strict=True):
        lost = int((~torch.isfinite(values).all(1)).sum())
        if lost:
            logger.warning("%s: MediaPipe finds no face in %d of %d frames; they say nothing of openings",
                           clip, lost, len(values))  # fmt: skip
    return ClipOpenings(pairs, scale, detected)


def _frontal_views(lab: LabCaptures, pairs: Tensor) -> tuple[list[NDArray[np.uint8]], Tensor]:
    """Some of the training views from ahead, as pictures for a detector, and their true openings (V, K) mm."""
    order = torch.randperm(lab.training_view_count, generator=torch.Generator().manual_seed(0))[:_LOOKED_AT]
    images: list[NDArray[np.uint8]] = []
    true: list[Tensor] = []
    for numbers in order.split(_TOGETHER):
        batch = lab.training_views(numbers)
        rows = torch.nonzero(batch.view_direction[:, 2] < -_FRONTAL)[:, 0][: _VIEWS - len(images)]
        images += [_picture(image) for image in batch.image[rows]]
        true.append(mesh_openings(batch.vertices[rows], pairs))
        if len(images) >= _VIEWS:
            break
    return images, torch.cat(true)


def _picture(image: Tensor) -> NDArray[np.uint8]:
    """(3, S, S) linear -> (T, T, 3) sRGB, enlarged to `_LEAST_SIDE` where it is smaller."""
    shown = linear_rgb_to_rgb(image[None].clamp(0.0, 1.0))
    if shown.shape[-1] < _LEAST_SIDE:
        shown = interpolate(shown, size=(_LEAST_SIDE, _LEAST_SIDE), mode="bicubic")
    bytes_ = (shown[0].clamp(0.0, 1.0) * 255).round().to(torch.uint8)
    return np.ascontiguousarray(bytes_.permute(1, 2, 0).numpy())
