"""Video files in and out through PyAV: true time stamps, variable frame rate, the rotation flag.

Clips are sRGB and are never held whole: ``read_frames`` yields one frame at a time.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, cast

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame as AvFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from steadyface.errors import InputError

logger = logging.getLogger(__name__)

_REMEDY = "record or export it again (H.264 or HEVC in mp4 or mov)"
_TICKS = 90_000  # time base of written files, per second: exact for 24, 25, 30, 60 fps
_BT709, _LIMITED_RANGE = 1, 1  # FFmpeg's numbers; the tags keep a player from guessing BT.601
_HDR_TRANSFERS = {16: "PQ", 18: "HLG"}
# Pixel format, and the encoder's options with {crf} to be filled in. With x264's AVX-512 code one encoding in some
# hundreds of the same frames differed from the others; with the older instructions none did, as fast, byte for byte.
_CODECS = {
    "libx264": ("yuv420p", {"crf": "{crf}", "preset": "fast", "x264-params": "asm=sse4.2"}),
    "libx265": ("yuv420p", {"crf": "{crf}", "preset": "fast", "x265-params": "log-level=error:pools=1"}),
    "ffv1": ("bgr0", {}),  # lossless; into .mkv
}


class VideoInfo(NamedTuple):
    """A clip's facts, the picture as displayed (after rotation).

    ``frame_count`` is what the container states: an edit list may show fewer, 0 is "not stated".
    ``fps`` is the average rate.
    """

    width: int
    height: int
    frame_count: int
    fps: float
    duration_s: float
    codec: str


@dataclass(frozen=True)
class VideoFrame:
    """A decoded frame: index from 0, presentation time in seconds, (H, W, 3) uint8 sRGB, upright."""

    index: int
    time_s: float
    image: NDArray[np.uint8]


@contextmanager
def _open(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    if not path.is_file():
        raise InputError(path, "a video file", "a folder" if path.is_dir() else "no such file", "check the path")
    if path.stat().st_size == 0:
        raise InputError(path, "a video with frames", "an empty file", _REMEDY)
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise InputError(
            path, "a video", f"a file FFmpeg cannot open ({error.strerror}): cut short, or no video", _REMEDY
        ) from None
    with container:
        if not container.streams.video:
            raise InputError(path, "a video stream", "none", _REMEDY)
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        _require_whole(path, stream)
        yield container, stream


def _require_whole(path: Path, stream: VideoStream) -> None:
    """An index that points behind the file's end: the rest of the file is gone."""
    size = path.stat().st_size
    end = max((entry.pos + entry.size for entry in stream.index_entries), default=0)
    if end > size:
        raise InputError(path, f"at least {end} bytes, as its index says", f"{size}: cut short", _REMEDY)


def _decode(path: Path, container: InputContainer, stream: VideoStream) -> Iterator[AvFrame]:
    count = 0
    try:
        for frame in container.decode(stream):
            yield frame
            count += 1
    except av.FFmpegError as error:
        raise InputError(path, "frames that decode", f"{error.strerror} after {count} frames", _REMEDY) from None
    if count == 0:
        raise InputError(path, "a video with frames", "none", _REMEDY)


def probe(path: Path) -> VideoInfo:
    """Facts of a clip; decodes one frame, to see that it can be done and how the picture is turned.

    Raises:
        InputError: missing, empty, truncated, or not a video.
    """
    with _open(path) as (container, stream):
        frame = next(_decode(path, container, stream))
        turned = _quarter_turns(frame) % 2 == 1
        duration = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
        if not duration and container.duration:
            duration = container.duration / av.time_base
        if frame.color_trc in _HDR_TRANSFERS:
            logger.warning(
                "%s: %s video; its colours are read as if they were sRGB",
                path,
                _HDR_TRANSFERS[frame.color_trc],
            )
        rate = stream.average_rate or stream.guessed_rate or Fraction(0)
        return VideoInfo(
            width=frame.height if turned else frame.width,
            height=frame.width if turned else frame.height,
            frame_count=stream.frames,
            fps=float(rate),
            duration_s=duration,
            codec=stream.codec_context.name,
        )


