"""One clip through a trained model, whole in memory: the tracks that evaluation scores."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from datamodules.clip_settings import WildClipsSettings
from datamodules.wild_clips import ClipInfo, WildClips
from steadyface.errors import InputError
from steadyface.geometry.cameras import view_direction
from steadyface.networks.checkpoints import load_networks
from steadyface.networks.encoder import Encoder
from steadyface.networks.face_model import FaceModel
from steadyface.tracking.crop_path import CropPath
from steadyface.tracking.track import Track, without_faces
from steadyface.tracking.track_file import StoredTrack
from steadyface.tracking.tracker import FOREIGN_RESIDUAL, shows_somebody_else, track_clip
from steadyface.types import SubjectStatistics

TEXTURES_A_BLOCK = 16


class Networks(NamedTuple):
    """A subject's face model and the encoder that drives it, ready to track on the CPU."""

    statistics: SubjectStatistics
    face_model: FaceModel
    encoder: Encoder


class TrackedClip(NamedTuple):
    """A clip's track, and the clip as it was read: path, box, intrinsics."""

    track: Track
    clip: ClipInfo


def load_tracker(checkpoint: Path) -> Networks:
    """The networks of a source or adapted checkpoint.

    Raises:
        InputError: for a file that is none, or that holds a face model without an encoder.
    """
    statistics, face_model, encoder = load_networks(checkpoint)
    if encoder is None:
        remedy = "give a run that was pretrained or adapted"
        raise InputError(checkpoint, "a checkpoint with an encoder", "a face model alone", remedy)
    return Networks(statistics, face_model.eval(), encoder.eval())


def read_clip(
    clip: Path, box: Sequence[float], focal_px: float, image_size: int, way: CropPath | None = None
) -> WildClips:
    """A clip's crops, decoded once for every network that tracks it.

    Args:
        clip: the video.
        box: x, y, w, h of the head in pixels of the upright frame; empty: MediaPipe finds it.
        focal_px: of the full frame; 0 = a guess, which is said.
        image_size: side of the crops that the networks see, pixels.
        way: where the head goes, in place of one box.
    """
    settings = WildClipsSettings(clips=[str(clip)], box=list(box), focal_px=focal_px, image_size=image_size)
    data = WildClips(settings, 0, [way] if way else [])
    data.setup("predict")
    return data


def track_read_clip(networks: Networks, data: WildClips) -> TrackedClip:
    """Track every frame of a clip of `read_clip`."""
    (info,) = data.clip_infos
    track = track_clip(*networks, data.predict_dataloader(), info.intrinsics)
    return TrackedClip(without_faces(replace(track, shot=info.crops.shot), ~info.crops.known), info)


def track_one(networks: Networks, clip: Path, box: Sequence[float], focal_px: float) -> TrackedClip:
    """Track every frame of a clip that only these networks see; arguments as `read_clip`."""
    return track_read_clip(networks, read_clip(clip, box, focal_px, networks.encoder.image_size))


class ModelTextures:
    """The model's texture of a frame of a track, (3, U, U) linear, as the camera of that frame sees it.

    Frames are mostly asked for in order: they are decoded, and kept, a block at a time.
    """

    def __init__(self, networks: Networks, track: Track | StoredTrack) -> None:
        self._model, self._track = networks.face_model, track
        self._number, self._block = -1, torch.empty(0)

    def __call__(self, index: int) -> Tensor:
        number, place = divmod(index, TEXTURES_A_BLOCK)
        if number != self._number:
            self._number, self._block = number, self._decode(number * TEXTURES_A_BLOCK)
        return self._block[place]

    @torch.no_grad()
    def _decode(self, first: int) -> Tensor:
        part = self._track[first : first + TEXTURES_A_BLOCK]
        view = view_direction(part.rotation, part.translation)
        return self._model.decode_texture_map(part.latent, self._model.clamp_view(view))


def residual_range(networks: Networks, track: Track | StoredTrack) -> tuple[float, float]:
    """The track's median texture residual, and the largest one that the lab's own person reaches."""
    residual = track.texture_residual[torch.isfinite(track.texture_residual)]
    median = float(residual.median()) if len(residual) else math.nan
    return median, float(networks.encoder.lab_residual[1]) * FOREIGN_RESIDUAL


def warn_of_another_face(clip: Path, networks: Networks, track: Track | StoredTrack) -> None:
    """Say on stderr that the tracked face is not the one that the model was learned from."""
    if not shows_somebody_else(networks.encoder, track):
        return
    median, limit = residual_range(networks, track)
    print(
        f"warning: {clip}: this is not the model's person, or the box misses the face: "
        f"texture residual {median:.2f}, the lab's range ends at {limit:.2f}. "
        "The mesh follows the picture as far as this model can; it is not this person's face.",
        file=sys.stderr,
    )
