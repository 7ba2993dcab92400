"""A folder of images as a clip, one image in memory at a time. What makes one: ``image_folder_index``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from steadyface.capture.clip_metadata import focal_px, read_exif_focal
from steadyface.capture.image_folder_index import read_times, require_images
from steadyface.capture.video_types import VideoFrame, VideoInfo, check_picture_size
from steadyface.errors import InputError

_ORIENTATION = 0x0112
_CLOCKWISE_DEG = {3: 180, 4: 180, 5: 90, 6: 90, 7: 270, 8: 270}  # EXIF 2.32, Orientation; mirrored ones among them
_DAMAGED = "copy that image again, or take it and those behind it out"


def probe_images(folder: Path) -> VideoInfo:
    """The facts of an image folder; opens the first image, and decodes none.

    Raises:
        InputError: no images, no times, or a first image that cannot be opened.
    """
    images = require_images(folder)
    times = read_times(folder, images)
    with _open_image(images[0]) as image:
        turned = _CLOCKWISE_DEG.get(image.getexif().get(_ORIENTATION, 1), 0)
        width, height = image.size[::-1] if turned % 180 else image.size
        codec, depth = (image.format or "").lower(), 16 if image.mode.startswith("I") else 8
    check_picture_size(folder, width, height)
    equivalent = read_exif_focal(images[0])
    gaps = np.diff(times)
    return VideoInfo(
        width=width, height=height, frame_count=len(images),
        fps=1 / float(gaps.mean()) if len(gaps) else 0.0,
        duration_s=times[-1] - times[0] + (float(gaps.mean()) if len(gaps) else 0.0),
        codec=codec, rotation_deg=turned, bit_depth=depth, full_range=True,
        variable_rate=bool(len(gaps) and gaps.max() - gaps.min() > 0.002),
        focal_px=None if equivalent is None else focal_px(equivalent, width, height),
    )  # fmt: skip


def read_images(folder: Path) -> Iterator[VideoFrame]:
    """The images as frames, upright, in natural order.

    Raises:
        InputError: as `probe_images`, an image that cannot be decoded, or one of another size.
    """
    images = require_images(folder)
    size: tuple[int, ...] = ()
    for index, (path, time_s) in enumerate(zip(images, read_times(folder, images), strict=True)):
        with _open_image(path) as image:
            pixels = _as_srgb(path, image)
        if size and pixels.shape != size:
            expected = f"{size[1]} x {size[0]} pixels, as the images before it"
            remedy = "write all images of a clip at one size"
            raise InputError(path, expected, f"{pixels.shape[1]} x {pixels.shape[0]}", remedy)
        if not size:
            check_picture_size(folder, pixels.shape[1], pixels.shape[0])
        size = pixels.shape
        yield VideoFrame(index, time_s, pixels)


def _open_image(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except UnidentifiedImageError:
        raise InputError(path, "an image", "a file that is none", _DAMAGED) from None
    except (OSError, Image.DecompressionBombError) as error:
        raise InputError(path, "an image", str(error) or "an error", _DAMAGED) from None


def _as_srgb(path: Path, image: Image.Image) -> NDArray[np.uint8]:
    """(H, W, 3) uint8, upright by EXIF; 16-bit grey loses its low byte, transparency is left out."""
    try:
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I"):
            grey = (np.asarray(upright) >> 8).astype(np.uint8)
            return np.repeat(grey[..., None], 3, axis=2)
        return np.array(upright.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        got = "a damaged file" if not str(error) else f"a damaged file ({error})"
        raise InputError(path, "an image that decodes", got, _DAMAGED) from None
