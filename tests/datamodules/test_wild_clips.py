from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from datamodules.clip_settings import WildClipsSettings
from datamodules.wild_clips import WildClips
from steadyface.capture.degradation import DEGRADATIONS
from steadyface.capture.video import VideoWriter
from steadyface.errors import InputError
from steadyface.tracking.crop_path import CropPath
from steadyface.types import ClipBatch

WIDTH, HEIGHT = 70, 52
REAL_CLIPS = Path(os.environ.get("STEADYFACE_CLIPS", Path(__file__).parents[3] / "shared" / "clips"))


def write(path: Path, times: list[float]) -> Path:
    """Red tells the column, green the row, blue the frame."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    with VideoWriter(path, WIDTH, HEIGHT, 30, "ffv1") as writer:
        for number, time_s in enumerate(times):
            image = np.stack([3 * x, 3 * y, np.full_like(x, 10 * number)], axis=-1)
            writer.write(image.astype(np.uint8), time_s)
    return path


@pytest.fixture
def clips(tmp_path: Path) -> list[str]:
    steady = write(tmp_path / "a.mkv", [i / 30 for i in range(8)])
    return [str(steady), str(write(tmp_path / "b.mkv", [0.0, 0.02, 0.06, 0.2, 0.24]))]


def module(clips: list[str], seed: int = 0, **changes: Any) -> WildClips:
    given = {"box": [10.0, 6.0, 40.0, 40.0], "focal_px": 90.0, "image_size": 20, "batch_size": 2, **changes}
    wild = WildClips(WildClipsSettings(clips=clips, **given), seed)
    wild.setup()
    return wild


def test_prediction_shows_every_frame_in_order(clips: list[str]) -> None:
    wild = module(clips)
    batches = list(wild.predict_dataloader())
    assert torch.cat([batch.clip for batch in batches]).tolist() == [0] * 8 + [1] * 5
    assert torch.cat([batch.frame for batch in batches]).flatten().tolist() == [*range(8), *range(5)]
    times = torch.cat([batch.time_s for batch in batches]).flatten()
    assert torch.allclose(times[8:], torch.tensor([0.0, 0.02, 0.06, 0.2, 0.24]).double(), atol=1e-3)
    blue = torch.cat([batch.image for batch in batches])[:, 0, 2].mean((1, 2)) * 25.5
    assert torch.allclose(blue, torch.tensor([*range(8), *range(5)]).float(), atol=0.01)


def test_pixels_and_intrinsics_agree(clips: list[str]) -> None:
    """A crop's pixel, taken back through both K to the full frame, must find its own colour there."""
    wild = module(clips)
    batch, info = next(iter(wild.predict_dataloader())), wild.clip_infos[0]
    pixel = torch.tensor([[4.0, 15.0, 1.0], [11.0, 7.0, 1.0]])
    rays = pixel @ torch.linalg.inv(batch.intrinsics[0, 0]).T
    full = rays @ info.intrinsics.T
    colour = torch.stack([batch.image[0, 0, :2, int(y), int(x)] for x, y, _ in pixel]) * 255 / 3
    assert (colour - full[:, :2]).abs().max() < 0.2
    assert info.intrinsics.tolist() == [[90, 0, 34.5], [0, 90, 25.5], [0, 0, 1]] and not info.focal_is_guessed


def test_windows_follow_time_and_stay_in_their_clip(clips: list[str]) -> None:
    wild = module(clips, batch_size=1)
    seen = {(int(b.clip), *b.frame[0].tolist()) for b in wild.train_dataloader()}
    assert seen == {(0, i, i + 1) for i in range(7)} | {(1, 0, 1), (1, 1, 2), (1, 3, 4)}
    batch = next(iter(wild.train_dataloader()))
    assert batch.image.shape == (1, 2, 3, 20, 20) and batch.intrinsics.shape == (1, 2, 3, 3)
    assert (batch.time_s.diff() > 0).all()


def test_training_holds_only_windows_of_chosen_frames_and_still_fills_a_batch(clips: list[str]) -> None:
    chosen = [torch.tensor([2, 3, 4, 6]), torch.tensor([3, 4])]
    wild = module(clips, batch_size=1)
    wild.train_only_on(chosen)
    assert {(int(b.clip), *b.frame[0].tolist()) for b in wild.train_dataloader()} == {(0, 2, 3), (0, 3, 4), (1, 3, 4)}
    larger = module(clips, batch_size=4)
    larger.train_only_on(chosen)
    assert [batch.frame.shape for batch in larger.train_dataloader()] == [(4, 2)]
    assert sum(len(batch.frame) for batch in larger.val_dataloader()) == 13


