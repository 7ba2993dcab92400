"""Who works on a stage now: one lock a stage under ``runs/.locks``, whatever experiment asks for the stage.

A lock is the kernel's (flock): that of a killed process is dropped at once, also where it leaves its file.
The file says, for people and for the other ranks, in which run folder its holder works.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

LOCKS = ".locks"

_held: set[IO[str]] = set()


class Holder(NamedTuple):
    """What a lock file says: the run folder, relative to that of all runs, and the process that works in it."""

    folder: str
    pid: int
    host: str


def lock_path(runs: Path, stage_name: str) -> Path:
    """The lock of a stage, ``<kind>-<hash>``, under the folder of all runs."""
    return runs / LOCKS / f"{stage_name}.lock"


def try_lock(path: Path) -> IO[str] | None:
    """Take a lock without waiting; None where another process holds it. Give it back by `unlock`."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            stream = path.open("a+", encoding="utf-8")
        except FileNotFoundError:  # the folder went with the last lock in it
            continue
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.close()
            return None
        if _is_at(stream, path):
            _held.add(stream)
            return stream
        stream.close()  # its last holder removed the file between the two steps


def unlock(stream: IO[str], path: Path) -> None:
    """Give a lock back and leave no file behind, nor an empty folder."""
    if stream.closed:  # in a forked worker
        return
    path.unlink(missing_ok=True)  # while it is held: who opens it later makes a new one
    _held.discard(stream)
    stream.close()
    with contextlib.suppress(OSError):
        path.parent.rmdir()


def write_holder(stream: IO[str], folder: str) -> None:
    """Say in a held lock in which run folder this process works."""
    stream.seek(0)
    stream.truncate()
    json.dump(Holder(folder, os.getpid(), socket.gethostname())._asdict(), stream)
    stream.flush()


def read_holder(path: Path) -> Holder | None:
    """What a lock file says, None where it says nothing (yet); whether it is held is another question."""
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def is_held(path: Path) -> bool:
    """Whether a process that lives holds a lock."""
    try:
        with path.open(encoding="utf-8") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def running_in(runs: Path, stage_name: str) -> str:
    """The run folder, relative to ``runs``, in which a living process works on a stage; empty for none."""
    path = lock_path(runs, stage_name)
    holder = read_holder(path)
    return holder.folder if holder is not None and is_held(path) else ""


@contextlib.contextmanager
def released_at_end(stream: IO[str], path: Path) -> Iterator[IO[str]]:
    """Hold what `try_lock` gave over a block."""
    try:
        yield stream
    finally:
        unlock(stream, path)


def _is_at(stream: IO[str], path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    mine = os.fstat(stream.fileno())
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)


def _close_in_child() -> None:
    """A forked worker that outlives its killed parent must not keep the lock."""
    for stream in _held:
        stream.close()
    _held.clear()


os.register_at_fork(after_in_child=_close_in_child)
