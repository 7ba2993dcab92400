"""The overlay of a clip has the clip's times, length, turn and sound; absent faces stay absent."""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from steadyface.capture.video import VideoWriter, probe, read_frames
from steadyface.errors import InputError
from steadyface.tracking.overlay import write_overlay_video
from steadyface.tracking.track import Track
from steadyface.tracking.track_file import StoredTrack
from steadyface.types import SubjectStatistics

TIMES = [0.0, 0.033, 0.1, 0.133, 0.2, 0.3, 0.333, 0.4, 0.45, 0.5, 0.55, 0.6]
RATE = 24_000
BOARD = torch.tensor([[-9.0, -9.0, 0.0], [9.0, -9.0, 0.0], [9.0, 9.0, 0.0], [-9.0, 9.0, 0.0]])


def topology() -> SubjectStatistics:
    faces = torch.tensor([[0, 2, 1], [0, 3, 2]])
    texture = torch.full((3, 8, 8), 0.5)
    return SubjectStatistics(faces, (BOARD[:, :2] + 9) / 18, faces, BOARD, 1.0, texture, 1.0, torch.arange(4), {}, ())


def track_of(times: list[float], found: list[bool] | None = None) -> Track:
    """A board in the middle of a picture of 64 x 48 pixels; nan where it is not found."""
    count = len(times)
    seen = torch.tensor(found or [True] * count)
    absent = torch.where(seen, 0.0, torch.nan)
    place = torch.tensor([0.0, 0.0, 100.0]).repeat(count, 1) + absent[:, None]
    intrinsics = torch.tensor([[100.0, 0.0, 31.5], [0.0, 100.0, 23.5], [0.0, 0.0, 1.0]]).repeat(count, 1, 1)
    return Track(
        torch.tensor(times, dtype=torch.float64), torch.zeros(count, 2) + absent[:, None],
        torch.eye(3).repeat(count, 1, 1) + absent[:, None, None], place,
        BOARD.repeat(count, 1, 1) + absent[:, None, None], intrinsics, torch.zeros(count), found=seen,
    )  # fmt: skip


def write_clip(
    path: Path, sound: str | None = "aac", seconds: float = 0.9, turn: int = 0, size: tuple[int, int] = (64, 48),
    times: list[float] = TIMES,
) -> Path:  # fmt: skip
    """A grey clip with a rising tone, straight from PyAV; H.264, or VP9 into .webm, that takes odd sizes."""
    codec, pixels = ("libvpx-vp9", "yuv420p") if path.suffix == ".webm" else ("libx264", "yuv420p")
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=30)
        video.width, video.height, video.pix_fmt = *size, pixels
        video.codec_context.time_base = Fraction(1, 90_000)
        audio = container.add_stream(sound, rate=RATE, layout="mono") if sound else None
        if turn:
            video.set_display_rotation(-turn)
        for time_s in times:
            frame = av.VideoFrame.from_ndarray(np.full((*size[::-1], 3), 90, np.uint8), "rgb24")
            frame.pts, frame.time_base = round(time_s * 90_000), Fraction(1, 90_000)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None:
            at = np.arange(round(seconds * RATE)) / RATE
            wave = (0.4 * np.sin(2 * np.pi * (300 + 400 * at) * at)).astype(np.float32)[None]
            tone = av.AudioFrame.from_ndarray(wave, "fltp", "mono")
            tone.sample_rate, tone.pts, tone.time_base = RATE, 0, Fraction(1, RATE)
            resampled = av.AudioResampler(audio.codec_context.format, "mono", RATE).resample(tone)
            for piece in (*resampled, None):
                container.mux(audio.encode(piece))
    return path


def hear(path: Path) -> tuple[str, np.ndarray, float]:
    """The codec, the samples and the time of the first one."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        frames = list(container.decode(stream))
        samples = np.concatenate([frame.to_ndarray().astype(np.float64).reshape(-1) for frame in frames])
        if samples.max() > 2:
            samples = samples / 32768
        return stream.codec_context.codec.canonical_name, samples, float(frames[0].time or 0)


def length(path: Path) -> float:
    """Seconds of picture, by the track's header."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.duration and stream.time_base
        return float(stream.duration * stream.time_base)


def test_times_length_and_sound_are_those_of_the_clip(tmp_path: Path) -> None:
    clip, out = write_clip(tmp_path / "clip.mp4"), tmp_path / "out.mp4"
    write_overlay_video(clip, track_of(TIMES), topology(), out)
    frames = list(read_frames(out))
    assert [frame.time_s for frame in frames] == pytest.approx(TIMES, abs=1e-4)
    assert length(out) == pytest.approx(length(clip), abs=1e-3)
    (codec, before, start), (same, after, again) = hear(clip), hear(out)
    assert (codec, same) == ("aac", "aac") and start == pytest.approx(again, abs=1e-6)
    assert np.array_equal(before, after)  # packets are copied: not a bit is lost
    assert np.abs(frames[0].image[20:28, 28:36].astype(int) - 90).max() > 25
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "out.mp4"]


def test_the_length_where_the_rate_varies_to_the_end(tmp_path: Path) -> None:
    """Frames are stored in another order than shown: both lengths that mp4 states have to fit."""
    gaps = [0.0417] * 12 + [0.0137, 0.015] + [0.0333] * 5 + [0.1, 0.0137]
    times = list(np.cumsum([0.2, *gaps]))
    clip, out = tmp_path / "clip.mp4", tmp_path / "out.mp4"
    with VideoWriter(clip, 64, 48, 30) as writer:
        for time_s in times:
            writer.write(np.full((48, 64, 3), 90, np.uint8), time_s)
        writer.end_at(times[-1] + 0.25)
    assert length(clip) == pytest.approx(times[-1] + 0.25 - 0.2, abs=2e-3)
    write_overlay_video(clip, track_of(times), topology(), out)
    assert length(out) == pytest.approx(length(clip), abs=2e-3)
    assert [frame.time_s for frame in read_frames(out)] == pytest.approx(times, abs=1e-4)


