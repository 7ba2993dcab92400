"""A clean stop: SIGTERM or Ctrl-C ends a run at the next place where nothing is lost.

Within a training the first signal waits for the step's checkpoint; a second one, and any outside of a training, stops
at once, and what was written last is gone on from. The exit code is 128 + the signal's number.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopped(SystemExit):
    """The run was asked to stop; `signum` says by which signal."""

    def __init__(self, signum: int) -> None:
        super().__init__(128 + signum)
        self.signum = signum

    def __str__(self) -> str:
        return f"stopped by {signal.Signals(self.signum).name}"


class _Request:
    """The signal that waits for a checkpoint, 0 for none; and whether there is a place that looks for it."""

    signum = 0
    deferred = False


@contextmanager
def clean_stops() -> Iterator[None]:
    """Have SIGTERM and SIGINT raise `Stopped` over a block; nothing outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    listen()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def listen() -> None:
    """Take the signals (back) from whoever handles them now: a Trainer registers handlers of its own."""
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            signal.signal(number, _note)


@contextmanager
def deferred_stops() -> Iterator[None]:
    """Let the first signal wait over a block, for who asks `requested_stop`; raises `Stopped` behind it at the latest.

    A signal that nobody saw to within the block counts at its end, and not for what an error ended.
    """
    _Request.signum, _Request.deferred = 0, True
    try:
        yield
    finally:
        signum, _Request.signum, _Request.deferred = _Request.signum, 0, False
    if signum:
        raise Stopped(signum)


def requested_stop() -> int:
    """The number of the signal that waits, 0 for none."""
    return _Request.signum


def _note(signum: int, frame: FrameType | None) -> None:
    if not _Request.deferred or _Request.signum:
        raise Stopped(signum)
    _Request.signum = signum
    print("stopping after this step's checkpoint; a second signal stops at once", file=sys.stderr, flush=True)
