"""A filter over a whole track, a block of frames at a time: a clip of an hour never lies in memory.

What motion is exists only inside a run: neighbouring frames of one shot with a face in each. Every
filter begins anew at each cut and behind each lost face, and frames without a face stay absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch

from steadyface.errors import InputError
from steadyface.tracking.filters.causal import OneEuroFilter
from steadyface.tracking.filters.kalman import KalmanPass, frames_ahead, measurement_variance, run_gains
from steadyface.tracking.filters.settings import KALMAN, ONE_EURO, KalmanOfTrack, OneEuroOfTrack
from steadyface.tracking.smoothing import WINDOW_FRAMES, smooth_track
from steadyface.tracking.track import STATE_FIELDS, Track, field_names, runs_of
from steadyface.tracking.track_file import BLOCK_FRAMES, StoredTrack, TrackWriter
from steadyface.types import FaceState

RunFilter = Callable[[Track | StoredTrack, slice], Iterator[Track]]
"""A track and one of its runs -> the run's frames in order, filtered, in blocks."""


def one_euro_run(track: Track | StoredTrack, run: slice, settings: OneEuroOfTrack = ONE_EURO) -> Iterator[Track]:
    """A run through the 1-Euro filter, frame after frame."""
    frame_filter = OneEuroFilter(settings)
    for block in _blocks(track, run):
        faces = [
            frame_filter.step(
                float(block.time_s[i]),
                FaceState(block.latent[i : i + 1], block.rotation[i : i + 1], block.translation[i : i + 1]),
                block.vertices[i],
            )
            for i in range(len(block))
        ]
        latent, rotation, translation = (torch.cat(parts) for parts in zip(*(f.state for f in faces), strict=True))
        vertices = torch.stack([face.vertices for face in faces if face.vertices is not None])
        yield replace(block, latent=latent, rotation=rotation, translation=translation, vertices=vertices)


def kalman_run(track: Track | StoredTrack, run: slice, settings: KalmanOfTrack = KALMAN) -> Iterator[Track]:
    """A run through the Kalman smoother; where the track has a confidence, doubtful frames weigh less."""
    time_s, confidence = track.time_s[run], track.confidence[run]
    gains = {
        name: run_gains(time_s, measurement_variance(confidence, noise.deviation), noise)
        for name, noise in settings._asdict().items()
    }
    passes = {name: KalmanPass(gains[name], rotations=name == "rotation") for name in STATE_FIELDS}
    for first in range(run.start, run.stop, BLOCK_FRAMES):
        end = min(first + BLOCK_FRAMES, run.stop)
        ahead = max(frames_ahead(gains[name], end - run.start) for name in STATE_FIELDS)
        read = track[first : end + ahead]
        latent, rotation, translation, vertices = (
            passes[name].smooth(getattr(read, name), end - first) for name in STATE_FIELDS
        )
        block = read[: end - first]
        yield replace(block, latent=latent, rotation=rotation, translation=translation, vertices=vertices)


def savitzky_golay_run(track: Track | StoredTrack, run: slice) -> Iterator[Track]:
    """A run through the zero-lag smoother of `smoothing`, whose window reaches into the blocks beside."""
    for first in range(run.start, run.stop, BLOCK_FRAMES):
        end = min(first + BLOCK_FRAMES, run.stop)
        # the outermost half window of what is read is fitted from one side: it must be no frame of this block
        begin = max(run.start, first - WINDOW_FRAMES)
        read = smooth_track(track[begin : min(run.stop, end + WINDOW_FRAMES)])
        yield read[first - begin : end - begin]


FILTERS: dict[str, RunFilter] = {
    "none": lambda track, run: _blocks(track, run),
    "one_euro": one_euro_run,
    "kalman": kalman_run,
    "savitzky_golay": savitzky_golay_run,
}
"""name -> what it does to a run. A new one: a function as `RunFilter` and its name here."""


def find_filter(name: str) -> RunFilter:
    """The filter of a name. Raises InputError for an unknown one."""
    if name not in FILTERS:
        raise InputError("--filter", " or ".join(FILTERS), f"'{name}'", "choose one of them")
    return FILTERS[name]


def filter_blocks(track: Track | StoredTrack, name: str) -> Iterator[Track]:
    """The whole track in order, filtered, in blocks of frames.

    The texture residual belongs to the unfiltered states: it is nan, unless the filter is ``none``.

    Raises:
        InputError: an unknown filter.
    """
    return _filtered(track, name, find_filter(name))


def filter_track(track: Track, name: str) -> Track:
    """A track filtered, in memory; the input stays as it is. Raises InputError for an unknown filter."""
    parts = list(filter_blocks(track, name))
    if not parts:
        return track
    joined = {field: torch.cat([getattr(part, field) for part in parts]) for field in field_names()}
    return Track(**joined, region_names=track.region_names)


def filter_file(source: Path, target: Path, name: str) -> None:
    """Filter a track's file into another, which may be the same, without holding it.

    Raises:
        InputError: an unknown filter, or a file that is no track.
    """
    blocks = filter_blocks(StoredTrack(source), name)
    with TrackWriter(target) as writer:
        for block in blocks:
            writer.append(block)


def _filtered(track: Track | StoredTrack, name: str, run_filter: RunFilter) -> Iterator[Track]:
    for block in _in_order(track, run_filter):
        yield block if name == "none" else _without_residual(block)


def _in_order(track: Track | StoredTrack, run_filter: RunFilter) -> Iterator[Track]:
    """Runs, and between them the frames without a face as they are."""
    done = 0
    for run in runs_of(track.found, track.shot):
        yield from _blocks(track, slice(done, run.start))
        yield from run_filter(track, run)
        done = run.stop
    yield from _blocks(track, slice(done, len(track)))


def _without_residual(block: Track) -> Track:
    return replace(block, texture_residual=torch.full_like(block.texture_residual, torch.nan))


def _blocks(track: Track | StoredTrack, frames: slice) -> Iterator[Track]:
    for first in range(frames.start, frames.stop, BLOCK_FRAMES):
        yield track[first : min(first + BLOCK_FRAMES, frames.stop)]
