"""What phones write, tracked beside a plain twin: the same faces at the same places, and the file's own times."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import av
import numpy as np
import pytest
import torch

from steadyface.capture.video import probe, read_frames
from steadyface.geometry.cameras import project
from steadyface.tracking import two_passes
from steadyface.tracking.confidence import shipped_calibration
from steadyface.tracking.crop_path import CropPath
from steadyface.tracking.follower import FaceFollower
from steadyface.tracking.sighting import Sighter
from steadyface.tracking.track import Track
from steadyface.tracking.track_file import TrackWriter
from steadyface.tracking.two_passes import follow_clip, track_along


def beside(name: str) -> ModuleType:
    """A module of the tests by its file: no test folder is a package."""
    spec = importlib.util.spec_from_file_location(name.replace("/", "_"), Path(__file__).parent / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FILES = beside("../capture/phone_files")
DISCS = beside("test_follower")  # its pictures of a disc, and what sees the disc
COUNT, HIDDEN = 20, 5
TOLERANCE_PX, TOLERANCE_MM = 2.0, 0.2
"""An untrained network is less steady than a trained one: colours at half the size that are stored turned, and the last
bits of other codings, move what it says by up to 1.3 px and 0.07 mm."""

CAMERA = torch.tensor([[220.0, 0.0, 99.5], [0.0, 220.0, 59.5], [0.0, 0.0, 1.0]])


class Twin(NamedTuple):
    """A file's two passes."""

    crops: CropPath
    track: Track
    times: list[float]


@pytest.fixture(scope="module")
def sighter(tracked) -> Sighter:
    return Sighter(tracked.statistics, tracked.face_model.eval(), tracked.encoder.eval(), CAMERA)


def pictures(first: int = 0) -> list[np.ndarray]:
    """A disc that moves to the right, from a place beside the middle: no turn of the picture looks like another."""
    return [DISCS._picture(60.0 + 2.0 * number, 45.0) for number in range(first, COUNT)]


def track_clip(path: Path, sighter: Sighter) -> Twin:
    """As the command does it; the disc is what is followed, and every crop is taken for a face."""
    crops = follow_clip(read_frames(path), FaceFollower(DISCS.DiscSighter()))
    return track_crops(path, crops, sighter)


def track_crops(path: Path, crops: CropPath, sighter: Sighter) -> Twin:
    with pytest.MonkeyPatch.context() as patch, TrackWriter(path.with_suffix(".npz")) as writer:
        patch.setattr(two_passes, "present", lambda chance, *_: torch.ones(len(chance), dtype=torch.bool))
        track_along(crops, read_frames(path), sighter, shipped_calibration(), writer)
    return Twin(crops, Track.load(path.with_suffix(".npz")), [frame.time_s for frame in read_frames(path)])


@pytest.fixture(scope="module")
def plain(sighter: Sighter, tmp_path_factory: pytest.TempPathFactory) -> Twin:
    return track_clip(FILES.encode(tmp_path_factory.mktemp("plain") / "a.mp4", pictures()), sighter)


def apart(one: Track, other: Track) -> tuple[float, float]:
    """The largest distance of two tracks' vertices in the picture, px, and in the head frame, mm."""
    places = [project(track.camera_vertices(), track.intrinsics) for track in (one, other)]
    picture = (places[0] - places[1]).norm(dim=-1).max()
    return float(picture), float((one.vertices - other.vertices).norm(dim=-1).max())


def assert_twins(twin: Twin, plain: Twin) -> None:
    assert len(twin.track) == len(plain.track) == COUNT
    assert twin.track.time_s.tolist() == twin.times and bool(twin.track.found.all())
    assert float((twin.crops.box - plain.crops.box).abs().max()) < TOLERANCE_PX
    in_picture, in_head = apart(twin.track, plain.track)
    assert in_picture < TOLERANCE_PX and in_head < TOLERANCE_MM, (in_picture, in_head)


