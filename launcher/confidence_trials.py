"""Tracks under synthetic conditions, with evidence and truth: what confidence is calibrated and judged on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from launcher.tracking import Networks
from steadyface.capture.clip_truth import ClipTruth, truth_path
from steadyface.capture.crop import Box, crop_image
from steadyface.capture.video import probe, read_frames
from steadyface.geometry.cameras import crop_intrinsics, project, transform
from steadyface.metrics.frame_correctness import frame_errors, wrong_frames
from steadyface.studio.condition_kinds import Disturbed, Take
from steadyface.studio.conditions import Trial, disturb
from steadyface.tracking.evidence import Evidence, frame_evidence, join_evidence, picture_in_crop
from steadyface.tracking.tracker import canonical_track
from steadyface.types import FaceState

FRAMES = 100
"""Length of a trial, frames."""

BATCH = 10
POINT_STEP = 7  # every so manieth vertex of the face's regions says where the face is


class SyntheticTake(NamedTuple):
    """A studio's clip in memory: its frames, its truth, and the box of the head."""

    take: Take
    truth: ClipTruth
    box: Box


class Observed(NamedTuple):
    """A trial as the tracker saw it. evidence of T frames; wrong (T, 1 + R) bool, the frame's and its regions';
    present (T,) bool; vertex_mm, reprojection (T, 1 + R); hidden (T,); the state."""

    evidence: Evidence
    wrong: Tensor
    present: Tensor
    vertex_mm: Tensor
    reprojection: Tensor
    hidden: Tensor
    latent: Tensor
    rotation: Tensor
    translation: Tensor


def load_take(clip: Path, box: Sequence[float], regions: dict[str, Tensor]) -> SyntheticTake:
    """Decode a studio's clip, and find its face in the picture from its truth.

    Args:
        clip: with its truth beside it.
        box: of the head, pixels of the frame.
        regions: name -> vertices of the face.
    """
    truth = ClipTruth.load(truth_path(clip))
    index = torch.cat(list(regions.values())).unique()[::POINT_STEP]
    face = project(transform(truth.vertices[:, index], truth.rotation, truth.translation), truth.intrinsics)
    frames = [frame.image for frame in read_frames(clip)]
    left, top, width, height = box
    return SyntheticTake(Take(frames, face.numpy(), probe(clip).fps), truth, (left, top, width, height))


def observe(networks: Networks, clip: SyntheticTake, trial: Trial, frames: int = FRAMES) -> Observed:
    """Track a trial with crops that follow the truth's shift, and judge it."""
    disturbed = disturb(clip.take, trial, frames)
    truth = _truth_of(clip.truth, disturbed)
    states, evidence = [], []
    for image, intrinsics, picture in _crops(clip, disturbed, truth, networks.encoder.image_size):
        with torch.no_grad():
            prediction = networks.encoder.predict(image, intrinsics)
        evidence.append(frame_evidence(*networks, image, intrinsics, prediction, picture))
        states.append(prediction.state)
    state = FaceState(*(torch.cat(parts) for parts in zip(*states, strict=True)))
    with torch.no_grad():
        vertices = networks.face_model.decode_vertices(state.latent)
    statistics = networks.statistics
    track = canonical_track(statistics, state, vertices, truth.time_s, truth.intrinsics[0], torch.zeros(frames))
    track.intrinsics = truth.intrinsics
    errors = frame_errors(track, truth, statistics.regions, statistics.rigid_vertices)
    present = torch.from_numpy(disturbed.present)
    wrong = wrong_frames(errors, present)
    return Observed(
        join_evidence(evidence), wrong, present, errors.vertex_mm, errors.reprojection,
        torch.from_numpy(disturbed.hidden), *state,
    )  # fmt: skip


def _truth_of(truth: ClipTruth, disturbed: Disturbed) -> ClipTruth:
    """The truth of the frames that are shown, the principal point moved with the picture."""
    source = torch.from_numpy(disturbed.source)
    shown = {name: value[source] for name, value in vars(truth).items()}
    shown["intrinsics"] = shown["intrinsics"].clone()
    shown["intrinsics"][:, :2, 2] += torch.from_numpy(disturbed.shift)
    return ClipTruth(**shown)


def _crops(
    clip: SyntheticTake, disturbed: Disturbed, truth: ClipTruth, size: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Crops (B, 3, S, S), their K, and where the picture lies in them, batch after batch."""
    images: list[Tensor] = []
    cameras: list[Tensor] = []
    boxes: list[Box] = []
    left, top, width, height = clip.box
    for t, frame in enumerate(disturbed.frames):
        x, y = (float(value) for value in disturbed.shift[t])
        box = (left + x, top + y, width, height)
        images.append(torch.from_numpy(crop_image(frame, box, size)).permute(2, 0, 1).float().div_(255))
        cameras.append(crop_intrinsics(truth.intrinsics[t], torch.tensor(box), size))
        boxes.append(box)
        if len(images) == BATCH or t == len(disturbed.source) - 1:
            picture = picture_in_crop(torch.tensor(boxes), size, frame.shape[1], frame.shape[0])
            yield torch.stack(images), torch.stack(cameras), picture
            images, cameras, boxes = [], [], []


def save_observed(observed: Observed, path: Path) -> None:
    """Keep a trial in a file."""
    arrays = {name: getattr(observed, name).numpy() for name in Observed._fields if name != "evidence"}
    evidence = {f"evidence_{name}": value.numpy() for name, value in observed.evidence._asdict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        np.savez(stream, **arrays, **evidence)


def load_observed(path: Path) -> Observed:
    """What ``save_observed`` kept."""
    with np.load(path) as stored:
        arrays = {name: torch.from_numpy(stored[name]) for name in stored.files}
    evidence = Evidence(*(arrays[f"evidence_{name}"] for name in Evidence._fields))
    return Observed(evidence, *(arrays[name] for name in Observed._fields if name != "evidence"))
