"""A folder of many files that appears once all of them are there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from steadyface.errors import InputError


def require_replaceable(folder: Path, mark: str) -> None:
    """Raise InputError unless ``folder`` is absent, empty, or holds ``mark``: an earlier export's."""
    if folder.exists() and not (folder / mark).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        got = "one that holds something else" if folder.is_dir() else "a file"
        raise InputError(folder, "a new folder, or one that an earlier export wrote", got, "name another with --out")


@contextmanager
def whole_folder(folder: Path, mark: str) -> Iterator[Path]:
    """Gives a folder to write into, which takes the name ``folder`` at the end; after an error nothing is left.

    Args:
        folder: the target. One that an earlier call wrote is replaced.
        mark: the name of a file that every such folder holds: by it, an earlier call's is known.

    Raises:
        InputError: ``folder`` is a file, holds something else, or cannot be written.
    """
    require_replaceable(folder, mark)
    part = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
    except OSError as error:
        got = error.strerror or "an error"
        raise InputError(folder, "a folder to write to", got, "choose another place") from error
    try:
        yield part
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
