"""Clips that ``steadyface track`` cannot use: one line, exit code 2, nothing half-written; what was tracked is kept."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import av
import numpy as np
import pytest
import torch

from steadyface.capture.video import VideoWriter
from steadyface.tracking.crop_path import CropPath, fixed_path
from steadyface.tracking.track import Track


def beside(name: str) -> ModuleType:
    """A module of the tests by its file: no test folder is a package."""
    spec = importlib.util.spec_from_file_location(name.replace("/", "_"), Path(__file__).parent / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOY = beside("toy_track")
WORDS = [*TOY.BOX, "--focal", "100", "--out", "out"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return TOY.save_run(tmp_path_factory.mktemp("run") / "last.ckpt")


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def missing(path: Path) -> None:
    del path


def text(path: Path) -> None:
    path.write_text("These are the minutes of a meeting.\n" * 100)


def sound_alone(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48_000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.float32), "fltp", "mono")
        sound.sample_rate = 48_000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))


def no_frames(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()


def tiny(path: Path) -> None:
    write_grey(path, 4, 4)


def no_index(path: Path) -> None:
    TOY.save_clip(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])


def write_grey(path: Path, width: int, height: int, frames: int = 2) -> Path:
    """Intra-coded grey frames of any size."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame(width, height, "yuv420p")
            for plane in frame.planes:
                plane.update(b"\x80" * plane.buffer_size)
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (missing, "no such file"), (text, "cannot open"), (sound_alone, "got sound alone"),
        (no_frames, "a video"), (tiny, "at least 16 x 16 pixels, got 4 x 4"), (no_index, "cut short, or no video"),
    ],
)  # fmt: skip
def test_no_clip_at_all(run: Path, tmp_path: Path, make: Callable[[Path], None], fault: str) -> None:
    make(tmp_path / "a.mp4")
    assert fault in TOY.refused(tmp_path, "track", "a.mp4", "--run", run, *WORDS)


def test_no_face(run: Path, tmp_path: Path) -> None:
    write_grey(tmp_path / "a.mp4", 96, 80, 8)
    line = TOY.refused(tmp_path, "track", "a.mp4", "--run", run, "--out", "new/place")
    assert "a.mp4: expected a face in some frame" in line and "--box X,Y,W,H" in line


def test_an_earlier_track_stays_where_a_clip_has_no_face(run: Path, tmp_path: Path) -> None:
    TOY.save_clip(tmp_path / "a.mp4", 4)
    assert TOY.steadyface("track", "a.mp4", "--run", run, *WORDS, "--no-overlay").code == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    write_grey(tmp_path / "b.mp4", 96, 80, 8)
    TOY.refused(tmp_path, "track", "b.mp4", "--run", run, "--out", "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_a_file_cut_short_is_tracked_as_far_as_it_goes(run: Path, tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "whole.mkv", 96, 80, 30) as writer:
        for number in range(40):
            noise = np.random.default_rng(number).integers(0, 256, (80, 96, 3)).astype(np.uint8)
            writer.write(noise)
    content = (tmp_path / "whole.mkv").read_bytes()
    (tmp_path / "a.mkv").write_bytes(content[: len(content) * 6 // 10])
    kept = ["out", "out/track.npz", "out/crops.npz"]
    line = TOY.refused(tmp_path, "track", "a.mkv", "--run", run, *WORDS, kept=kept)
    assert "cut short" in line
    track = Track.load(tmp_path / "out" / "track.npz")
    assert f"after {len(track)} frames" in line and 10 < len(track) < 40
    assert len(CropPath.load(tmp_path / "out" / "crops.npz")) == len(track)
    assert bool(track.confidence.isfinite().all())


def test_one_frame_is_a_clip(run: Path, tmp_path: Path) -> None:
    TOY.save_clip(tmp_path / "a.mp4", 1)
    for name in ("none", "one_euro", "kalman", "savitzky_golay"):
        said = TOY.steadyface("track", "a.mp4", "--run", run, *WORDS, "--filter", name)
        assert said.code == 0, said.err
        assert len(Track.load(tmp_path / "out" / "track.npz")) == 1 and (tmp_path / "out" / "overlay.mp4").is_file()


def test_8k_is_tracked(run: Path, tmp_path: Path) -> None:
    write_grey(tmp_path / "a.mp4", 7680, 4320, 1)
    words = ["--box", "2000,500,3000,3000", "--focal", "8000", "--no-overlay", "--out", "out"]
    said = TOY.steadyface("track", "a.mp4", "--run", run, *words)
    assert said.code == 0, said.err
    assert len(Track.load(tmp_path / "out" / "track.npz")) == 1


def crops_of(path: Path, frames: int = TOY.FRAMES, fps: float = 30.0, left: float = 10.0) -> None:
    time_s = torch.arange(frames).double() / fps
    path_of = fixed_path(time_s, (left, 5.0, 60.0, 60.0), torch.zeros(frames, dtype=torch.long))
    CropPath(path_of.time_s, path_of.box, path_of.shot, 100.0).save(path)


@pytest.mark.parametrize(
    ("of", "fault"),
    [
        ({"frames": 30}, "30 crops for 21 frames"), ({"fps": 25.0}, "frame 1 at 0.040 s"),
        ({"left": 400.0}, "crops beside its 96 x 80 picture"), ({"frames": 9}, "9 frames, as its crops have, got more"),
        ({"left": float("nan")}, "a face in some frame"),
    ],
)  # fmt: skip
def test_crops_of_another_clip(run: Path, tmp_path: Path, of: dict[str, float], fault: str) -> None:
    TOY.save_clip(tmp_path / "a.mp4")
    crops_of(tmp_path / "crops.npz", **of)
    words = ["track", "a.mp4", "--run", run, "--crops", "crops.npz", "--out", "out"]
    assert fault in TOY.refused(tmp_path, *words)


def test_crops_that_differ_late_keep_what_was_tracked(run: Path, tmp_path: Path) -> None:
    TOY.save_clip(tmp_path / "a.mp4")
    crops_of(tmp_path / "crops.npz", frames=18)
    words = ["track", "a.mp4", "--run", run, "--crops", "crops.npz", "--out", "out"]
    line = TOY.refused(tmp_path, *words, kept=["out", "out/track.npz", "out/crops.npz"])
    assert "18 frames, as its crops have, got more" in line
    assert len(Track.load(tmp_path / "out" / "track.npz")) == 18
