"""Files that are no clips, or not whole ones: one clear line each, and what decodes is not lost."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from steadyface.capture.container_size import stated_size
from steadyface.capture.video import VideoWriter, probe, read_frames
from steadyface.errors import InputError

COUNT = 40


def picture(number: int, width: int = 64, height: int = 48) -> np.ndarray:
    """Noise, so that the file has some length; its first pixels' grey tells the number."""
    image = np.random.default_rng(number).integers(0, 256, (height, width, 3)).astype(np.uint8)
    image[:16, :16] = 40 + 5 * number
    return image


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An mp4 with its index at the end, as a phone writes it; `fast.mp4` and `clip.mkv` beside it."""
    path = tmp_path_factory.mktemp("whole") / "clip.mp4"
    with VideoWriter(path, 64, 48, 30) as writer:
        for number in range(COUNT):
            writer.write(picture(number))
    for name, options in (("fast.mp4", {"movflags": "faststart"}), ("clip.mkv", {})):
        with av.open(str(path)) as source, av.open(str(path.with_name(name)), "w", options=options) as sink:
            stream = sink.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    sink.mux(packet)
    return path


def cut(path: Path, folder: Path, share: float) -> Path:
    target = folder / path.name
    content = path.read_bytes()
    target.write_bytes(content[: int(len(content) * share)])
    return target


def refused(path: Path, expected: str) -> None:
    for read in (probe, lambda path: next(read_frames(path))):
        with pytest.raises(InputError, match=expected) as error:
            read(path)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["fast.mp4", "clip.mkv"])
def test_a_file_cut_short_gives_what_is_left_and_then_says_so(whole: Path, tmp_path: Path, name: str) -> None:
    original = whole.with_name(name)
    assert stated_size(original) == original.stat().st_size
    path = cut(original, tmp_path, 0.6)
    with pytest.raises(InputError, match="cut short"):
        probe(path)
    info = probe(path, partial=True)
    assert not info.is_whole and (info.width, info.height) == (64, 48)
    frames = []
    with pytest.raises(InputError, match="cut short") as error:
        for frame in read_frames(path):
            frames.append(frame)
    assert f"after {len(frames)} frames" in str(error.value) and COUNT // 4 < len(frames) < COUNT
    for frame, before in zip(frames, read_frames(original), strict=False):
        assert frame.time_s == before.time_s and np.array_equal(frame.image, before.image)


def test_a_lost_index_is_a_lost_file(whole: Path, tmp_path: Path) -> None:
    refused(cut(whole, tmp_path, 0.6), "cut short, or no video")


def test_damage_in_the_middle_ends_the_clip_there(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with av.open(str(whole)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.dts is not None]
        at, size = int(packets[25].pos or 0), packets[25].size
    content = bytearray(whole.read_bytes())
    content[at : at + size] = b"\xff" * size
    path.write_bytes(content)
    assert probe(path).is_whole
    count = 0
    with pytest.raises(InputError, match="damaged"):
        for _ in read_frames(path):
            count += 1
    assert 15 <= count <= 30


def test_neither_text_nor_nothing_is_a_video(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("These are the minutes of a meeting.\n" * 100)
    (tmp_path / "empty.mp4").write_bytes(b"")
    refused(tmp_path / "text.mp4", "cannot open")
    refused(tmp_path / "empty.mp4", "an empty file")
    refused(tmp_path / "absent.mp4", "no such file")


def write_sound(path: Path, cover: bool) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=48_000, layout="mono")
        image = container.add_stream("mjpeg", rate=1) if cover else None
        if image is not None:
            image.width, image.height, image.pix_fmt = 64, 48, "yuvj420p"
            image.disposition = av.stream.Disposition.attached_pic
            frame = av.VideoFrame.from_ndarray(picture(0), "rgb24").reformat(format="yuvj420p")
            container.mux(image.encode(frame))
            container.mux(image.encode(None))
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.float32), "fltp", "mono")
        sound.sample_rate = 48_000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("cover", [False, True])
def test_sound_alone_is_no_video_even_with_a_cover(tmp_path: Path, cover: bool) -> None:
    write_sound(tmp_path / "a.m4a", cover)
    with av.open(str(tmp_path / "a.m4a")) as container:
        assert len(container.streams.video) == int(cover)
    refused(tmp_path / "a.m4a", "got sound alone")


def test_a_video_without_frames(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    refused(path, "a video with frames|no video|a video stream")


def write_raw(path: Path, sizes: list[tuple[int, int]]) -> Path:
    """Frames of any size, an intra-coded JPEG each, in Matroska."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=30)
        stream.width, stream.height, stream.pix_fmt = *sizes[0], "yuvj420p"
        for number, (width, height) in enumerate(sizes):
            encoder = av.CodecContext.create("mjpeg", "w")
            encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
            encoder.time_base = Fraction(1, 30)
            frame = av.VideoFrame(width, height, "yuvj420p")
            for plane in frame.planes:
                plane.update(b"\x80" * plane.buffer_size)
            frame.pts, frame.time_base = number, Fraction(1, 30)
            for packet in encoder.encode(frame):
                packet.stream = stream
                container.mux(packet)
    return path


def test_too_small_a_picture(tmp_path: Path) -> None:
    refused(write_raw(tmp_path / "a.mkv", [(4, 4)] * 2), "at least 16 x 16 pixels, got 4 x 4")


def test_8k_is_read_and_more_is_refused(tmp_path: Path) -> None:
    frame = next(read_frames(write_raw(tmp_path / "a.mkv", [(7680, 4320)])))
    assert frame.image.shape == (4320, 7680, 3) and probe(tmp_path / "a.mkv").width == 7680
    del frame
    refused(write_raw(tmp_path / "b.mkv", [(8192, 4336)]), "at most 35.4 million pixels .* got 8192 x 4336")


def test_a_size_that_changes_is_refused_with_the_frames_before_it(tmp_path: Path) -> None:
    path, count = write_raw(tmp_path / "a.mkv", [(64, 48)] * 3 + [(48, 64)]), 0
    with pytest.raises(InputError, match="64 x 48 pixels, as its first frame, got 48 x 64 from frame 3 on"):
        for _ in read_frames(path):
            count += 1
    assert count == 3


def test_one_frame_is_a_clip(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with VideoWriter(path, 64, 48, 30) as writer:
        writer.write(picture(0))
    info = probe(path)
    assert (info.frame_count, info.variable_rate) == (1, False)
    assert [frame.time_s for frame in read_frames(path)] == [0.0]


def test_a_device_is_no_file() -> None:
    refused(Path("/dev/null"), "a video file, got no file")
