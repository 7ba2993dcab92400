"""How live tracking keeps up: frames a second, latency, and frames dropped.

Latency is the time from a frame's arrival (decoded, in this process) to its result. It is told in ms, in
frames as they are tracked (mean time from one result to the next) and in frames of the source (mean time
from one stamp to the next). A frame is fetched only when nothing newer has come, so it waited for less than
the step before it: however slow the tracker, latency stays under two of its own steps.
"""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from typing import NamedTuple, TextIO

from steadyface.capture.live_source import LiveFrame, LiveSource

_RECENT = 30  # frames, for the line that is shown while it runs
_SHOWN_EVERY_S, _WRITTEN_EVERY_S = 0.5, 10.0  # on a terminal; into a log


class TrackedFrame(NamedTuple):
    """A frame of the source, by its number and stamp, and when its result was there, of `time.monotonic`."""

    number: int
    time_s: float
    done_s: float
    latency_s: float


class Pace(NamedTuple):
    """Over some frames: results a second, mean latency in ms, in frames as tracked, in frames of the source."""

    fps: float
    latency_ms: float
    latency_tracked: float
    latency_source: float

    @classmethod
    def between(cls, first: TrackedFrame, last: TrackedFrame, steps: int, latency_s: float) -> Pace:
        """Of ``steps`` steps from one result to another; nan without a step.

        >>> pace = Pace.between(TrackedFrame(0, 0.0, 9.0, 0.1), TrackedFrame(60, 2.0, 11.0, 0.1), 20, 0.1)
        >>> [round(value, 3) for value in pace]
        [10.0, 100.0, 1.0, 3.0]
        """
        own = (last.done_s - first.done_s) / steps if steps else math.nan
        source = (last.time_s - first.time_s) / (last.number - first.number) if steps else math.nan
        return cls(1 / own if own else math.nan, 1000 * latency_s, latency_s / (own or math.nan), latency_s / source)

    def __str__(self) -> str:
        frames = f"{self.latency_tracked:.1f} frames as tracked, {self.latency_source:.1f} of the source"
        return f"{self.fps:.1f} fps, latency {self.latency_ms:.0f} ms ({frames})"


class LiveMeter:
    """Counts and times what was tracked, in memory that does not grow."""

    def __init__(self) -> None:
        self._recent: deque[TrackedFrame] = deque(maxlen=_RECENT)
        self._first: TrackedFrame | None = None
        self._latency_s = 0.0
        self.tracked = 0
        self.worst_latency_s = 0.0

    def add(self, live: LiveFrame) -> TrackedFrame:
        """The result of a frame is there."""
        done = time.monotonic()
        row = TrackedFrame(live.frame.index, live.frame.time_s, done, done - live.arrived_s)
        self._first = self._first or row
        self._recent.append(row)
        self._latency_s += row.latency_s
        self.worst_latency_s = max(self.worst_latency_s, row.latency_s)
        self.tracked += 1
        return row

    def recent(self) -> Pace:
        """Over the last frames."""
        rows = self._recent
        return Pace.between(rows[0], rows[-1], len(rows) - 1, sum(row.latency_s for row in rows) / len(rows))

    def whole(self) -> Pace:
        """Over everything."""
        assert self._first is not None
        return Pace.between(self._first, self._recent[-1], self.tracked - 1, self._latency_s / self.tracked)


class StatusLine:
    """Says now and then how it goes: on a terminal one line that changes, else a line every ten seconds.

    Args:
        stream: where to; standard output may be somebody's data.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._is_terminal = self._stream.isatty()
        self._shown_s = time.monotonic() if not self._is_terminal else -math.inf

    def show(self, meter: LiveMeter, source: LiveSource, found: bool) -> None:
        """After a frame."""
        now = time.monotonic()
        if now - self._shown_s < (_SHOWN_EVERY_S if self._is_terminal else _WRITTEN_EVERY_S):
            return
        self._shown_s = now
        line = f"live: {meter.recent()}, {source.dropped} dropped, {'face found' if found else 'no face'}"
        print(f"\r\x1b[K{line}" if self._is_terminal else line, end="" if self._is_terminal else "\n",
              file=self._stream, flush=True)  # fmt: skip

    def end(self, line: str) -> None:
        """The last line, which stays."""
        print(f"\r\x1b[K{line}" if self._is_terminal else line, file=self._stream, flush=True)


def summary(meter: LiveMeter, source: LiveSource) -> str:
    """What was done, in one line."""
    received = source.received
    counts = f"{meter.tracked} frames tracked of {received}, {received - source.taken} dropped"
    if not meter.tracked:
        return counts
    return f"{counts}: {meter.whole()}, {1000 * meter.worst_latency_s:.0f} ms at worst"
