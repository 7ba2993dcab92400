from __future__ import annotations

import logging
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from steadyface.capture.video import VideoWriter, probe, read_frames
from steadyface.errors import InputError

TIMES = [0.0, 0.033, 0.075, 0.1, 0.25, 0.26]


def picture(number: int, width: int = 50, height: int = 34) -> np.ndarray:
    """Grey that tells the frame's number, with a red top-left and a blue bottom-left corner."""
    image = np.full((height, width, 3), 40 + 20 * number, np.uint8)
    image[:12, :12] = (255, 0, 0)
    image[-12:, :12] = (0, 0, 255)
    return image


def write(path: Path, codec: str = "libx264", times: list[float] | None = None) -> Path:
    with VideoWriter(path, 50, 34, 30, codec) as writer:
        for number in range(6):
            writer.write(picture(number), times[number] if times else None)
    return path


@pytest.mark.parametrize(
    ("name", "codec", "decoder"),
    [("a.mp4", "libx264", "h264"), ("a.mov", "libx265", "hevc"), ("a.mkv", "ffv1", "ffv1")],
)
def test_variable_frame_rate_and_a_width_off_alignment(tmp_path: Path, name: str, codec: str, decoder: str) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {codec}")
    path = write(tmp_path / name, codec, TIMES)
    frames = list(read_frames(path))
    assert [frame.index for frame in frames] == list(range(6))
    assert np.allclose([frame.time_s for frame in frames], TIMES, atol=1e-3)
    for number, frame in enumerate(frames):
        assert frame.image.shape == (34, 50, 3) and frame.image.flags.c_contiguous
        error = np.abs(frame.image.astype(int) - picture(number))
        assert error[4:-4, 24:].max() <= (0 if codec == "ffv1" else 3)  # colours: the matrix is tagged and honoured
        assert error[3:8, 3:8].max() <= (0 if codec == "ffv1" else 12)
    info = probe(path)
    assert (info.width, info.height, info.codec) == (50, 34, decoder)
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_constant_rate_by_default(tmp_path: Path) -> None:
    frames = list(read_frames(write(tmp_path / "a.mp4")))
    assert np.allclose([frame.time_s for frame in frames], np.arange(6) / 30, atol=1e-4)
    assert probe(tmp_path / "a.mp4").frame_count == 6


def turn_track(path: Path, matrix: tuple[int, ...]) -> None:
    """Writes the display matrix into the track header by hand, as a phone does (QuickTime spec, tkhd)."""
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4
    assert content[at] == 0  # version 0: the matrix lies 40 bytes behind the version
    content[at + 40 : at + 76] = struct.pack(">9i", *matrix)
    path.write_bytes(content)


ONE, HALF = 1 << 16, 1 << 30


def test_a_phone_held_upright_is_read_upright(tmp_path: Path) -> None:
    """The matrix of a portrait recording turns the picture clockwise: the left column becomes the top row."""
    path = write(tmp_path / "a.mp4")
    turn_track(path, (0, ONE, 0, -ONE, 0, 0, 34 * ONE, 0, HALF))
    frame = next(read_frames(path)).image
    assert frame.shape == (50, 34, 3)
    assert frame[5, 28, 0] > 200 and frame[5, 28, 2] < 60  # red: was top-left, now top-right
    assert frame[5, 5, 2] > 200 and frame[5, 5, 0] < 60  # blue: was bottom-left, now top-left
    assert (probe(path).width, probe(path).height) == (34, 50)


def test_half_a_turn_and_the_other_way(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4")
    turn_track(path, (-ONE, 0, 0, 0, -ONE, 0, 50 * ONE, 34 * ONE, HALF))
    assert next(read_frames(path)).image[28, 44, 0] > 200  # red at the bottom right
    turn_track(path, (0, -ONE, 0, ONE, 0, 0, 0, 50 * ONE, HALF))
    assert next(read_frames(path)).image[44, 5, 0] > 200  # counter-clockwise: red at the bottom left


def faststart(path: Path) -> Path:
    """The same packets with the index in front, as files from the web have it."""
    target = path.with_name("fast.mp4")
    with av.open(str(path)) as source, av.open(str(target), "w", options={"movflags": "faststart"}) as sink:
        stream = sink.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                sink.mux(packet)
    return target


def test_truncated_empty_and_foreign_files(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4")
    fast = faststart(path)
    assert len(list(read_frames(fast))) == 6
    fast.write_bytes(fast.read_bytes()[:-200])  # the index survives, the last frames do not
    path.write_bytes(path.read_bytes()[:-200])  # the index is lost
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("no video " * 100)
    cases = {"fast.mp4": "cut short", "a.mp4": "cannot open", "empty.mp4": "an empty file",
             "text.mp4": "cannot open", "absent.mp4": "no such file", ".": "a folder"}  # fmt: skip
    for name, expected in cases.items():
        for read in (lambda path: list(read_frames(path)), probe):
            with pytest.raises(InputError, match=expected) as error:
                read(tmp_path / name)
            assert "\n" not in str(error.value)


def test_a_sound_file_has_no_frames(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(InputError, match="a video stream"):
        probe(tmp_path / "a.wav")


def test_frames_that_do_not_move_on_are_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Raw packets may share a time stamp; a difference over time would divide by zero."""
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=30)
        stream.width, stream.height, stream.pix_fmt = 50, 34, "bgr0"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, tick in enumerate((0, 33, 33, 66)):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame.pts, frame.time_base = tick, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    caplog.set_level(logging.WARNING)
    frames = list(read_frames(path))
    assert [round(frame.time_s, 3) for frame in frames] == [0.0, 0.033, 0.066]
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert "1 frames passed over" in caplog.text


def test_nothing_half_written(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), VideoWriter(tmp_path / "a.mp4", 50, 34, 30) as writer:
        writer.write(picture(0))
        raise KeyboardInterrupt
    with pytest.raises(ValueError, match="no frame"), VideoWriter(tmp_path / "a.mp4", 50, 34, 30):
        pass
    assert list(tmp_path.iterdir()) == []


def test_wrong_use_of_the_writer(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="even"):
        VideoWriter(tmp_path / "a.mp4", 51, 34, 30)
    with pytest.raises(InputError, match="libx264"):
        VideoWriter(tmp_path / "a.mp4", 50, 34, 30, "h266")
    with VideoWriter(tmp_path / "a.mp4", 50, 34, 30) as writer:
        writer.write(picture(0), 0.1)
        with pytest.raises(ValueError, match="not later"):
            writer.write(picture(1), 0.1)
        with pytest.raises(ValueError, match="expected uint8"):
            writer.write(picture(1)[:-2], 0.2)


def test_the_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.mp4").read_bytes(), write(tmp_path / "b.mp4").read_bytes()
    assert first == second
