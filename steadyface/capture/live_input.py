"""Where live pictures come from: a pipe, a camera device, an address, or a file that plays as a camera would.

Names: ``-`` is standard input; a FIFO by its path; a device by its path (``/dev/video0``) or with FFmpeg's
name of its kind before it (``v4l2:/dev/video0``, ``avfoundation:0``, ``dshow:video=NAME``); an address
(``rtsp://...``, ``tcp://...``); else a video file.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import av
from av.container import InputContainer
from av.video.frame import VideoFrame as AvFrame
from av.video.stream import VideoStream

from steadyface.errors import InputError

DEVICE_KINDS = ("v4l2", "avfoundation", "dshow", "x11grab", "gdigrab", "lavfi")
"""FFmpeg's input formats that are devices; a program may have been built without some."""

_PATIENCE_S = 10.0  # an address that sends nothing for so long is gone
_LOOK_S = 1.0  # how long FFmpeg may look at a stream before its first frame
_REMEDY = "connect it again; what was tracked so far is kept"


class LiveInput(NamedTuple):
    """A source that can be opened: its name as given, FFmpeg's address and format, and of what kind it is."""

    name: str
    address: str
    kind: str  # pipe, device, address or file
    format: str | None = None


def find_input(name: str) -> LiveInput:
    """What a name means; nothing is opened yet.

    Raises:
        InputError: nothing of that name.
    """
    if name == "-":
        return LiveInput(name, "", "pipe")
    kind, _, rest = name.partition(":")
    if kind in DEVICE_KINDS and rest:
        return LiveInput(name, rest, "device", kind)
    if "://" in name:
        return LiveInput(name, name, "address")
    path = Path(name)
    if path.is_fifo():
        return LiveInput(name, name, "pipe")
    if path.is_char_device():
        return LiveInput(name, name, "device", "v4l2")
    if path.is_file():
        return LiveInput(name, name, "file")
    remedy = "give -, a FIFO, /dev/video0, v4l2:DEVICE, rtsp://..., or a video file"
    raise InputError(name, "a pipe, a camera device, an address or a video", _what_is(path), remedy)


class PipeReader:
    """Reads a pipe for FFmpeg so that waiting can be ended from another thread; to FFmpeg that is the end.

    Args:
        path: of a FIFO; empty for standard input. The sender may come later.
    """

    def __init__(self, path: str) -> None:
        self._pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK) if path else os.dup(0)
        self._woken, self._wake = os.pipe()
        self._poll = select.poll()
        for file in (self._pipe, self._woken):
            self._poll.register(file, select.POLLIN)

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes, as soon as there are any; none at the end."""
        while True:
            ready = dict(self._poll.poll())
            if self._woken in ready:
                return b""
            try:
                return os.read(self._pipe, size)
            except BlockingIOError:
                continue  # another reader of the same pipe was quicker

    def stop(self) -> None:
        """End the reading; may be called from any thread and from a signal's handler."""
        os.write(self._wake, b".")

    def close(self) -> None:
        """Give the pipe back, once nobody reads."""
        for file in (self._pipe, self._woken, self._wake):
            os.close(file)


@contextmanager
def open_live(source: LiveInput, pipe: PipeReader | None) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The container and its video stream, decoding without a delay of its own.

    Args:
        source: of `find_input`.
        pipe: the reader of a pipe.

    Raises:
        InputError: it cannot be opened, or holds no video.
    """
    try:
        container = _open(source, pipe)
    except (av.FFmpegError, OSError, ValueError) as error:
        got = f"nothing that FFmpeg can open ({getattr(error, 'strerror', None) or error})"
        raise InputError(source.name, "a stream of video", got, "check that it is there and sends video") from None
    with container:
        if not container.streams.video:
            got = "sound alone" if container.streams.audio else "none"
            raise InputError(source.name, "a video stream", got, "send video") from None
        stream = container.streams.video[0]
        stream.thread_type = "SLICE"  # threads by frames would hold back as many frames as there are threads
        yield container, stream


def decode_live(source: LiveInput, container: InputContainer, stream: VideoStream) -> Iterator[AvFrame]:
    """Every frame that decodes, in order of presentation; damaged packets are passed over, as streams have them.

    Raises:
        InputError: the source broke off.
    """
    packets, count = container.demux(stream), 0
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError as error:
            got = f"{error.strerror} after {count} frames"
            raise InputError(source.name, "a source that goes on until it ends", got, _REMEDY) from None
        if packet is None:
            break
        try:
            frames = [] if packet.is_corrupt else packet.decode()
        except av.FFmpegError:
            continue
        for frame in frames:
            count += 1
            yield frame
    if count == 0:
        raise InputError(source.name, "a stream with frames", "none", "check what sends it")


def _open(source: LiveInput, pipe: PipeReader | None) -> InputContainer:
    if source.kind == "device":
        return av.open(source.address, "r", format=source.format)
    options = {"analyzeduration": str(round(_LOOK_S * 1e6)), "fpsprobesize": "0"}
    if pipe is not None:
        return av.open(pipe, "r", options=options)
    if source.kind == "address":
        return av.open(source.address, "r", options=options, timeout=_PATIENCE_S)
    return av.open(source.address, "r")


def _what_is(path: Path) -> str:
    return "a folder" if path.is_dir() else "something else" if path.exists() else "nothing there"
