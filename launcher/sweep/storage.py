"""Where the trials of a sweep are kept: a file in its folder, or PostgreSQL for launchers on several machines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from launcher.sweep.leases import DatabaseLeases, FileLeases, Leases
from steadyface.errors import InputError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

JOURNAL = "trials.journal"
LOCKS = "locks"
POSTGRESQL = ("postgresql", "postgres", "postgresql+psycopg")


def check_url(url: str) -> None:
    """Raises InputError for a storage that is no PostgreSQL, or one that nothing is installed for."""
    scheme = urlsplit(url).scheme
    if scheme not in POSTGRESQL:
        remedy = "leave --storage out to keep the trials in a file under runs"
        raise InputError("--storage", "postgresql://USER@HOST/DATABASE", f"'{without_password(url)}'", remedy)
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        remedy = "pip install 'steadyface[postgresql]'"
        raise InputError("--storage", "the package psycopg", str(error), remedy) from error


def open_storage(folder: Path, url: str, study: str) -> tuple[BaseStorage, Leases]:
    """The trials and the leases of a sweep.

    Args:
        folder: the sweep's, which exists; url: of a PostgreSQL, empty for a file; study: the sweep's name.

    Raises:
        InputError: the database cannot be reached or used.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    files = FileLeases(folder / LOCKS)
    if not url:
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        from launcher.sweep.journal import JournalLock

        path = folder / JOURNAL
        lock = JournalLock(path)
        lock.acquire()  # which mends the journal before it is read
        lock.release()
        return JournalStorage(JournalFileBackend(str(path), lock_obj=lock)), files
    return _open_database(url, study, files)


def _open_database(url: str, study: str, files: FileLeases) -> tuple[BaseStorage, Leases]:
    check_url(url)
    import psycopg
    from optuna.exceptions import StorageInternalError
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import SQLAlchemyError

    from launcher.sweep.leases import turn

    plain = with_scheme(url, "postgresql")
    try:
        leases = DatabaseLeases(plain, study, files)
        # The tables are made by the first launcher alone.
        tables = DatabaseLeases(plain, "tables of Optuna", FileLeases(files.folder / "tables"))
        with turn(tables):
            storage = RDBStorage(
                with_scheme(url, "postgresql+psycopg"),
                # A connection that the server closed meanwhile is replaced and not tripped over.
                engine_kwargs={"pool_pre_ping": True},
            )
    except (psycopg.Error, SQLAlchemyError, StorageInternalError, RuntimeError) as error:
        got = " ".join(str(error).split()) or type(error).__name__
        remedy = "start it, or correct the URL"
        raise InputError(f"--storage {without_password(url)}", "a PostgreSQL that answers", got, remedy) from error
    return storage, leases


def with_scheme(url: str, scheme: str) -> str:
    """A URL under another scheme.

    >>> with_scheme("postgres://me@here/trials", "postgresql+psycopg")
    'postgresql+psycopg://me@here/trials'
    """
    return f"{scheme}://{url.partition('://')[2]}"


def without_password(url: str) -> str:
    """A URL for people to read.

    >>> without_password("postgresql://me:secret@here/trials")
    'postgresql://me:***@here/trials'
    """
    password = urlsplit(url).password
    return url.replace(f":{password}@", ":***@", 1) if password else url
