"""Which images of a folder make a clip, and when each is shown.

The images: every ``.png``, or every ``.jpg`` and ``.jpeg``, in natural order (``frame9`` before ``frame10``).
The times, one of two files beside them:

- ``fps.txt``: frames a second, one number (``30``, ``29.97`` or ``30000/1001``).
- ``timestamps.csv``: a line ``file,time_s``, then a line an image: its name and its time in seconds, rising.
"""

from __future__ import annotations

import csv
import math
import re
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from steadyface.errors import InputError

RATE_FILE, TIMES_FILE = "fps.txt", "timestamps.csv"
_PNG, _JPEG = (".png",), (".jpg", ".jpeg")
_HIGHEST_RATE = 1000


def list_images(folder: Path) -> list[Path]:
    """The images in the order in which they are shown; hidden files are none.

    Raises:
        InputError: PNG and JPEG side by side: which of them is the clip?
    """
    names = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    kinds = [[path for path in names if path.suffix.lower() in suffixes] for suffixes in (_PNG, _JPEG)]
    if all(kinds):
        got = f"{len(kinds[0])} PNG and {len(kinds[1])} JPEG"
        raise InputError(folder, "images of one kind", got, "keep the frames of the clip alone in the folder")
    return sorted(kinds[0] or kinds[1], key=lambda path: natural_key(path.name))


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sorts numbers in names by value.

    >>> sorted(["f10.png", "f9.png", "f010.png"], key=natural_key)
    ['f9.png', 'f010.png', 'f10.png']
    """
    parts = re.split(r"(\d+)", name)
    key = [(0, int(part), "") if part.isdecimal() else (1, 0, part.lower()) for part in parts if part]
    return [*key, (2, 0, name)]


def require_images(folder: Path) -> list[Path]:
    """As `list_images`; a folder without any is an InputError."""
    images = list_images(folder)
    if not images:
        raise InputError(folder, "a folder of PNG or JPEG images", "none in it", "check the path")
    return images


def read_times(folder: Path, images: list[Path]) -> list[float]:
    """The time of each image, seconds.

    Raises:
        InputError: neither file is there, or it cannot be used.
    """
    if (folder / TIMES_FILE).is_file():
        return _listed_times(folder / TIMES_FILE, images)
    path = folder / RATE_FILE
    if not path.is_file():
        remedy = f"write the rate into {RATE_FILE}, for example: echo 30 > {path}"
        raise InputError(folder, f"{RATE_FILE} or {TIMES_FILE} beside the images", "neither", remedy)
    try:
        rate = float(Fraction(path.read_text(encoding="utf-8").strip()))
    except (ValueError, ZeroDivisionError):
        rate = math.nan
    if not 0 < rate <= _HIGHEST_RATE:
        text = path.read_bytes()[:40].decode(errors="replace").strip()
        raise InputError(path, f"frames a second, above 0, at most {_HIGHEST_RATE}", repr(text), "write one number")
    return [index / rate for index in range(len(images))]


def _listed_times(path: Path, images: list[Path]) -> list[float]:
    remedy = "write a line `file,time_s`, then a line an image, in the order in which they are shown"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            listed = {row["file"].strip(): float(row["time_s"]) for row in csv.DictReader(file)}
    except (KeyError, TypeError, ValueError, AttributeError, csv.Error):
        raise InputError(path, "columns `file` and `time_s`, a number", "something else", remedy) from None
    names = {image.name for image in images}
    if names != set(listed):
        odd = sorted(names ^ set(listed), key=natural_key)[0]
        got = f"{odd} in the {'folder' if odd in names else 'list'} alone"
        raise InputError(path, "a time for each image of the folder, and no others", got, remedy)
    times = [listed[image.name] for image in images]
    for index, (before, after) in enumerate(pairwise(times)):
        if not before < after < math.inf:
            got = f"{before} then {after} at {images[index + 1].name}"
            raise InputError(path, "times that rise in the natural order of the names", got, remedy)
    return times