def test_opus_is_copied_too(tmp_path: Path) -> None:
    clip, out = write_clip(tmp_path / "clip.webm", "libopus"), tmp_path / "out.mp4"
    write_overlay_video(clip, track_of(TIMES), topology(), out)
    (codec, before, _), (same, after, _) = hear(clip), hear(out)
    assert (codec, same) == ("opus", "opus") and abs(len(before) - len(after)) < 0.02 * 48_000


def test_sound_that_mp4_cannot_hold_is_encoded(tmp_path: Path) -> None:
    clip, out = write_clip(tmp_path / "clip.mkv", "pcm_s16le"), tmp_path / "out.mp4"
    write_overlay_video(clip, track_of(TIMES), topology(), out)
    (_, before, start), (codec, after, again) = hear(clip), hear(out)
    assert codec == "aac" and start == again == 0 and abs(len(after) - len(before)) <= 1024
    common = min(len(before), len(after))
    assert np.corrcoef(before[:common], after[:common])[0, 1] > 0.98


def test_a_clip_without_sound_and_one_with_long_sound(tmp_path: Path) -> None:
    silent, out = write_clip(tmp_path / "a.mp4", None), tmp_path / "out.mp4"
    write_overlay_video(silent, track_of(TIMES), topology(), out)
    assert not probe(out).has_audio
    late = write_clip(tmp_path / "b.mp4", "aac", 3.0, times=[time + 0.5 for time in TIMES])
    write_overlay_video(late, track_of([time + 0.5 for time in TIMES]), topology(), out)
    assert next(read_frames(out)).time_s == pytest.approx(0.5, abs=1e-4)
    assert np.array_equal(hear(late)[1], hear(out)[1])


def test_the_picture_stands_as_a_player_shows_it(tmp_path: Path) -> None:
    clip, out = write_clip(tmp_path / "clip.mov", turn=90), tmp_path / "out.mp4"
    write_overlay_video(clip, track_of(TIMES), topology(), out)
    info = probe(out)
    assert (info.width, info.height, info.rotation_deg) == (48, 64, 0)


def test_an_odd_size_grows_by_a_pixel(tmp_path: Path) -> None:
    clip, out = write_clip(tmp_path / "clip.webm", None, size=(63, 47)), tmp_path / "out.mp4"
    write_overlay_video(clip, track_of(TIMES), topology(), out)
    image = next(read_frames(out)).image
    assert image.shape == (48, 64, 3) and np.abs(image[-1].astype(int) - 90).max() < 6


def test_nothing_is_drawn_where_no_face_was_found(tmp_path: Path) -> None:
    clip, out = write_clip(tmp_path / "clip.mp4", None), tmp_path / "out.mp4"
    found = [index % 4 != 2 for index in range(len(TIMES))]
    asked: list[int] = []

    def textures(index: int) -> torch.Tensor:
        asked.append(index)
        return torch.linspace(0, 0.9, 64).view(1, 8, 8).repeat(3, 1, 1)

    write_overlay_video(clip, track_of(TIMES, found), topology(), out, textures)
    for frame, seen in zip(read_frames(out), found, strict=True):
        drawn = bool(np.abs(frame.image[16:32, 24:40].astype(int) - 90).max() > 25)
        assert drawn == seen
        assert (frame.image[4, 4, 0] > 140) != seen  # the mark, in the corner
    assert asked == [index for index, seen in enumerate(found) if seen]


def test_a_stored_track_is_read_a_block_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = [index / 30 for index in range(70)]
    clip = tmp_path / "clip.mp4"
    with VideoWriter(clip, 64, 48, 30) as writer:
        for _ in times:
            writer.write(np.full((48, 64, 3), 90, np.uint8))
    track = track_of(times, [index % 13 == 0 for index in range(70)])
    track.save(tmp_path / "track.npz")
    stored, sizes = StoredTrack(tmp_path / "track.npz"), []
    plain = StoredTrack.__getitem__
    monkeypatch.setattr(StoredTrack, "__getitem__", lambda self, cut: sizes.append(cut) or plain(self, cut))
    write_overlay_video(clip, stored, topology(), tmp_path / "stored.mp4")
    write_overlay_video(clip, track, topology(), tmp_path / "whole.mp4")
    assert max(cut.stop - cut.start for cut in sizes) <= 64
    assert (tmp_path / "stored.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def test_of_a_clip_cut_short_the_tracked_part_is_drawn(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = write_clip(tmp_path / "whole.mkv", None)
    clip, out = tmp_path / "clip.mkv", tmp_path / "out.mp4"
    clip.write_bytes(whole.read_bytes()[:-60])
    left = []
    with pytest.raises(InputError, match="cut short"):
        for frame in read_frames(clip):
            left.append(frame.time_s)
    assert 2 < len(left) < len(TIMES)
    caplog.set_level(logging.WARNING)
    write_overlay_video(clip, track_of(left), topology(), out)
    assert [frame.time_s for frame in read_frames(out)] == pytest.approx(left, abs=1e-3)
    assert "cut short" in caplog.text
    with pytest.raises(InputError, match="cut short"):
        write_overlay_video(clip, track_of(TIMES), topology(), tmp_path / "other.mp4")
    assert not (tmp_path / "other.mp4").exists()
