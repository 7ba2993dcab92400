"""The focal length that a clip's own metadata state.

Phones give the focal length of a 35 mm camera that would see as much. Convention here, that of CIPA DCG-001 and EXIF:
"as much" means the same angle over the DIAGONAL, and the frame is taken to be the whole picture that the number speaks
of: ``focal_px = f35 / 43.27 mm * diagonal of the frame in pixels``. The diagonal does not care how the phone was held.

How far this can be off: makers state the number of the whole sensor (4:3), of which a 16:9 video is the middle (the
true focal length in pixels is then 9 % larger, 4 % where they go by the width), and stabilisation crops some 10 % more,
which makes the true one larger again by as much. A number from here is a start, better than a guess.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
from PIL import Image, UnidentifiedImageError

from steadyface.capture.image_folder_index import list_images
from steadyface.errors import InputError

FULL_FRAME_DIAGONAL_MM = math.hypot(36.0, 24.0)

_QUICKTIME = (
    "com.apple.quicktime.camera.focal_length.35mm_equivalent",
    "camera.focal_length.35mm_equivalent",
)
_EXIF_IFD, _FOCAL_LENGTH_35MM = 0x8769, 0xA405


class Sized(Protocol):
    """Anything with the size of the upright full frame in pixels."""

    @property
    def width(self) -> int: ...

    @property
    def height(self) -> int: ...


def focal_from_metadata(path: Path, info: Sized) -> float | None:
    """The focal length in pixels of the full frame, or None where the metadata state none (or no sensible one).

    Args:
        path: a video file (QuickTime's keys), or a folder of images (EXIF of the first one).
        info: the clip's size, as `probe` gives it.

    Raises:
        InputError: the file cannot be opened.
    """
    if path.is_dir():
        images = list_images(path)
        equivalent = read_exif_focal(images[0]) if images else None
    else:
        try:
            with av.open(str(path)) as container:
                tags = [dict(container.metadata), *(dict(stream.metadata) for stream in container.streams)]
        except (av.FFmpegError, OSError) as error:
            remedy = "check the path, or export the clip again"
            raise InputError(path, "a video", f"a file FFmpeg cannot open ({error.strerror})", remedy) from None
        equivalent = equivalent_focal_mm(*tags)
    return None if equivalent is None else focal_px(equivalent, info.width, info.height)


def focal_px(equivalent_mm: float, width: int, height: int) -> float:
    """The focal length in pixels of a width x height frame from its 35 mm equivalent, by the diagonal.

    >>> round(focal_px(43.2666, 1920, 1080), 1) == round(math.hypot(1920, 1080), 1)
    True
    """
    return equivalent_mm / FULL_FRAME_DIAGONAL_MM * math.hypot(width, height)


def equivalent_focal_mm(*tags: Mapping[str, str]) -> float | None:
    """The 35 mm equivalent in the tags of a video and its streams; the first sensible number (1 to 2000 mm)."""
    stated = (group[key] for key in _QUICKTIME for group in tags if key in group)
    return next((value for text in stated if (value := _sensible(text)) is not None), None)


def read_exif_focal(path: Path) -> float | None:
    """EXIF's FocalLengthIn35mmFilm of an image; 0 means "unknown" there."""
    try:
        with Image.open(path) as image:
            return _sensible(str(image.getexif().get_ifd(_EXIF_IFD).get(_FOCAL_LENGTH_35MM, "")))
    except (OSError, UnidentifiedImageError, SyntaxError):
        return None


def _sensible(text: str) -> float | None:
    try:
        value = float(Fraction(text.strip().removesuffix("mm").strip()))
    except (ValueError, ZeroDivisionError):
        return None
    return value if 1.0 <= value <= 2000.0 else None
