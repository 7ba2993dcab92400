"""Clips in, from video files (PyAV) and folders of images: true time stamps, the right way up, sRGB.

Edit lists, variable frame rate, rotation, 8 and 10 bit, both ranges and high dynamic range are dealt with here, so
that nobody else has to know of them. Clips are never held whole: ``read_frames`` yields one frame at a time.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame as AvFrame
from av.video.stream import VideoStream

from steadyface.capture.clip_metadata import equivalent_focal_mm, focal_px
from steadyface.capture.colour_conversion import is_full_range, to_srgb, transfer_of
from steadyface.capture.container_size import stated_size
from steadyface.capture.display_matrix import clockwise_deg, read_matrix, swaps_sides, upright
from steadyface.capture.image_folder import probe_images, read_images
from steadyface.capture.video_types import VideoFrame, VideoInfo, check_picture_size
from steadyface.capture.video_writer import VideoWriter
from steadyface.errors import InputError

__all__ = ["VideoFrame", "VideoInfo", "VideoWriter", "probe", "read_frames"]

logger = logging.getLogger(__name__)

_REMEDY = "record or export it again (H.264 or HEVC in mp4 or mov)"
_STEADY_MS = 2.0  # containers round to a millisecond
_DECODER_BYTES = 256 << 20  # for the frames that the decoder's threads have in hand


def probe(path: Path, partial: bool = False) -> VideoInfo:
    """Facts of a clip; decodes one frame, to see that it can be done and how the picture is turned.

    Args:
        path: a video file, or a folder of images (see ``image_folder_index``).
        partial: let a file pass that was cut short but has an index: `read_frames` gives what is left of it.

    Raises:
        InputError: missing, empty, truncated, or not a video; too small or too large a picture.
    """
    if path.is_dir():
        return probe_images(path)
    with _open(path) as (container, stream):
        missing = _missing(path)
        if missing and not partial:
            raise InputError(path, missing[0], missing[1], _REMEDY)
        frame = next(_decode(path, container, stream))
        info = _describe(container, stream, frame)._replace(is_whole=not missing)
    check_picture_size(path, info.width, info.height)
    if info.transfer != "sdr":
        logger.warning("%s: %s video, tone-mapped to sRGB: colours are near, not exact", path, info.transfer)
    if abs(info.pixel_aspect - 1) > 0.01:
        logger.warning("%s: pixels %.3f times as wide as high, read as they are stored", path, info.pixel_aspect)
    return info


def read_frames(path: Path) -> Iterator[VideoFrame]:
    """The frames in order of presentation, upright, with the time stamps at which a player shows them.

    A frame that is not later than the one before it is passed over and reported. Of a file that is cut short or
    damaged the frames in front of the damage come first, then the error: what was made of them can be kept.

    Args:
        path: a video file, or a folder of images (see ``image_folder_index``).

    Raises:
        InputError: as ``probe``, or a frame that cannot be decoded, has no time stamp or is of another size.
    """
    if path.is_dir():
        yield from read_images(path)
        return
    index, last, repeated, size = 0, -float("inf"), 0, (0, 0)
    with _open(path) as (container, stream):
        missing = _missing(path)
        for frame in _decode(path, container, stream):
            if frame.time is None:
                raise InputError(path, "a time stamp on every frame", f"none on frame {index}", _REMEDY)
            if index == 0:
                size = (frame.width, frame.height)
                check_picture_size(path, *size)
            if (frame.width, frame.height) != size:
                expected = f"{size[0]} x {size[1]} pixels, as its first frame"
                raise InputError(path, expected, f"{frame.width} x {frame.height} from frame {index} on", _REMEDY)
            if frame.time <= last:
                repeated += 1
                continue
            last = frame.time
            yield VideoFrame(index, last, upright(to_srgb(frame), read_matrix(frame)))
            index += 1
    if repeated:
        logger.warning("%s: %d frames passed over, not later than the one before", path, repeated)
    if missing:
        raise InputError(path, missing[0], f"{missing[1]} after {index} frames", _REMEDY)


@contextmanager
def _open(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    if not path.is_file():
        got = "a folder" if path.is_dir() else "no file" if path.exists() else "no such file"
        raise InputError(path, "a video file", got, "check the path")
    if path.stat().st_size == 0:
        raise InputError(path, "a video with frames", "an empty file", _REMEDY)
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise InputError(
            path, "a video", f"a file FFmpeg cannot open ({error.strerror}): cut short, or no video", _REMEDY
        ) from None
    with container:
        # the cover of a sound file is no video
        streams = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
        if not streams:
            raise InputError(path, "a video stream", "sound alone" if container.streams.audio else "none", _REMEDY)
        stream = streams[0]
        stream.thread_type = "AUTO"
        frame_bytes = max(1, 3 * stream.width * stream.height)
        stream.codec_context.thread_count = max(1, min(os.cpu_count() or 1, 16, _DECODER_BYTES // frame_bytes))
        yield container, stream


def _missing(path: Path) -> tuple[str, str] | None:
    """What a file that lacks its end should have, and what it has; None for a whole one."""
    stated, size = stated_size(path), path.stat().st_size
    if stated is None or stated <= size:
        return None
    return f"{stated} bytes, as its headers say", f"{size}: cut short"


def _decode(path: Path, container: InputContainer, stream: VideoStream) -> Iterator[AvFrame]:
    """Every frame that decodes; the error of the first packet that does not comes behind those before it."""
    count = 0
    fault = ""
    packets = container.demux(stream)
    while not fault:
        try:
            packet = next(packets, None)
            if packet is None:
                break
            if packet.is_corrupt:  # its end is missing: FFmpeg would fill in grey
                fault, frames = "a damaged packet", _left_over(stream)
            else:
                frames = packet.decode()
        except av.FFmpegError as error:
            fault, frames = error.strerror or "an error", _left_over(stream)
        for frame in frames:
            yield frame
            count += 1
    if fault:
        got = f"{fault} after {count} frames: cut short, or damaged"
        raise InputError(path, "frames that decode", got, _REMEDY)
    if count == 0:
        raise InputError(path, "a video with frames", "none", _REMEDY)


def _left_over(stream: VideoStream) -> list[AvFrame]:
    """What the decoder has in hand when a packet fails."""
    try:
        frames = stream.decode(None)
    except av.FFmpegError:
        return []
    for frame in frames:  # without a packet they do not know it
        frame.time_base = stream.time_base
    return frames


def _describe(container: InputContainer, stream: VideoStream, frame: AvFrame) -> VideoInfo:
    matrix = read_matrix(frame)
    width, height = (frame.height, frame.width) if swaps_sides(matrix) else (frame.width, frame.height)
    duration = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
    if not duration and container.duration:
        duration = container.duration / av.time_base
    count, variable = _read_index(stream)
    equivalent = equivalent_focal_mm(dict(stream.metadata), dict(container.metadata))
    aspect = float(stream.sample_aspect_ratio or 1) or 1.0
    return VideoInfo(
        width=width, height=height, frame_count=count,
        fps=float(stream.average_rate or stream.guessed_rate or Fraction(0)), duration_s=duration,
        codec=stream.codec_context.name, rotation_deg=clockwise_deg(matrix),
        bit_depth=frame.format.components[0].bits, full_range=is_full_range(frame),
        has_audio=bool(container.streams.audio), variable_rate=variable, transfer=transfer_of(frame),
        focal_px=None if equivalent is None else focal_px(equivalent, width, height),
        pixel_aspect=1 / aspect if swaps_sides(matrix) else aspect,
    )  # fmt: skip


def _read_index(stream: VideoStream) -> tuple[int, bool]:
    """Frames that are shown and whether their rate varies, by the container's table; by its rates where it has none."""
    average, base = stream.average_rate, stream.base_rate
    entries = stream.index_entries
    if stream.frames < 2 or len(entries) < stream.frames or not stream.time_base:
        return stream.frames, bool(average and base and abs(float(average / base) - 1) > 0.02)
    shown = [entry.timestamp for entry in entries if not entry.is_discard]
    gaps = [after - before for before, after in pairwise(shown)] or [0]
    return len(shown), float((max(gaps) - min(gaps)) * stream.time_base) * 1000 > _STEADY_MS
