"""Pictures and videos as text inside the page."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def png_uri(picture: NDArray[np.uint8]) -> str:
    """A (H, W, 3) or (H, W, 4) uint8 sRGB picture as a data URI, without loss."""
    return _uri("image/png", _encoded(picture, "PNG", optimize=True))


def webp_uri(picture: NDArray[np.uint8], quality: int = 88) -> str:
    """A (H, W, 3) or (H, W, 4) uint8 sRGB picture as a small data URI."""
    return _uri("image/webp", _encoded(picture, "WEBP", quality=quality))


def video_uri(path: Path) -> str:
    """An mp4 file as a data URI."""
    return _uri("video/mp4", path.read_bytes())


def _encoded(picture: NDArray[np.uint8], kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, format=kind, **options)
    return stream.getvalue()


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
