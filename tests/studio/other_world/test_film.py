"""Whole clips of the other world: their truth lies on their pictures, and the settings decide every byte."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from steadyface.capture.clip_truth import ClipTruth, truth_path
from steadyface.capture.video import read_frames
from steadyface.errors import InputError
from steadyface.geometry.cameras import project, transform
from steadyface.geometry.rasterizer import depth_buffer
from steadyface.studio.other_world.deformation import NAMES
from steadyface.studio.other_world.dynamics import Motion, stand_in
from steadyface.studio.other_world.film_clip import Instant, Set
from steadyface.studio.other_world.generate import generate_other_world, write_clip
from steadyface.studio.other_world.settings import OtherWorldSettings


def still_motion(**shift_mm_s: float) -> Motion:
    """A face at rest whose head moves sideways evenly."""
    times = np.array([-1.0, 1.0])
    head = np.zeros((2, 6))
    head[:, 3] = shift_mm_s.get("x", 0.0) * times
    return Motion(times, np.zeros((2, len(NAMES))), head, np.zeros((2, 6)))


def path_of(stage: Set, motion: Motion, time_s: float = 0.0) -> list[Instant]:
    half = stage.readout.half_s
    return [stage.instant(motion.at(np.array([time_s + step]))) for step in (-half, 0.0, half)]


@pytest.fixture(scope="module")
def clip(stage: Set, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("other") / "adapt.mp4"
    write_clip(stage, stand_in(np.random.default_rng(4), 0.2, stage.settings), 3, 0, path)
    return path


def test_clip_and_truth_fit(clip: Path, stage: Set) -> None:
    truth, frames = ClipTruth.load(truth_path(clip)), list(read_frames(clip))
    assert [frame.image.shape for frame in frames] == [(128, 96, 3)] * 3
    torch.testing.assert_close(truth.time_s, torch.tensor([f.time_s for f in frames]).double(), atol=1e-4, rtol=0)
    assert truth.vertices.shape == (3, len(stage.deformation.neutral), 3)
    torch.testing.assert_close(
        truth.rotation @ truth.rotation.mT, torch.eye(3).expand(3, 3, 3), atol=1e-5, rtol=0.0
    )
    brightness = np.stack([frame.image for frame in frames]).mean()
    assert 50 < brightness < 205


def test_truth_projects_onto_the_head_in_the_picture(stage: Set) -> None:
    """The silhouette of the truth against the pixels that differ from the empty room."""
    path = path_of(stage, still_motion())
    lit = stage.light(path[1], None)
    picture = stage.expose(path, lit)
    room = stage.background(path)
    height, width = stage.settings.height, stage.settings.width
    head = path[1].mesh @ path[1].rotation.T + path[1].translation
    mask = depth_buffer(head[None], stage.faces, stage.intrinsics[None], height, width)[0] > 0
    whole = torch.cat([head, path[1].body])[None]
    person = depth_buffer(whole, stage.surfaces.faces, stage.intrinsics[None], height, width)[0] > 0
    differs = (picture - room).abs().sum(-1) > 0.02 * float(room.mean())
    assert float((differs & person).sum() / (differs | person).sum()) > 0.97
    assert float((differs & mask).sum() / mask.sum()) > 0.97


def test_rolling_shutter_moves_rows_as_the_truth_predicts(stage: Set) -> None:
    """A head that runs sideways: its upper and lower rows are apart from a still one's by velocity times row time."""
    speed = 900.0
    settings = dataclasses.replace(stage.settings, exposure_s=0.0, readout_s=0.03)
    quick = object.__new__(Set)
    quick.__dict__ |= stage.__dict__ | {"settings": settings}
    quick.readout = stage.readout._replace(readout_s=0.03, half_s=0.015)
    still, moving = path_of(quick, still_motion()), path_of(quick, still_motion(x=speed))
    lit = quick.light(still[1], None)
    shown = [(quick.expose(path, lit) - quick.background(path)).abs().sum(-1) for path in (still, moving)]
    head = still[1].mesh @ still[1].rotation.T + still[1].translation
    rows = project(head[None], quick.intrinsics[None])[0, :, 1]
    for row in (int(rows.min()) + 12, 64, int(rows.min()) + 40):
        centres = [float((part[row] * torch.arange(96)).sum() / part[row].sum()) for part in shown]
        near = head[(rows - row).abs() < 2.0, 2].mean()
        expected = speed * float(quick.intrinsics[0, 0] / near * quick.readout.time_of(torch.tensor(float(row))))
        assert abs(centres[1] - centres[0] - expected) < 0.6, (row, centres, expected)


