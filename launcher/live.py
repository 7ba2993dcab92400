"""``steadyface track --live``: the newest frame of a pipe or a camera, tracked, filtered, written, streamed.

Nothing is queued: what comes while a frame is being tracked is dropped, but for the newest, and counted. The
track holds the frames that were tracked, with their true time stamps, and is whole however it ends.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from datamodules.wild_clips import GUESSED_FOCAL_OVER_SIDE, square_box
from launcher.live_meter import LiveMeter, StatusLine, summary
from launcher.outcome import find_checkpoint
from launcher.runs import make_folder
from launcher.stopping import SIGNALS
from launcher.tracking import Networks, load_tracker
from steadyface.capture.live_source import LiveFrame, LiveSource
from steadyface.capture.video_types import VideoFrame, VideoInfo
from steadyface.errors import InputError
from steadyface.tracking.filters.causal import CausalFilter, Unfiltered, causal_filter
from steadyface.tracking.filters.lag_report import POINTS, FilterReport
from steadyface.tracking.follower import FaceFollower, FollowedFrame, GivenBox
from steadyface.tracking.sighting import Sighter
from steadyface.tracking.track import Track
from steadyface.tracking.track_file import TrackWriter
from steadyface.tracking.tracker import canonical_track
from steadyface.types import FaceState

logger = logging.getLogger(__name__)

SEARCH_WINDOWS_A_FRAME = 8
"""Of about 80 in a whole search: more would hold the frames up."""

_REMEMBERED = 1800  # frames over which the filter's lag is measured: a minute


class Follower(Protocol):
    """Finds the face in one frame after the other; `FaceFollower`."""

    def step(self, frame: VideoFrame) -> FollowedFrame:
        """The face in the next frame, later than all before."""


class LiveTracker:
    """One frame after the other: where the face is, its mesh in the canonical head frame, filtered.

    Args:
        networks: of the subject.
        follower: at its start.
        intrinsics: (3, 3) of the full frame.
        live_filter: at its start.

    Attributes:
        found: frames with a face so far.
    """

    def __init__(self, networks: Networks, follower: Follower, intrinsics: Tensor, live_filter: CausalFilter) -> None:
        self._networks, self._follower, self._filter = networks, follower, live_filter
        self._intrinsics, self._shot = intrinsics, 0
        self.found = 0
        self.report: FilterReport | None = None
        if not isinstance(live_filter, Unfiltered):
            moving = networks.face_model.vertex_deviation()
            self.report = FilterReport(moving.topk(min(POINTS, len(moving))).indices.cpu(), _REMEMBERED)

    @torch.no_grad()
    def step(self, frame: VideoFrame) -> Track:
        """The track of one frame; its state is nan where there is no face."""
        followed = self._follower.step(frame)
        if followed.sighting is None or followed.shot != self._shot:
            self._filter.restart()
        self._shot = followed.shot
        before = self._found(followed) if followed.sighting is not None else self._absent(followed)
        after = self._filtered(before)
        if self.report is not None:
            self.report.add(before, after)
        return after

    def _found(self, followed: FollowedFrame) -> Track:
        self.found += 1
        sighting, networks = followed.sighting, self._networks
        assert sighting is not None
        device = next(networks.encoder.parameters()).device
        vertices = networks.face_model.decode_vertices(sighting.state.latent.to(device)).cpu()
        track = canonical_track(
            networks.statistics, sighting.state, vertices, torch.tensor([followed.time_s], dtype=torch.float64),
            self._intrinsics, torch.tensor([sighting.residual]),
        )  # fmt: skip
        return replace(track, shot=torch.tensor([followed.shot]))

    def _absent(self, followed: FollowedFrame) -> Track:
        model, statistics = self._networks.face_model, self._networks.statistics
        nan = torch.full((1, 1), torch.nan)
        return Track(
            torch.tensor([followed.time_s], dtype=torch.float64), nan.expand(1, len(model.latent_mean)),
            nan.expand(1, 9).reshape(1, 3, 3), nan.expand(1, 3), nan[..., None].expand(1, statistics.vertex_count, 3),
            self._intrinsics[None], nan[0], torch.tensor([False]), torch.tensor([followed.shot]),
        )  # fmt: skip

    def _filtered(self, track: Track) -> Track:
        if not bool(track.found) or isinstance(self._filter, Unfiltered):
            return track
        state = FaceState(track.latent, track.rotation, track.translation)
        state, vertices = self._filter.step(float(track.time_s), state, track.vertices[0])
        assert vertices is not None
        return replace(
            track, latent=state.latent, rotation=state.rotation, translation=state.translation,
            vertices=vertices[None], texture_residual=torch.full((1,), torch.nan),
        )  # fmt: skip


def track_live(
    name: str, run: Path, box: Sequence[float], focal_px: float, out: Path, filter_name: str = "none",
    seconds: float | None = None, stream_json: bool = False,
) -> None:
    """Track a live source into ``out/track.npz`` until it ends, time is up, or SIGINT or SIGTERM comes.

    Args:
        name: of the source, see `steadyface.capture.live_input`.
        run: an experiment's or a stage's folder, or a checkpoint.
        box: x, y, w, h of the head at the start, pixels of the upright frame; empty: it is searched for.
        focal_px: of the full frame; 0 = a guess, which is said.
        out: folder.
        filter_name: one of `CAUSAL_FILTERS`.
        seconds: stop after so many; None: go on.
        stream_json: write each frame's state as a line of JSON to standard output.

    Raises:
        InputError: a fault in what was given; the source broke off, or never showed a face. What was tracked
            until then is in the file.
    """
    live_filter, source = causal_filter(filter_name), LiveSource(name)
    if seconds is not None and not seconds > 0:
        raise InputError("--seconds", "a number above 0", f"{seconds:g}", "leave it out to go on until the source ends")
    networks = load_tracker(find_checkpoint(run))
    warm_up(networks)
    with source, ended_by_signals(source.stop):
        first = source.next_frame()
        if first is None:
            print("live: stopped before the first frame", file=sys.stderr)
            return
        intrinsics, start = _intrinsics(name, first.frame, focal_px), _start(name, first.frame, box)
        follower = FaceFollower(Sighter(*networks, intrinsics), start, SEARCH_WINDOWS_A_FRAME)
        make_folder(out)
        tracker = LiveTracker(networks, follower, intrinsics, live_filter)
        run_live(source, first, tracker, out / "track.npz", seconds, stream_json)


def warm_up(networks: Networks) -> None:
    """A look at nothing: the first one takes longer than all others, and frames would wait for it."""
    size = networks.encoder.image_size
    nowhere = torch.tensor([[size, 0.0, size / 2], [0.0, size, size / 2], [0.0, 0.0, 1.0]])
    Sighter(*networks, nowhere).look(np.zeros((size, size, 3), dtype=np.uint8), [(0.0, 0.0, size, size)])


def run_live(
    source: LiveSource, first: LiveFrame, tracker: LiveTracker, path: Path, seconds: float | None = None,
    stream_json: bool = False,
) -> LiveMeter:
    """Track from a source's first frame on; arguments and errors as `track_live`.

    Returns:
        what was measured.
    """
    meter, status = LiveMeter(), StatusLine()
    until = time.monotonic() + seconds if seconds is not None else None
    try:
        with TrackWriter(path) as writer:
            frame: LiveFrame | None = first
            while frame is not None:
                track = tracker.step(frame.frame)
                writer.append(track)
                latency_s = meter.add(frame).latency_s
                status.show(meter, source, bool(track.found))
                if stream_json and not _print_json(frame, track, latency_s):
                    break
                frame = source.next_frame() if until is None or time.monotonic() < until else None
    finally:
        source.stop()
        status.end(f"live: {summary(meter, source)}; {path}")
        if tracker.report is not None:
            status.end(f"live: filter: {tracker.report.effect()}")
    if not tracker.found:
        got = f"none in {meter.tracked} frames"
        raise InputError(source.name, "a face", got, "give --box X,Y,W,H, or light and face the camera")
    return meter


@contextmanager
def ended_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """SIGINT and SIGTERM call ``stop`` in place of ending the program; a second one ends it as ever."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def give_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def handle(number: int, frame: FrameType | None) -> None:
        give_back()
        stop()

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        give_back()


