"""The lock of Optuna's journal file, the kernel's own.

Optuna's locks are files that a killed process leaves behind, and the others wait half a minute for it. The part of a
line that a killed process may leave is cut off by whoever writes next.
"""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO

from optuna.storages.journal._file import BaseJournalFileLock

CHUNK = 65536


class JournalLock(BaseJournalFileLock):
    """A lock on a file beside the journal; mends the journal before each write.

    Args:
        journal: the journal's path.
    """

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._stream: IO[str] | None = None

    def acquire(self) -> bool:
        self._stream = self._journal.with_name(f"{self._journal.name}.lock").open("w", encoding="utf-8")
        fcntl.flock(self._stream, fcntl.LOCK_EX)
        mend(self._journal)
        return True

    def release(self) -> None:
        if self._stream is not None:
            self._stream.close()


def mend(journal: Path) -> None:
    """Cut off what follows the last whole line."""
    if not journal.is_file():
        return
    with journal.open("r+b") as stream:
        end = kept = stream.seek(0, 2)
        while kept > 0:
            start = max(0, kept - CHUNK)
            stream.seek(start)
            found = stream.read(kept - start).rfind(b"\n")
            if found >= 0:
                kept = start + found + 1
                break
            kept = start
        if kept < end:
            stream.truncate(kept)
