"""The two passes over a file: first follow the face, then track it in crops that know the future.

A frame is decoded twice and never kept: the crops of a whole clip are smooth without lag, and a clip of an
hour takes no more memory than one of a minute.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from steadyface.capture.crop import crop_image
from steadyface.capture.video import VideoFrame
from steadyface.errors import InputError
from steadyface.geometry.cameras import crop_intrinsics
from steadyface.tracking.confidence import Calibration, usual_evidence
from steadyface.tracking.crop_path import CropPath, draw_path
from steadyface.tracking.evidence import Evidence, frame_evidence, picture_in_crop
from steadyface.tracking.focal_observations import FocalObservations
from steadyface.tracking.follower import FaceFollower
from steadyface.tracking.presence import present
from steadyface.tracking.residual import sampled_residuals
from steadyface.tracking.sighting import Sighter
from steadyface.tracking.track import Track
from steadyface.tracking.track_file import TrackWriter
from steadyface.tracking.tracker import canonical_track
from steadyface.types import FaceState

LOOK_INTERVAL_S = 0.1
"""The first pass looks for the face this often: what moves faster between two looks, the crop's margin holds."""

_BATCH = 16
_STRETCH = 256
_BESIDE = 16  # frames; features look at fewer neighbours
_TIME_TOLERANCE_S = 1e-3


def follow_clip(
    frames: Iterable[VideoFrame], follower: FaceFollower, observations: FocalObservations | None = None
) -> CropPath:
    """The first pass.

    Args:
        frames: of the clip, in order.
        follower: at its start.
        observations: take the points that are seen, for the focal length.
    """
    times, shots, seen_s, seen_box = [], [], [], []
    due, shot = -np.inf, 0
    for frame in frames:
        is_cut = follower.watch(frame)
        shot += int(is_cut)
        times.append(frame.time_s)
        shots.append(shot)
        # the frame times that a rate gives are not exact: half a millisecond early is on time
        if is_cut or frame.time_s >= due - 5e-4:
            due = frame.time_s + LOOK_INTERVAL_S
            followed = follower.step(frame, watched=True)
            seen_s.append(frame.time_s)
            seen_box.append((torch.nan,) * 4 if followed.sighting is None else followed.sighting.head)
            if observations is not None and followed.sighting is not None and len(followed.sighting.points):
                observations.add(followed.sighting.points, followed.sighting.doubt_px, frame.time_s)
    box = torch.tensor(seen_box, dtype=torch.float64).view(-1, 4)
    return draw_path(
        torch.tensor(times, dtype=torch.float64), torch.tensor(shots, dtype=torch.long),
        torch.tensor(seen_s, dtype=torch.float64), box,
    )  # fmt: skip


def track_along(
    path: CropPath, frames: Iterable[VideoFrame], sighter: Sighter, calibration: Calibration, writer: TrackWriter
) -> None:
    """The second pass: every frame through the encoder, what it says of itself, and whether the face is there.

    Args:
        path: of the clip's first pass, or of an earlier run.
        frames: the same frames again.
        sighter: the networks, and the intrinsics of the full frame.
        calibration: of the confidence.
        writer: takes the track; where the frames end early, it holds those that came.

    Raises:
        InputError: the frames are not those of the path; whatever ``frames`` raises.
    """
    known = path.known
    evidence = _EvidenceStore(int(known.sum()))
    done = 0
    try:
        for part in _parts(in_step(frames, path), known):
            if bool(known[done]):
                track, found = _track_part(path, part, done, sighter)
                evidence.add(found)
            else:
                track = absent_track(path, done, len(part), sighter)
            writer.append(track)
            done += len(part)
    finally:
        if writer.frames == done > 0:
            _judge(path, done, evidence, sighter, calibration, writer)


def faces_along(
    path: CropPath, frames: Iterable[VideoFrame], sighter: Sighter, calibration: Calibration
) -> Tensor:
    """The second pass without its track: in which frames the face is there, (T,) bool; arguments as `track_along`.

    Where the frames end early, it is nowhere behind them.
    """
    known, done = path.known, 0
    evidence = _EvidenceStore(int(known.sum()))
    for part in _parts(frames, known):
        if bool(known[done]):
            evidence.add(_track_part(path, part, done, sighter)[1])
        done += len(part)
    found = torch.zeros(len(path), dtype=torch.bool)
    if len(evidence):
        joined, seen = evidence.joined(), torch.nonzero(known[:done])[:, 0]
        found[seen] = present(calibration.presence(joined), joined.coverage, path.time_s[seen], path.shot[seen])
    return found


class _EvidenceStore:
    """Evidence of one stretch after the other, in one block of memory a field.

    Thousands of small tensors among what comes and goes with each batch would hold the freed memory around them.
    """

    def __init__(self, frames: int) -> None:
        self._frames, self._done = frames, 0
        self._fields: list[Tensor] = []

    def __len__(self) -> int:
        return self._done

    def add(self, part: Evidence) -> None:
        """The next stretch."""
        if not self._fields:
            self._fields = [values.new_empty(self._frames, *values.shape[1:]) for values in part]
        count = len(part.residual)
        for field, values in zip(self._fields, part, strict=True):
            field[self._done : self._done + count] = values
        self._done += count

    def joined(self) -> Evidence:
        """All that was added."""
        return Evidence(*(values[: self._done] for values in self._fields))