def _intrinsics(name: str, frame: VideoFrame, focal_px: float) -> Tensor:
    height, width = frame.image.shape[:2]
    focal = focal_px or GUESSED_FOCAL_OVER_SIDE * max(width, height)
    if not focal_px:
        logger.warning("%s: no focal length given, %.0f px assumed; depth is as uncertain as that", name, focal)
    return torch.tensor([[focal, 0.0, (width - 1) / 2], [0.0, focal, (height - 1) / 2], [0.0, 0.0, 1.0]])


def _start(name: str, frame: VideoFrame, box: Sequence[float]) -> GivenBox | None:
    if not box:
        return None
    height, width = frame.image.shape[:2]
    return GivenBox(square_box(Path(name), list(box), VideoInfo(width, height, 0, 0.0, 0.0, "live")))


def _print_json(live: LiveFrame, track: Track, latency_s: float) -> bool:
    """One frame as a line; whether somebody still reads."""
    found = bool(track.found)
    line = {
        "frame": live.frame.index, "time_s": live.frame.time_s, "dropped": live.dropped,
        "latency_ms": round(1000 * latency_s, 1), "shot": int(track.shot), "found": found,
        "rotation": track.rotation[0].tolist() if found else None,
        "translation_mm": track.translation[0].tolist() if found else None,
        "latent": track.latent[0].tolist() if found else None,
    }  # fmt: skip
    try:
        print(json.dumps(line), flush=True)
    except BrokenPipeError:
        # the interpreter would complain when it flushes at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True