def read_frames(path: Path) -> Iterator[VideoFrame]:
    """The frames in order of presentation, upright, with their true time stamps.

    A frame that is not later than the one before it is passed over and reported.

    Raises:
        InputError: as ``probe``, or a frame that cannot be decoded or has no time stamp.
    """
    index, last, repeated = 0, -float("inf"), 0
    with _open(path) as (container, stream):
        for frame in _decode(path, container, stream):
            if frame.time is None:
                raise InputError(path, "a time stamp on every frame", f"none on frame {index}", _REMEDY)
            if frame.time <= last:
                repeated += 1
                continue
            last = frame.time
            yield VideoFrame(index, last, _upright(frame))
            index += 1
    if repeated:
        logger.warning("%s: %d frames passed over, not later than the one before", path, repeated)


def _quarter_turns(frame: AvFrame) -> int:
    """Counter-clockwise quarter turns that make the picture upright."""
    return round(frame.rotation / 90) % 4


def _upright(frame: AvFrame) -> NDArray[np.uint8]:
    # Whatever the width, rows without padding: a width off FFmpeg's alignment is not contiguous.
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), _quarter_turns(frame)))


class VideoWriter:
    """Writes a clip; its name appears only once the file is whole.

    Args:
        path: target; the container follows the suffix (.mp4, .mov, .mkv).
        width, height: pixels, even (chroma is stored at half size).
        fps: nominal rate; the rate of the frames written without a time stamp.
        codec: libx264, libx265, or ffv1 (lossless, into .mkv).
        crf: quality of the lossy ones, 0 best, 51 worst.
    """

    def __init__(self, path: Path, width: int, height: int, fps: float, codec: str = "libx264", crf: int = 18) -> None:
        if codec not in _CODECS:
            raise InputError("codec", " or ".join(_CODECS), codec, "choose one of them")
        if width % 2 or height % 2:
            raise InputError(path, "an even width and height", f"{width} x {height}", "pad or crop by one pixel")
        self._path, self._part = path, path.with_name(f".part-{path.name}")
        self._size, self._fps, self._codec, self._crf = (width, height), fps, codec, crf
        self._last_tick, self._count = -1, 0

    def __enter__(self) -> VideoWriter:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        pixel_format, options = _CODECS[self._codec]
        self._container = av.open(str(self._part), "w")
        rate = Fraction(self._fps).limit_denominator(1001)
        filled = {key: value.format(crf=self._crf) for key, value in options.items()}
        stream = cast(VideoStream, self._container.add_stream(self._codec, rate=rate, options=filled))
        stream.width, stream.height, stream.pix_fmt = *self._size, pixel_format
        context = stream.codec_context
        context.time_base = Fraction(1, _TICKS)
        context.thread_count = 1  # the bytes must not depend on the number of cores
        if pixel_format == "yuv420p":
            context.colorspace = context.color_primaries = context.color_trc = _BT709
            context.color_range = _LIMITED_RANGE
        self._stream = stream
        return self

    def write(self, image: NDArray[np.uint8], time_s: float | None = None) -> None:
        """Appends an (H, W, 3) uint8 sRGB image, shown from ``time_s`` on (default: by the rate).

        Raises:
            ValueError: an image of another size, or a time not later than the last one.
        """
        if image.shape != (self._size[1], self._size[0], 3) or image.dtype != np.uint8:
            raise ValueError(f"expected uint8 {(*self._size[::-1], 3)}, got {image.dtype} {image.shape}")
        tick = round((self._count / self._fps if time_s is None else time_s) * _TICKS)
        if tick <= self._last_tick:
            last = self._last_tick / _TICKS
            raise ValueError(f"time {tick / _TICKS} s is not later than the frame before, {last} s")
        frame = AvFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        if self._stream.pix_fmt == "yuv420p":
            frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709")
        frame.pts, frame.time_base = tick, Fraction(1, _TICKS)
        self._container.mux(self._stream.encode(frame))
        self._last_tick, self._count = tick, self._count + 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._count:
                self._container.mux(self._stream.encode(None))
            self._container.close()
            if kind is None and self._count:
                os.replace(self._part, self._path)
        finally:
            self._part.unlink(missing_ok=True)
        if kind is None and not self._count:
            raise ValueError(f"{self._path}: no frame was written")
