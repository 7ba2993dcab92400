"""Video files out through PyAV: true time stamps, tagged colours, the same bytes each time, with sound where asked."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import cast

import av
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame as AvFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from steadyface.capture.sound import SoundCopy
from steadyface.errors import InputError

_TICKS = 90_000  # time base of written files, per second: exact for 24, 25, 30, 60 fps
_BT709, _LIMITED_RANGE = 1, 1  # FFmpeg's numbers; the tags keep a player from guessing BT.601
# Pixel format, and the encoder's options with {crf} to be filled in. With x264's AVX-512 code one encoding in some
# hundreds of the same frames differed from the others; with the older instructions none did, as fast, byte for byte.
_CODECS = {
    "libx264": ("yuv420p", {"crf": "{crf}", "preset": "fast", "x264-params": "asm=sse4.2"}),
    "libx265": ("yuv420p", {"crf": "{crf}", "preset": "fast", "x265-params": "log-level=error:pools=1"}),
    "ffv1": ("bgr0", {}),  # lossless; into .mkv
}


class VideoWriter:
    """Writes a clip; its name appears only once the file is whole.

    Args:
        path: target; the container follows the suffix (.mp4, .mov, .mkv).
        width, height: pixels, even (chroma is stored at half size).
        fps: nominal rate; the rate of the frames written without a time stamp.
        codec: libx264, libx265, or ffv1 (lossless, into .mkv).
        crf: quality of the lossy ones, 0 best, 51 worst.
        sound_of: a file whose sound is carried over, at its own times.
        pixel_aspect: width over height of a pixel.

    Raises:
        InputError: another codec, or an odd size.
    """

    def __init__(
        self,
        path: Path,
        width: int,
        height: int,
        fps: float,
        codec: str = "libx264",
        crf: int = 18,
        sound_of: Path | None = None,
        pixel_aspect: float = 1.0,
    ) -> None:
        if codec not in _CODECS:
            raise InputError("codec", " or ".join(_CODECS), codec, "choose one of them")
        if width % 2 or height % 2:
            raise InputError(path, "an even width and height", f"{width} x {height}", "pad or crop by one pixel")
        self._path, self._part = path, path.with_name(f".part-{path.name}")
        self._size, self._fps, self._codec, self._crf = (width, height), fps, codec, crf
        self._sound_of, self._aspect = sound_of, pixel_aspect
        self._last_tick, self._count, self._end_tick = -1, 0, 0
        self._first: tuple[int, int] | None = None  # of the first packet: when it is shown, when it is decoded

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
        if self._aspect != 1.0:
            context.sample_aspect_ratio = Fraction(self._aspect).limit_denominator(1000)
        self._stream = stream
        self._sound = SoundCopy(self._sound_of, self._container, self._path.suffix) if self._sound_of else None
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
        if self._sound:
            self._sound.advance(tick / _TICKS)
        frame = AvFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        if self._stream.pix_fmt == "yuv420p":
            frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709")
        frame.pts, frame.time_base = tick, Fraction(1, _TICKS)
        self._container.mux(self._encode(frame))
        self._last_tick, self._count = tick, self._count + 1

    def end_at(self, time_s: float) -> None:
        """When the last frame's time on screen ends; without it the frame stays for one interval of the rate."""
        self._end_tick = round(time_s * _TICKS)

    def _encode(self, frame: AvFrame | None) -> list[Packet]:
        packets = self._stream.encode(frame)
        if self._first is None and packets and packets[0].pts is not None and packets[0].dts is not None:
            self._first = (packets[0].pts, packets[0].dts)
        return packets

    def _flush(self) -> None:
        """The frames that the encoder has in hand; the last one shown, and the last one stored, last to the end.

        mp4 states the length twice: from the first to the last time stamp, shown and stored. Where the rate varies, the
        stored ones of reordered frames lag behind by varying amounts.
        """
        packets = self._encode(None)
        for packet in packets if self._end_tick > self._last_tick else []:
            if packet.pts == self._last_tick:
                packet.duration = self._end_tick - self._last_tick
            if packet is packets[-1] and packet.dts is not None and self._first is not None:
                stored = packet.dts - self._first[1]
                packet.duration = max(packet.duration or 0, self._end_tick - self._first[0] - stored)
        self._container.mux(packets)
        if self._sound:
            self._sound.finish()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._count:
                self._flush()
            self._container.close()
            if self._sound:
                self._sound.close()
            if kind is None and self._count:
                os.replace(self._part, self._path)
        finally:
            self._part.unlink(missing_ok=True)
        if kind is None and not self._count:
            raise ValueError(f"{self._path}: no frame was written")