CODINGS: dict[str, dict[str, Any]] = {
    "10 bit": {"pixels": "yuv420p10le"}, "full range": {"pixels": "yuvj420p", "full": True},
    "bt.601": {"matrix": FILES.REC_601},
}  # fmt: skip


@pytest.mark.parametrize("coding", CODINGS)
def test_another_coding(plain: Twin, sighter: Sighter, tmp_path: Path, coding: str) -> None:
    twin = track_clip(FILES.encode(tmp_path / "a.mp4", pictures(), **CODINGS[coding]), sighter)
    assert_twins(twin, plain)
    assert twin.times == plain.times


@pytest.mark.parametrize("clockwise", [90, 180, 270])
def test_a_file_that_is_stored_turned(plain: Twin, sighter: Sighter, tmp_path: Path, clockwise: int) -> None:
    stored = [np.ascontiguousarray(np.rot90(picture, clockwise // 90)) for picture in pictures()]
    path = FILES.encode(tmp_path / "a.mov", stored, turn=(clockwise, False))
    assert probe(path).rotation_deg == clockwise
    assert_twins(track_clip(path, sighter), plain)


def shown_at(path: Path, times: list[float], out: Path) -> Path:
    """The very packets of a file without reordered frames, at other times."""
    with av.open(str(path)) as source, av.open(str(out), "w") as sink:
        stream = sink.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(packet for packet in source.demux(video=0) if packet.dts is not None):
            packet.stream, packet.time_base = stream, Fraction(1, 90_000)
            packet.pts = packet.dts = round(times[number] * 90_000)
            sink.mux(packet)
    return out


def test_a_rate_that_varies(sighter: Sighter, tmp_path: Path) -> None:
    """The same frames at other times: in the same crops the same states; crops that are found move a little."""
    times = np.cumsum([0.0, *np.tile([0.02, 0.05, 0.03], 7)])[:COUNT].tolist()
    steady_path = FILES.encode(tmp_path / "a.mp4", pictures(), options={"bf": "0"})
    path = shown_at(steady_path, times, tmp_path / "b.mp4")
    assert probe(path).variable_rate and not probe(steady_path).variable_rate
    steady, twin = track_clip(steady_path, sighter), track_clip(path, sighter)
    assert twin.times == pytest.approx(times, abs=1e-3)
    assert_twins(twin, steady)
    in_same_crops = track_crops(path, replace(steady.crops, time_s=twin.crops.time_s), sighter).track
    assert in_same_crops.time_s.tolist() == twin.times
    for name in ("latent", "rotation", "translation", "vertices"):
        assert torch.equal(getattr(in_same_crops, name), getattr(steady.track, name)), name


def test_frames_that_an_edit_list_hides(plain: Twin, sighter: Sighter, tmp_path: Path) -> None:
    path = FILES.encode(tmp_path / "a.mp4", pictures(-HIDDEN), options={"bf": "2"})
    FILES.set_edits(path, [(1000 * COUNT // FILES.RATE + 1, 6000 + HIDDEN * 3000)])
    twin = track_clip(path, sighter)
    assert_twins(twin, plain)
    assert twin.times == pytest.approx(plain.times, abs=1e-3)


def test_another_picture_is_no_twin(plain: Twin, sighter: Sighter, tmp_path: Path) -> None:
    """What the tolerance is worth: a clip that is five frames late, and one that is not turned back."""
    late = track_clip(FILES.encode(tmp_path / "a.mp4", pictures(HIDDEN) + pictures()[-HIDDEN:]), sighter)
    assert apart(late.track, plain.track)[0] > 2 * TOLERANCE_PX
    turned = track_clip(FILES.encode(tmp_path / "b.mp4", [np.rot90(one, 2).copy() for one in pictures()]), sighter)
    assert apart(turned.track, plain.track)[0] > 10 * TOLERANCE_PX
