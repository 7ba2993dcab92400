"""``unfinished.yaml``: an experiment that was begun and has not come to its end, and whether it runs now.

It is the resolved experiment, written before its first stage and removed after its report, so that what a kill leaves
can be gone on with from the folder alone. Who runs the experiment holds a lock on it that the system drops at a kill.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from launcher.execution import is_main_process
from launcher.runs import write_atomically
from launcher.stopping import Stopped
from steadyface.errors import InputError

UNFINISHED = "unfinished.yaml"


@contextlib.contextmanager
def unfinished(folder: Path, resolved_yaml: str) -> Iterator[None]:
    """Mark an experiment's folder over a block; the mark stays behind where the block does not come to its end.

    What a fault in the input stopped leaves no mark, and no folder where nothing else is in it.
    """
    if not is_main_process():
        yield
        return
    path = folder / UNFINISHED
    write_atomically(path, resolved_yaml)
    with path.open(encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_SH)
        try:
            yield
        except Stopped:
            print(f"stopped; go on with: steadyface resume {folder}", file=sys.stderr, flush=True)
            raise
        except InputError:
            path.unlink(missing_ok=True)
            _remove_empty(folder)
            raise
        if _is_still(path, stream.fileno()):  # not that of somebody who began it anew beside this one
            path.unlink()


def is_running(folder: Path) -> bool:
    """Whether a process that lives is at work on an experiment, its scores and report included."""
    try:
        with (folder / UNFINISHED).open(encoding="utf-8") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()
        folder.parent.rmdir()
