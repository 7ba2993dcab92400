"""Where the head goes in a clip, and the focal length it was filmed with: the first pass over the file."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from datamodules.wild_clips import GUESSED_FOCAL_OVER_SIDE, square_box
from launcher.tracking import Networks
from steadyface.capture.clip_metadata import focal_from_metadata
from steadyface.capture.face_choice import LARGEST, FaceChoice
from steadyface.capture.mediapipe_finder import has_mediapipe, open_mediapipe_finder
from steadyface.capture.video import VideoFrame, VideoInfo, probe, read_frames
from steadyface.errors import InputError
from steadyface.tracking.confidence import shipped_calibration
from steadyface.tracking.crop_path import CropPath, fixed_path
from steadyface.tracking.focal import estimate_focal
from steadyface.tracking.focal_observations import FocalObservations
from steadyface.tracking.follower import DetectedHeads, FaceFollower, GivenBox, HeadFinder
from steadyface.tracking.point_model import lab_points
from steadyface.tracking.sighting import Sighter
from steadyface.tracking.two_passes import faces_along, follow_clip

logger = logging.getLogger(__name__)


class Focal(NamedTuple):
    """A focal length in pixels of the full frame, and where it comes from, for people."""

    px: float
    origin: str
    is_known: bool = True


@dataclass(frozen=True)
class Start:
    """Where the head is at first: box, x, y, w, h in pixels of the upright frame, or empty; face, which of several."""

    box: Sequence[float] = ()
    face: FaceChoice = LARGEST


def find_way(clip: Path, networks: Networks, start: Start, focal_px: float = 0.0) -> tuple[CropPath, Focal]:
    """Follow the head through a clip.

    Args:
        clip: a video or a folder of images.
        networks: of the model's person.
        start: where the head is at first; without a box, MediaPipe finds it where it is installed, and the
            encoder itself where it is not.
        focal_px: of the full frame; 0 = as the file's metadata say, or estimated with the pose.

    Raises:
        InputError: the clip cannot be read, the box misses the picture, or no head is in it.
    """
    info = probe(clip, partial=True)
    focal = stated_focal(clip, info, focal_px)
    guess = focal.px if focal else GUESSED_FOCAL_OVER_SIDE * max(info.width, info.height)
    sighter = Sighter(*networks, frame_intrinsics(guess, info))
    observations = FocalObservations()
    with ExitStack() as opened:
        finder = _finder(clip, info, start, opened)
        frames = with_progress(until_fault(read_frames(clip)), info.frame_count, f"{clip.name}: following")
        crops = follow_clip(frames, FaceFollower(sighter, finder), observations)
    if start.box and not bool(crops.known.any()):
        logger.warning("%s: the encoder sees no head near the box, nor elsewhere; the box is taken as it is", clip)
        crops = fixed_path(crops.time_s, square_box(clip, list(start.box), info), crops.shot)
    crops.filled(clip)  # raises where no frame shows a head
    focal = focal or estimated_focal(observations, networks, info, guess)
    return replace(crops, focal_px=focal.px), focal


def find_verified_way(clip: Path, networks: Networks, start: Start, focal_px: float = 0.0) -> CropPath:
    """As ``find_way``, and then looked at frame by frame: what has no face has no box. For learning and scoring.

    Where no frame passes for a face, as with a network that has learned nothing, the crops stay as they were found.
    """
    way, _ = find_way(clip, networks, start, focal_px)
    sighter = Sighter(*networks, frame_intrinsics(way.focal_px, probe(clip)))
    frames = with_progress(read_frames(clip), len(way), f"{clip.name}: is the face there?")
    found = faces_along(way, frames, sighter, shipped_calibration())
    if not bool(found.any()):
        logger.warning("%s: no frame passes for a face of this model; all are used", clip)
        return way
    box = way.box.clone()
    box[~found] = torch.nan
    lost = int((~found).sum())
    if lost:
        logger.warning("%s: %d of %d frames show no face, and are left out", clip, lost, len(way))
    return replace(way, box=box)


def stated_focal(clip: Path, info: VideoInfo, focal_px: float) -> Focal | None:
    """The focal length that was given, or that the file states; None where neither is."""
    if focal_px:
        return Focal(focal_px, "given")
    stated = focal_from_metadata(clip, info)
    return Focal(stated, "as the file's metadata state") if stated else None


def estimated_focal(observations: FocalObservations, networks: Networks, info: VideoInfo, guess_px: float) -> Focal:
    """From the points of the clip's most different frames; the guess, where the encoder finds none."""
    if networks.encoder.landmark_vertices is None or not len(observations):
        return Focal(guess_px, f"a guess of {GUESSED_FOCAL_OVER_SIDE:g} times the longer side", is_known=False)
    points = lab_points(networks.encoder, networks.face_model)
    found = estimate_focal(observations, points, (info.width, info.height), guess_px)
    origin = f"estimated from {found.frames} frames, 95 % between {found.low_px:.0f} and {found.high_px:.0f} px"
    return Focal(found.focal_px, origin, is_known=False)


def frame_intrinsics(focal_px: float, info: VideoInfo) -> Tensor:
    """(3, 3) of the full frame, the principal point in its middle."""
    x, y = (info.width - 1) / 2, (info.height - 1) / 2
    return torch.tensor([[focal_px, 0.0, x], [0.0, focal_px, y], [0.0, 0.0, 1.0]])


def with_progress(frames: Iterator[VideoFrame], count: int, what: str) -> Iterator[VideoFrame]:
    """Frames as they come, with a bar of rate and time left where somebody watches."""
    return iter(tqdm(frames, total=count or None, desc=what, unit="frame", disable=None))


def until_fault(frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
    """Frames up to where a file is damaged: the second pass tracks them, and then says what is wrong."""
    count = 0
    try:
        for frame in frames:
            yield frame
            count += 1
    except InputError:
        if count == 0:
            raise


def _finder(clip: Path, info: VideoInfo, start: Start, opened: ExitStack) -> HeadFinder | None:
    if start.box:
        return GivenBox(square_box(clip, list(start.box), info))
    if has_mediapipe():
        return DetectedHeads(opened.enter_context(open_mediapipe_finder(clip)), start.face)
    if start.face != LARGEST:
        expected = "a face detector, which tells several faces apart"
        raise InputError("--face", expected, "none is installed", "run `make detector`, or give --box X,Y,W,H")
    return None