def test_a_hand_before_the_window_never_brightens_the_face(stage: Set) -> None:
    """The lights' energy is only ever taken away by what is in their way."""
    instant = path_of(stage, still_motion())[1]
    lit = stage.light(instant, None)
    assert float(lit.open_share.min()) >= 0.0 and float(lit.open_share.max()) <= 1.0 + 1e-5
    chin = np.argmax(stage.deformation.neutral[:7000, 1] - 0.5 * stage.deformation.neutral[:7000, 2])
    under = float(lit.open_share[chin])
    forehead = lit.open_share[torch.from_numpy(_front(stage.deformation.neutral, -70.0))].mean()
    assert under < 0.7 < float(forehead)


def _front(neutral: np.ndarray, y: float) -> np.ndarray:
    near = (np.abs(neutral[:, 1] - y) < 6.0) & (np.abs(neutral[:, 0]) < 20.0) & (neutral[:, 2] < -60.0)
    return np.flatnonzero(near)


def test_the_seed_decides_and_the_truth_projects_where_the_instants_say(
    stage: Set, clip: Path, tmp_path: Path
) -> None:
    again, other = tmp_path / "again.mp4", tmp_path / "other.mp4"
    write_clip(stage, stand_in(np.random.default_rng(4), 0.2, stage.settings), 3, 0, again)
    write_clip(stage, stand_in(np.random.default_rng(5), 0.2, stage.settings), 2, 0, other)
    assert again.read_bytes() == clip.read_bytes()
    one, same, third = (ClipTruth.load(truth_path(path)) for path in (clip, again, other))
    assert all(torch.equal(getattr(one, name), getattr(same, name)) for name in ClipTruth.__dataclass_fields__)
    assert not torch.equal(one.vertices[:2], third.vertices)
    placed = transform(one.vertices, one.rotation, one.translation)
    pixels = project(placed, one.intrinsics)
    assert float(pixels.amin()) > -20 and float(pixels[..., 0].amax()) < 116


def test_settings_have_a_fingerprint_and_bad_ones_are_refused(tmp_path: Path) -> None:
    settings = OtherWorldSettings()
    other_person = dataclasses.replace(settings, identity_seed=1)
    assert settings.frozen == other_person.frozen and settings.fingerprint != other_person.fingerprint
    assert settings.frozen != dataclasses.replace(settings, crf=22).frozen
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    for wrong, out in ((dataclasses.replace(settings, lights=0), tmp_path / "new"), (settings, tmp_path / "full")):
        with pytest.raises(InputError):
            generate_other_world(wrong, out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]


def test_a_folder_of_clips_says_what_it_follows_from(
    small: OtherWorldSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: Set
) -> None:
    monkeypatch.setattr("steadyface.studio.other_world.generate.Set", lambda settings: stage)
    generate_other_world(dataclasses.replace(small, adapt_frames=1), tmp_path / "clips", motion_of="some.npz")
    told = json.loads((tmp_path / "clips" / "settings.json").read_text())
    assert told["fingerprint"] == dataclasses.replace(small, adapt_frames=1).fingerprint
    assert told["motion"] == "some.npz" and sorted(p.name for p in (tmp_path / "clips").iterdir()) == [
        "adapt.mp4", "adapt.truth.npz", "settings.json",
    ]  # fmt: skip
