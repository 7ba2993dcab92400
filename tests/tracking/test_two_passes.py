"""The second pass: every frame once, in its own crop, and whatever comes in front of a fault is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from steadyface.capture.crop import crop_image
from steadyface.capture.video import VideoFrame
from steadyface.errors import InputError
from steadyface.geometry.cameras import crop_intrinsics
from steadyface.tracking import two_passes
from steadyface.tracking.confidence import Calibration, shipped_calibration
from steadyface.tracking.crop_path import CropPath
from steadyface.tracking.evidence import Evidence
from steadyface.tracking.residual import RESIDUAL_FRAME_STEP, texture_residuals
from steadyface.tracking.sighting import Sighter
from steadyface.tracking.track import STATE_FIELDS, Track
from steadyface.tracking.track_file import TrackWriter
from steadyface.tracking.two_passes import in_step, judge_in_stretches, track_along

WIDTH, HEIGHT, COUNT = 96, 72, 40
CAMERA = torch.tensor([[110.0, 0.0, 47.5], [0.0, 110.0, 35.5], [0.0, 0.0, 1.0]])
EMPTY = slice(18, 25)  # frames without a crop, at the end of the first shot


@pytest.fixture(scope="module")
def sighter(tracked) -> Sighter:
    return Sighter(tracked.statistics, tracked.face_model.eval(), tracked.encoder.eval(), CAMERA)


def frame(number: int) -> VideoFrame:
    """Noise with a soft background: no two frames and no two crops are alike. Their rate varies."""
    image = np.random.default_rng(number).integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3)).astype(np.uint8)
    return VideoFrame(number, number / 30 + 0.004 * (number % 3), image.repeat(8, 0).repeat(8, 1))


def frames(count: int = COUNT) -> Iterator[VideoFrame]:
    return (frame(number) for number in range(count))


def crops(count: int = COUNT) -> CropPath:
    """A square that moves and grows, none in the frames of `EMPTY`; a cut behind them."""
    number = torch.arange(float(count)).double()
    box = torch.stack([10 + number / 2, 5 + number / 4, 50 + number / 5, 50 + number / 5], dim=1)
    box[EMPTY] = torch.nan
    time_s = torch.tensor([one.time_s for one in frames(count)], dtype=torch.float64)
    return CropPath(time_s, box, (number >= EMPTY.stop).long())


def believing() -> Calibration:
    """The shipped calibration, but every crop shows a face."""
    shipped = shipped_calibration()
    return replace(shipped, presence_model=replace(shipped.presence_model, bias=100.0))


def write(path: Path, way: CropPath, clip, sighter: Sighter, calibration: Calibration | None = None) -> Track:
    with TrackWriter(path) as writer:
        track_along(way, clip, sighter, calibration or believing(), writer)
    return Track.load(path)


@pytest.fixture(scope="module")
def whole(sighter: Sighter, tmp_path_factory: pytest.TempPathFactory) -> Track:
    return write(tmp_path_factory.mktemp("whole") / "track.npz", crops(), frames(), sighter)


@pytest.fixture(autouse=True)
def faces_in_view(monkeypatch: pytest.MonkeyPatch) -> None:
    """An untrained network puts the head anywhere: how much of it lies in the picture must not decide here."""
    look = two_passes.frame_evidence
    monkeypatch.setattr(two_passes, "frame_evidence", lambda *given: _in_view(look(*given)))


def _in_view(evidence):
    return evidence._replace(coverage=torch.ones_like(evidence.coverage))


def test_every_frame_is_there_once_with_its_time_and_shot(whole: Track, sighter: Sighter) -> None:
    way = crops()
    assert len(whole) == COUNT and torch.equal(whole.time_s, way.time_s) and torch.equal(whole.shot, way.shot)
    assert torch.equal(whole.intrinsics, CAMERA.expand(COUNT, 3, 3))
    assert whole.region_names == tuple(sighter.statistics.regions)
    assert list(whole.runs()) == [slice(0, EMPTY.start), slice(EMPTY.stop, COUNT)]


def test_without_a_crop_there_is_no_face_and_nothing_is_invented(whole: Track) -> None:
    known = crops().known
    assert torch.equal(whole.found, known)
    for name in STATE_FIELDS:
        assert bool(getattr(whole, name)[EMPTY].isnan().all()), name
        assert bool(getattr(whole, name)[known].isfinite().all()), name
    assert bool((whole.confidence[~known] == 0).all() and (whole.region_confidence[~known] == 0).all())
    assert bool((whole.confidence[known] > 0).all() and (whole.region_confidence[known] > 0).all())


@torch.no_grad()
def test_each_frame_is_what_the_network_says_of_its_crop_alone(whole: Track, sighter: Sighter) -> None:
    way, size = crops(), sighter.encoder.image_size
    for number in torch.nonzero(way.known)[:, 0].tolist():
        box = way.box[number : number + 1].float()
        crop = torch.from_numpy(crop_image(frame(number).image, tuple(box[0].tolist()), size))
        image, intrinsics = crop.permute(2, 0, 1)[None] / 255, crop_intrinsics(CAMERA[None], box, size)
        state = sighter.encoder(image, intrinsics)
        vertices = sighter.face_model.decode_vertices(state.latent)
        placed = vertices @ state.rotation.mT + state.translation[:, None]
        one = whole[number : number + 1]
        torch.testing.assert_close(one.latent, state.latent, rtol=1e-3, atol=1e-4)
        # the tracks of two poses are the same where their meshes are, whatever frame the head is written in
        torch.testing.assert_close(one.camera_vertices(), placed, rtol=1e-3, atol=0.05)
        residual = texture_residuals(sighter.face_model, sighter.statistics, image, intrinsics, state)
        if number % RESIDUAL_FRAME_STEP == 0:
            torch.testing.assert_close(one.texture_residual, residual, rtol=1e-3, atol=1e-3, equal_nan=True)
        else:
            assert bool(one.texture_residual.isnan())


@pytest.mark.parametrize("batch", [1, 7])
def test_how_many_frames_go_together_does_not_matter(
    whole: Track, sighter: Sighter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(two_passes, "_BATCH", batch)
    track = write(tmp_path / "track.npz", crops(), frames(), sighter)
    for name, value in vars(whole).items():
        if name != "region_names":
            # a texel at the border of the picture counts, or not, by the last digit
            loose = 0.05 if "confidence" in name else 0.01
            torch.testing.assert_close(getattr(track, name), value, rtol=1e-3, atol=loose, equal_nan=True)


def test_what_came_before_a_fault_is_kept(whole: Track, sighter: Sighter, tmp_path: Path) -> None:
    """To the last frame, wherever in a batch the fault is; confidence and presence are judged all the same."""

    def damaged() -> Iterator[VideoFrame]:
        yield from frames(37)
        raise InputError("a.mp4", "frames that decode", "a damaged packet after 37 frames", "record it again")

    with pytest.raises(InputError, match="a damaged packet"):
        write(tmp_path / "track.npz", crops(), damaged(), sighter)
    kept = Track.load(tmp_path / "track.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["track.npz"]
    for name in (*STATE_FIELDS, "time_s", "shot", "found"):
        torch.testing.assert_close(
            getattr(kept, name), getattr(whole, name)[:37], rtol=1e-3, atol=1e-2, equal_nan=True
        )
    assert bool((kept.confidence[kept.found] > 0).all())


def test_a_fault_in_the_first_frame_leaves_no_file(sighter: Sighter, tmp_path: Path) -> None:
    def nothing() -> Iterator[VideoFrame]:
        raise InputError("a.mp4", "frames that decode", "none", "record it again")
        yield

    with pytest.raises(InputError, match="none"):
        write(tmp_path / "track.npz", crops(), nothing(), sighter)
    assert list(tmp_path.iterdir()) == []


def test_a_face_that_is_not_believed_is_not_found(sighter: Sighter, tmp_path: Path) -> None:
    shipped = shipped_calibration()
    doubting = replace(shipped, presence_model=replace(shipped.presence_model, bias=-100.0))
    track = write(tmp_path / "track.npz", crops(), frames(), sighter, doubting)
    assert len(track) == COUNT and not track.found.any() and bool(track.vertices.isnan().all())
    assert bool((track.confidence == 0).all())


@pytest.mark.parametrize(("clip", "path", "got"), [(12, 10, "10 frames.*got more"), (8, 10, "10 frames.*got 8")])
def test_crops_of_another_length_are_noticed(sighter: Sighter, tmp_path: Path, clip: int, path: int, got: str) -> None:
    with pytest.raises(InputError, match=got):
        write(tmp_path / "track.npz", crops()[:path], frames(clip), sighter)
    assert len(Track.load(tmp_path / "track.npz")) == min(clip, path)


def test_crops_with_other_times_are_noticed_in_the_frame_that_has_them() -> None:
    way = crops()
    late = replace(way, time_s=way.time_s + 0.01 * (torch.arange(COUNT) >= 5))
    came = []
    with pytest.raises(InputError, match=r"frame 5 at 0\.185 s.*got one at 0\.175 s"):
        for one in in_step(frames(), late):
            came.append(one.index)
    assert came == [0, 1, 2, 3, 4]


def test_judging_in_stretches_is_judging_at_once(sighter: Sighter, monkeypatch: pytest.MonkeyPatch) -> None:
    rng, count, regions = torch.Generator().manual_seed(2), 100, len(sighter.statistics.regions)
    widths = {"latent": (4,), "place": (3,)}
    evidence = Evidence(
        *(
            torch.rand(count, *((regions,) if name.startswith("region") else widths.get(name, ())), generator=rng)
            for name in Evidence._fields
        )
    )
    monkeypatch.setattr(two_passes, "_STRETCH", 17)
    calibration = shipped_calibration()
    frame, by_region = judge_in_stretches(evidence, calibration)
    torch.testing.assert_close(frame, calibration.frame(evidence), rtol=0, atol=1e-6)
    torch.testing.assert_close(by_region, calibration.regions(evidence), rtol=0, atol=1e-6)
    assert float(frame.std()) > 0.01