def _judge(
    path: CropPath, done: int, evidence: _EvidenceStore, sighter: Sighter, calibration: Calibration, writer: TrackWriter
) -> None:
    """Confidence and presence of the first ``done`` frames: both look at neighbours, so they come last."""
    known = path.known[:done]
    regions = len(sighter.statistics.regions)
    found, confidence = torch.zeros(done, dtype=torch.bool), torch.zeros(done)
    region_confidence = torch.zeros(done, regions)
    if len(evidence):
        joined, time_s, shot = evidence.joined(), path.time_s[:done][known], path.shot[:done][known]
        found[known] = present(calibration.presence(joined), joined.coverage, time_s, shot)
        confidence[known], region_confidence[known] = judge_in_stretches(joined, calibration)
    confidence[~found], region_confidence[~found] = 0.0, 0.0
    writer.amend(found=found, confidence=confidence, region_confidence=region_confidence)


def judge_in_stretches(evidence: Evidence, calibration: Calibration) -> tuple[Tensor, Tensor]:
    """Confidence (T,) and that of the regions (T, R): a stretch at a time, for the features take 10 kB a frame.

    What is usual in the clip is taken from all of it, and each stretch sees the frames beside it.
    """
    usual, frame, regions = usual_evidence(evidence), [], []
    for first in range(0, len(evidence.residual), _STRETCH):
        start = max(0, first - _BESIDE)
        seen = Evidence(*(values[start : first + _STRETCH + _BESIDE] for values in evidence))
        own = slice(first - start, first - start + _STRETCH)
        frame.append(calibration.frame(seen, usual)[own])
        regions.append(calibration.regions(seen, usual)[own])
    return torch.cat(frame), torch.cat(regions)


def in_step(frames: Iterable[VideoFrame], path: CropPath) -> Iterator[VideoFrame]:
    """The frames of a clip, as long as they are those that its crops were found in.

    Raises:
        InputError: where another time stamp comes, or a frame too many or too few.
    """
    count, times = 0, path.time_s.tolist()
    for frame in frames:
        if count == len(times):
            raise _not_these_crops(f"{len(times)} frames", "more")
        if abs(frame.time_s - times[count]) > _TIME_TOLERANCE_S:
            raise _not_these_crops(f"frame {count} at {times[count]:.3f} s", f"one at {frame.time_s:.3f} s")
        yield frame
        count += 1
    if count < len(times):
        raise _not_these_crops(f"{len(times)} frames", str(count))


def _not_these_crops(expected: str, got: str) -> InputError:
    return InputError("the clip", f"{expected}, as its crops have", got, "track it again, without --crops")


def _parts(frames: Iterable[VideoFrame], known: Tensor) -> Iterator[list[VideoFrame]]:
    """Batches of frames that either all have a box or all have none; those in front of a fault before it is raised."""
    part: list[VideoFrame] = []
    try:
        for index, frame in enumerate(frames):
            if index == len(known):
                break
            if part and (len(part) == _BATCH or bool(known[index]) != bool(known[index - 1])):
                yield part
                part = []
            part.append(frame)
    except Exception:
        if part:
            yield part
        raise
    if part:
        yield part


def _track_part(path: CropPath, part: list[VideoFrame], first: int, sighter: Sighter) -> tuple[Track, Evidence]:
    """Consecutive frames from ``first`` on that have a box."""
    networks = (sighter.statistics, sighter.face_model)
    boxes, size = path.box[first : first + len(part)].float(), sighter.encoder.image_size
    device = next(sighter.encoder.parameters()).device
    with torch.no_grad():
        crops = np.stack([crop_image(frame.image, box, size) for frame, box in zip(part, boxes.tolist(), strict=True)])
        image = torch.from_numpy(crops).permute(0, 3, 1, 2).float().div_(255).to(device)
        intrinsics = crop_intrinsics(sighter.intrinsics.expand(len(part), 3, 3), boxes, size).to(device)
        prediction = sighter.encoder.predict(image, intrinsics)
        picture = picture_in_crop(boxes, size, *part[0].image.shape[1::-1]).to(device)
        evidence = frame_evidence(*networks, sighter.encoder, image, intrinsics, prediction, picture)
        number = torch.arange(first, first + len(part), device=device)
        face_model, statistics = sighter.face_model, sighter.statistics
        residual = sampled_residuals(face_model, statistics, image, intrinsics, prediction.state, number).cpu()
        vertices = face_model.decode_vertices(prediction.state.latent).cpu()
    state = FaceState(*(values.cpu() for values in prediction.state))
    time_s = torch.tensor([frame.time_s for frame in part], dtype=torch.float64)
    track = canonical_track(statistics, state, vertices, time_s, sighter.intrinsics, residual)
    track.shot = path.shot[first : first + len(part)]
    return with_regions(track, tuple(statistics.regions)), evidence


def absent_track(path: CropPath, first: int, count: int, sighter: Sighter) -> Track:
    """Frames of a clip without a face: time stamps, shots, and states that are nan."""
    statistics = sighter.statistics
    latent = len(sighter.encoder.latent_mean)

    def nothing(*shape: int) -> Tensor:
        return torch.full((count, *shape), torch.nan)

    frames = slice(first, first + count)
    track = Track(
        path.time_s[frames], nothing(latent), nothing(3, 3), nothing(3), nothing(statistics.vertex_count, 3),
        sighter.intrinsics.expand(count, 3, 3).clone(), nothing(), torch.zeros(count, dtype=torch.bool),
        path.shot[frames],
    )  # fmt: skip
    return with_regions(track, tuple(statistics.regions))


def with_regions(track: Track, names: tuple[str, ...]) -> Track:
    """The track with a column of region confidence, not estimated as yet, for each name."""
    track.region_names = names
    track.region_confidence = torch.full((len(track), len(names)), torch.nan)
    return track