def test_windows_to_learn_from_and_frames_are_told_of_each_clip(clips: list[str]) -> None:
    wild = module(clips)
    assert [part.tolist() for part in wild.training_windows()] == [
        [[i, i + 1] for i in range(7)], [[0, 1], [1, 2], [3, 4]]
    ]  # fmt: skip
    seen = [torch.cat([batch.frame for batch in part]).flatten().tolist() for part in wild.frames_of_clips()]
    assert seen == [list(range(8)), list(range(5))]
    assert {int(batch.clip[0]) for batch in wild.frames_of_clips()[1]} == {1}


@pytest.mark.parametrize(("change", "words"), [({"frames": 1}, "frames"), ({"chosen_by": "luck"}, "chosen_by")])
def test_a_choice_that_cannot_be_made_is_refused(clips: list[str], change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        module(clips, **change)


def followed(clips: list[str], *ways: CropPath, **changes: Any) -> WildClips:
    given = {"image_size": 20, "batch_size": 2, "follow": True, **changes}
    wild = WildClips(WildClipsSettings(clips=clips, **given), 0, ways)
    wild.setup()
    return wild


def test_crops_follow_a_path_and_k_with_them(clips: list[str]) -> None:
    """Each frame's pixels, taken back through its own K, find their colours in the full frame."""
    time_s, number = torch.arange(8).double() / 30, torch.arange(8.0).double()
    box = torch.stack([5 + 2 * number, 4 + number, 30 + number, 30 + number], dim=1)
    wild = followed(clips[:1], CropPath(time_s, box, torch.zeros(8, dtype=torch.long), 90.0))
    (info,) = wild.clip_infos
    assert not info.focal_is_guessed and info.intrinsics[0, 0] == 90
    for batch in wild.predict_dataloader():
        for image, k in zip(batch.image[:, 0], batch.intrinsics[:, 0], strict=True):
            x, y, _ = info.intrinsics @ torch.linalg.inv(k) @ torch.tensor([11.0, 7.0, 1.0])
            assert (image[:2, 7, 11] * 255 / 3 - torch.stack([x, y])).abs().max() < 0.4


def test_no_window_crosses_a_cut_or_holds_a_lost_face(clips: list[str]) -> None:
    time_s, box = torch.arange(8).double() / 30, torch.tensor([[10.0, 6.0, 40.0, 40.0]]).double().repeat(8, 1)
    box[3] = torch.nan
    wild = followed(clips[:1], CropPath(time_s, box, (torch.arange(8) >= 6).long()), batch_size=1)
    seen = {tuple(batch.frame[0].tolist()) for batch in wild.train_dataloader()}
    assert seen == {(0, 1), (1, 2), (4, 5), (6, 7)}
    watched = [(int(b.clip), int(b.frame)) for b in wild.val_dataloader()]
    assert watched == [(0, 0), (0, 1), (0, 2), (1, 4), (1, 5), (2, 6), (2, 7)]
    assert torch.cat([b.frame for b in wild.predict_dataloader()]).flatten().tolist() == list(range(8))


def test_a_path_of_another_clip_is_refused(clips: list[str]) -> None:
    way = CropPath(torch.arange(9).double() / 25, torch.ones(9, 4).double() * 30, torch.zeros(9, dtype=torch.long))
    with pytest.raises(InputError, match="crops with the clip's time stamps"):
        followed(clips[:1], way)


def test_the_order_depends_on_the_seed(clips: list[str]) -> None:
    orders = [[b.frame.tolist() for b in module(clips, seed).train_dataloader()] for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]


def test_a_guessed_focal_length_and_an_oblong_box_are_said(clips: list[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    info = module(clips, focal_px=0.0, box=[10.0, 6.0, 20.0, 40.0]).clip_infos[0]
    assert info.focal_is_guessed and info.intrinsics[0, 0] == pytest.approx(84)
    assert info.box == (0.0, 6.0, 40.0, 40.0)
    assert "84 px assumed" in caplog.text and "extended to a square" in caplog.text


def test_bad_input(clips: list[str], tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").write_bytes(b"")
    for given, changes, expected in (
        ([], {}, "clips: expected at least one"),
        (["absent.mp4"], {}, "no such file"),
        ([str(tmp_path / "empty.mp4")], {}, "an empty file"),
        (clips, {"box": [1.0, 2.0]}, "box: expected x, y, w, h"),
        (clips, {"box": [1.0, 2.0, 0.0, 4.0]}, "box: expected x, y, w, h"),
        (clips, {"box": [500.0, 2.0, 9.0, 4.0]}, "a box in the 70 x 52 picture"),
        (clips, {"focal_px": -1.0}, "focal_px"),
        (clips, {"window_offsets_s": []}, "window_offsets_s"),
    ):
        with pytest.raises(InputError, match=expected):
            module(given, **changes)
    for far in ([0.0, 9.0], [0.0, 0.01]):  # beyond the clip's end; both in one frame
        with pytest.raises(InputError, match=r"window_offsets_s: .*\(0\.0330 s here\).*write \[0\.0, 0\.033\]"):
            module(clips, window_offsets_s=far).train_dataloader()
    with pytest.raises(InputError, match="at most 10, a process's share of the 10 windows"):
        module(clips, batch_size=11).train_dataloader()


def frames_of(wild: WildClips) -> ClipBatch:
    return ClipBatch(*(torch.cat(parts) for parts in zip(*wild.predict_dataloader(), strict=True)))


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_one_decoding_for_all_levels_is_a_decoding_for_each(clips: list[str], name: str) -> None:
    clean, levels = module(clips), DEGRADATIONS[name].levels[-2:]
    versions = list(clean.degraded(name, levels))
    assert len(versions) == 2
    for level, version in zip(levels, versions, strict=True):
        alone = module(clips, degradation=name, degradation_level=level)
        for got, expected in zip(frames_of(version), frames_of(alone), strict=True):
            assert torch.equal(got, expected)
        assert torch.equal(frames_of(version).time_s, frames_of(clean).time_s)
        assert [info.box for info in version.clip_infos] == [info.box for info in clean.clip_infos]
    assert not torch.equal(frames_of(versions[-1]).image, frames_of(clean).image)


@pytest.mark.parametrize(("name", "different"), [("crop_error", 1), ("crop_jitter", 8)])
def test_intrinsics_follow_a_crop_error(clips: list[str], name: str, different: int) -> None:
    """Through its own K, each crop's pixel finds its own colour in the full frame: the pose stays comparable."""
    wild = module(clips[:1], degradation=name, degradation_level=0.05)
    frames, pixel = frames_of(wild), torch.tensor([9.0, 12.0, 1.0])
    assert len(frames.intrinsics.flatten(1).unique(dim=0)) == different
    assert not torch.equal(frames.intrinsics, frames_of(module(clips[:1])).intrinsics)
    for image, intrinsics in zip(frames.image[:, 0], frames.intrinsics[:, 0], strict=True):
        full = wild.clip_infos[0].intrinsics @ torch.linalg.inv(intrinsics) @ pixel
        colour = image[:2, int(pixel[1]), int(pixel[0])] * 255 / 3
        assert (colour - full[:2]).abs().max() < 0.4


def test_a_degradation_that_cannot_be(clips: list[str]) -> None:
    for changes, expected in (
        ({"degradation": "compresion", "degradation_level": 30.0}, "the nearest is compression"),
        ({"degradation": "resolution"}, "level of resolution: expected a whole number from 4"),
        ({"degradation_level": 2.0}, "degradation: expected a name beside its level"),
    ):
        with pytest.raises(InputError, match=expected):
            module(clips, **changes)
    with pytest.raises(InputError, match="level of noise"):
        next(module(clips).degraded("noise", [5, -1]))
    with pytest.raises(ValueError, match="degraded already, by blur"):
        next(module(clips, degradation="blur", degradation_level=1.0).degraded("noise", [5]))


@pytest.mark.skipif(not REAL_CLIPS.is_dir(), reason="the real clips are not here")
def test_real_clips_h264_and_hevc_at_a_variable_rate() -> None:
    clips = [str(REAL_CLIPS / name) for name in ("single_face.mp4", "noface_face.mov")]
    wild = module(clips, box=[180.0, 20.0, 300.0, 300.0], image_size=32, batch_size=64)
    steady, variable = (info.time_s for info in wild.clip_infos)
    assert len(steady) == 72 and torch.allclose(steady.diff(), torch.tensor(1 / 30).double(), atol=1e-3)
    assert len(variable) == 169
    gaps = variable.diff()[1:]  # a title at 24 frames a second, then a face at 30
    assert torch.allclose(gaps[:10], torch.tensor(1 / 24).double(), atol=1e-3)
    assert torch.allclose(gaps[-10:], torch.tensor(1 / 30).double(), atol=1e-3)
    assert sum(len(batch.frame) for batch in wild.predict_dataloader()) == 241
    assert len(wild.train_dataloader()) >= 2
