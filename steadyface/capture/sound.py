"""The sound of one video file carried over into another that is being written, as far as the pictures have got."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

logger = logging.getLogger(__name__)

# What players read in each container; Matroska holds anything. Everything else is encoded as AAC.
_COPIED = {
    ".mp4": ("aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"),
    ".mov": ("aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_f32le"),
}
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


class SoundCopy:
    """Copies the first sound stream of a file, packet by packet without loss, or as AAC where it has to.

    Args:
        source: a video file; one without sound, or a folder, has none to copy.
        target: the container being written, before its first packet.
        suffix: of the file being written, which says what it can hold.
    """

    def __init__(self, source: Path, target: OutputContainer, suffix: str) -> None:
        self._target = target
        self._container = None if source.is_dir() else av.open(str(source))
        streams = [] if self._container is None else self._container.streams.audio
        self._stream = next((stream for stream in streams if stream.codec_context is not None), None)
        self._packets: Iterator[Packet[AudioStream]] = iter(())
        if self._container is None or self._stream is None:
            return
        self._source = source
        self._packets = self._container.demux(self._stream)
        self._copied = self._stream.codec_context.codec.canonical_name in _COPIED.get(suffix.lower(), ()) or (
            suffix.lower() == ".mkv"
        )
        if self._copied:
            self._out = target.add_stream_from_template(self._stream)
        else:
            context = self._stream.codec_context
            layout = _LAYOUTS.get(context.layout.nb_channels, "stereo")  # a channel count alone is no layout for AAC
            self._out = cast(AudioStream, target.add_stream("aac", rate=context.sample_rate, layout=layout))
        self._next: Packet[AudioStream] | None = None

    def advance(self, time_s: float) -> None:
        """Writes the sound that starts before a time; ``float("inf")`` for all that is left."""
        while self._stream is not None:
            if self._next is None:
                self._next = self._read()
            if self._next is None or self._start_s(self._next) >= time_s:
                return
            self._write(self._next)
            self._next = None

    def finish(self) -> None:
        """Writes the rest, what the encoder has in hand with it."""
        self.advance(float("inf"))
        if self._stream is not None and not self._copied:
            self._target.mux(self._out.encode(None))

    def close(self) -> None:
        """Closes the source."""
        if self._container is not None:
            self._container.close()

    def _read(self) -> Packet[AudioStream] | None:
        """The next packet with sound in it; a damaged file's sound ends where the damage is."""
        try:
            for packet in self._packets:
                if packet.dts is not None and not packet.is_corrupt:
                    return packet
        except av.FFmpegError as error:
            logger.warning("%s: the sound ends early: %s", self._source, error.strerror)
        return None

    @staticmethod
    def _start_s(packet: Packet[AudioStream]) -> float:
        return float((packet.dts or 0) * packet.time_base)

    def _write(self, packet: Packet[AudioStream]) -> None:
        if self._copied:
            packet.stream = self._out
            self._target.mux(packet)
            return
        try:
            frames = packet.decode()
        except av.FFmpegError:
            logger.warning("%s: a sound packet that does not decode is left out", self._source)
            return
        for frame in frames:
            self._target.mux(self._out.encode(frame))
