"""Files that spare a second start what the first one worked out, in the user's cache folder.

A file is written under another name and then renamed, so several processes may write the same one and a reader
sees a whole file or none. It carries a checksum; what is damaged counts as absent. Nothing here ends a run: a
folder that cannot be written to, or a full disk, is a warning.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

logger = logging.getLogger(__name__)

Arrays = Sequence[NDArray[Any]]

LIMIT_BYTES = 4_000_000_000
"""What the folder may hold."""

SPARE_BYTES = 1_000_000_000
"""What is left free on the disk, for those who have nowhere else to write."""

_MAGIC = b"steadyface\0cache"
_UNFINISHED = ".unfinished"
_DAY = 86_400.0


def cache_folder() -> Path | None:
    """``$STEADYFACE_CACHE``, else ``$XDG_CACHE_HOME/steadyface``, else ``~/.cache/steadyface``; None for ``off``."""
    named = os.environ.get("STEADYFACE_CACHE", "")
    if named.lower() == "off":
        return None
    home = os.environ.get("XDG_CACHE_HOME", "")
    try:
        if named:
            return Path(named).expanduser()
        # a relative one is to be ignored, says the XDG base directory specification
        return (Path(home) if os.path.isabs(home) else Path.home() / ".cache") / "steadyface"
    except RuntimeError as error:  # a user without a home
        logger.warning("nothing is kept for the next start: %s", error)
        return None


def read_arrays(path: Path, key: bytes, arrays: Arrays) -> bool:
    """Fills contiguous arrays from the file; false, with whatever in them, where it is absent or damaged.

    Args:
        key: 32 bytes, that with which it was written.
    """
    try:
        with path.open("rb") as file:
            header = file.read(len(_MAGIC) + 64)
            whole = os.fstat(file.fileno()).st_size == len(header) + sum(array.nbytes for array in arrays)
            whole = whole and all(file.readinto(array.data) == array.nbytes for array in arrays)
    except FileNotFoundError:
        return False
    except OSError as error:
        logger.warning("%s cannot be read, so it is worked out anew: %s", path, error)
        return False
    if not whole or header != _header(key, arrays):
        logger.warning("%s is damaged, so it is worked out anew", path)
        return False
    with contextlib.suppress(OSError):
        os.utime(path)  # the last use decides what makes room
    return True


def write_arrays(path: Path, key: bytes, arrays: Arrays, limit: int = LIMIT_BYTES) -> bool:
    """Writes contiguous arrays as a whole or not at all; false, with a line in the log, where it could not.

    Args:
        key: 32 bytes.
        limit: bytes that the folder may hold; the files used longest ago make room.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        header = _header(key, arrays)
        needed = len(header) + sum(array.nbytes for array in arrays)
        if needed > limit:
            logger.info("%.1f GB are not kept for the next start: above the %.1f GB", needed / 1e9, limit / 1e9)
            return False
        _make_room(path.parent, limit - needed, spared=path)
        free = shutil.disk_usage(path.parent).free
        if free < needed + SPARE_BYTES:
            raise OSError(f"{needed / 1e9:.1f} GB would leave too little of the {free / 1e9:.1f} GB free on the disk")
        _replace(path, header, arrays)
    except OSError as error:
        logger.warning("nothing is kept in %s for the next start: %s", path.parent, error)
        return False
    return True


def _header(key: bytes, arrays: Arrays) -> bytes:
    checksum = hashlib.blake2b(digest_size=32)
    for array in arrays:
        checksum.update(array.data)
    return _MAGIC + key + checksum.digest()


def _replace(path: Path, header: bytes, arrays: Arrays) -> None:
    descriptor, name = tempfile.mkstemp(_UNFINISHED, f"{path.stem}-", path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(header)
            for array in arrays:
                file.write(array.data)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _make_room(folder: Path, limit: int, spared: Path) -> None:
    """Removes the files used longest ago until the rest, without ``spared``, takes at most ``limit`` bytes.

    Files that a killed process left unfinished go after a day.
    """
    kept = []
    for path in folder.glob("lab-*"):
        with contextlib.suppress(OSError):  # another process may have removed it
            found = path.stat()
            if path.suffix == _UNFINISHED and time.time() - found.st_mtime > _DAY:
                path.unlink()
            elif path != spared:
                kept.append((found.st_mtime, found.st_size, path))
    total = sum(size for _, size, _ in kept)
    for _, size, path in sorted(kept):
        if total <= limit:
            return
        with contextlib.suppress(OSError):
            if path.suffix != _UNFINISHED:  # somebody is writing it
                path.unlink()
                total -= size
