"""How long a video file should be by its own headers: what tells a file that was cut short from a whole one."""

from __future__ import annotations

from pathlib import Path
from typing import IO

_EBML, _SEGMENT = b"\x1aE\xdf\xa3", b"\x18S\x80g"


def stated_size(path: Path) -> int | None:
    """Bytes that the file has to have: the end of the last top-level box (mp4, mov) or of the segment (mkv, webm).

    None where the container does not say: another format, or a live recording of open length.
    """
    with path.open("rb") as file:
        head = file.read(12)
        if head.startswith(_EBML):
            return _segment_end(file)
        return _boxes_end(file, path.stat().st_size) if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide") else None


def _boxes_end(file: IO[bytes], size: int) -> int | None:
    """ISO/IEC 14496-12, 4.2: a box of size 0 reaches to the end of the file, 1 has 64 bits more."""
    at = 0
    while at < size:
        file.seek(at)
        header = file.read(16)
        if len(header) < 8:
            return at + 8
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length == 0:
            return size
        if length < 8:
            return None  # no boxes any more: padding that some tools leave
        at += length
    return at


def _segment_end(file: IO[bytes]) -> int | None:
    """RFC 8794: an identifier, a length of 1 to 8 bytes, the content; all ones: of open length."""
    file.seek(4)
    header = _read_length(file)
    if header is None:
        return None
    file.seek(header, 1)
    if file.read(4) != _SEGMENT:
        return None
    length = _read_length(file)
    return None if length is None else file.tell() + length


def _read_length(file: IO[bytes]) -> int | None:
    first = file.read(1)
    if not first or first[0] == 0:
        return None
    count = 9 - first[0].bit_length()
    value = int.from_bytes(bytes([first[0] & ((1 << (8 - count)) - 1)]) + file.read(count - 1), "big")
    return None if value == (1 << (7 * count)) - 1 else value
