"""Who works on a trial now: a lease, which is a lock that dies with its holder. No clocks are compared.

On one machine, and on machines that share the folder of runs, a lease is the kernel's lock on a file (flock). The
trial's own process inherits it: a trial whose launcher was killed keeps its lease until it is over, too. Between
machines it is, besides, an advisory lock of PostgreSQL, which the server drops when the launcher's connection ends.
"""

from __future__ import annotations

import fcntl
import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import psycopg

# A launcher's machine that lost its power is noticed by its connection after about a minute, in seconds and tries.
ALIVE = {"tcp_keepalives_idle": 30, "tcp_keepalives_interval": 10, "tcp_keepalives_count": 3}
PAUSE_S = 0.02  # between two tries for the lock that all launchers of a sweep take in turn


class Lease(Protocol):
    """A held lock."""

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What a trial's process inherits to hold the lease as long as it lives."""

    def release(self) -> None:
        """Give it back; what inherited it may hold it still."""


class Leases(Protocol):
    """The leases of one sweep, by name."""

    def take(self, name: str) -> Lease | None:
        """Take a lease without waiting; None where another holds it, in this process or elsewhere."""

    def alive(self) -> bool:
        """Whether what was taken is still held; it is not after the database's connection was lost."""


@contextmanager
def turn(leases: Leases) -> Iterator[None]:
    """Wait for this launcher's turn: of all launchers of a sweep one at a time chooses trials."""
    while (lease := leases.take("turn")) is None:
        time.sleep(PAUSE_S)
    try:
        yield
    finally:
        lease.release()


class FileLease:
    """A lock on an open file."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    @property
    def descriptors(self) -> tuple[int, ...]:
        return (self._stream.fileno(),)

    def release(self) -> None:
        self._stream.close()


class FileLeases:
    """Locks on files of a folder. The files stay: to remove one while another opens it would make two locks of it.

    Args:
        folder: for the files; made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder

    def take(self, name: str) -> FileLease | None:
        stream = (self.folder / f"{name}.lock").open("w", encoding="utf-8")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.close()
            return None
        return FileLease(stream)

    def alive(self) -> bool:
        return True


class DatabaseLease:
    """An advisory lock of a session, and the lock on the file of the same name."""

    def __init__(self, session: psycopg.Connection, key: int, file: FileLease) -> None:
        self._session, self._key, self._file = session, key, file

    @property
    def descriptors(self) -> tuple[int, ...]:
        return self._file.descriptors

    def release(self) -> None:
        import psycopg

        self._file.release()
        with suppress(psycopg.Error):  # with the connection the lock is gone, too
            self._session.execute("SELECT pg_advisory_unlock(%s)", [self._key])


class DatabaseLeases:
    """Advisory locks of PostgreSQL, held by one connection as long as it lasts.

    They are a session's, so the URL must lead to the server itself or to a pooler in session mode.

    Args:
        url: ``postgresql://...``.
        study: the sweep's name; other sweeps in the same database have other locks.
        files: the locks of this machine, taken besides.

    Raises:
        psycopg.Error: no connection.
    """

    def __init__(self, url: str, study: str, files: FileLeases) -> None:
        import psycopg

        self._study, self._files = study, files
        self._session = psycopg.connect(url, autocommit=True, connect_timeout=20, application_name="steadyface sweep")
        for name, value in ALIVE.items():
            self._session.execute(f"SET {name} = {value}")

    def take(self, name: str) -> DatabaseLease | None:
        file = self._files.take(name)
        if file is None:
            return None
        key = lock_key(f"{self._study}/{name}")
        taken = self._session.execute("SELECT pg_try_advisory_lock(%s)", [key]).fetchone()
        if taken is None or not taken[0]:
            file.release()
            return None
        return DatabaseLease(self._session, key, file)

    def alive(self) -> bool:
        import psycopg

        try:
            self._session.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True


def lock_key(name: str) -> int:
    """The number, signed and of 64 bits, that PostgreSQL knows a lock by."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
