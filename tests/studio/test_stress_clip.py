"""A stress clip shows what its truth says, at the times it says; what cannot be made is said before it is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from steadyface.capture.clip_truth import ClipTruth, truth_path
from steadyface.capture.video import read_frames
from steadyface.errors import InputError
from steadyface.geometry.cameras import transform
from steadyface.geometry.rasterizer import rasterize
from steadyface.geometry.texture_space import erode
from steadyface.studio.conditions import CONDITIONS, LASTING, Trial
from steadyface.studio.scene import Scene
from steadyface.studio.settings import StudioSettings
from steadyface.studio.stress_clip import StressFacts, facts_path, first_frame, write_stress_clip
from steadyface.studio.stress_conditions import STRESS
from steadyface.studio.stress_staging import STAGED

FRAMES = 6


@pytest.fixture
def made(studio: Path, small_settings: StudioSettings, tmp_path: Path):
    def make(condition: str, strength: float, frames: int = FRAMES):
        out = tmp_path / f"{condition}.mp4"
        filmed = studio / "clips" / "adapt.mp4"
        write_stress_clip(small_settings, filmed, Trial(condition, strength, 0), frames, out)
        return list(read_frames(out)), ClipTruth.load(truth_path(out)), StressFacts.load(facts_path(out))

    return make


def test_a_clean_clip_is_a_stretch_of_the_studios(made, studio) -> None:
    frames, truth, facts = made("clean", 0.0)
    whole = ClipTruth.load(truth_path(studio / "clips" / "adapt.mp4"))
    originals = [frame.image for frame in read_frames(studio / "clips" / "adapt.mp4")]
    assert np.array_equal(np.diff(facts.source), np.ones(FRAMES - 1)) and facts.present.all() and not facts.hidden.any()
    assert torch.equal(truth.vertices, whole.vertices[torch.from_numpy(facts.source)])
    for frame, place in zip(frames, facts.source, strict=True):
        assert np.abs(frame.image.astype(int) - originals[place].astype(int)).mean() < 3.0


def test_after_lost_frames_times_and_truth_are_those_of_what_is_shown(made, studio, small_settings) -> None:
    frames, truth, facts = made("frame_rate", 1.8)
    whole = ClipTruth.load(truth_path(studio / "clips" / "adapt.mp4"))
    gaps = np.diff(facts.source)
    assert gaps.max() > 1 and facts.source[-1] - facts.source[0] == round(1.8 * FRAMES) - 1
    assert np.allclose([frame.time_s for frame in frames], truth.time_s.numpy(), atol=1e-4)
    assert np.allclose(np.diff(truth.time_s.numpy()), gaps / small_settings.fps, atol=1e-6)
    source = torch.from_numpy(facts.source)
    assert torch.equal(truth.rotation, whole.rotation[source]) and torch.equal(truth.vertices, whole.vertices[source])


def test_what_is_filmed_again_without_strength_has_the_studios_truth(made, studio) -> None:
    frames, truth, facts = made("head_turn", 0.0)
    whole = ClipTruth.load(truth_path(studio / "clips" / "adapt.mp4"))
    source = torch.from_numpy(facts.source)
    for name in ("vertices", "rotation", "translation", "intrinsics"):
        assert torch.allclose(getattr(truth, name), getattr(whole, name)[source], atol=1e-4)
    originals = [frame.image for frame in read_frames(studio / "clips" / "adapt.mp4")]
    apart = [np.abs(f.image.astype(int) - originals[p].astype(int)).mean() for f, p in zip(frames, source, strict=True)]
    assert max(apart) < 4.0  # other noise, one encoding less


@pytest.mark.parametrize(("condition", "strength"), [("viewpoint", 30.0), ("head_turn", 300.0)])
def test_the_moved_head_is_where_its_truth_says(made, scene: Scene, condition, strength) -> None:
    """No light falls on this studio's head: it is a dark silhouette before the room."""
    frames, truth, _ = made(condition, strength)
    placed = transform(truth.vertices, truth.rotation, truth.translation)
    masks = rasterize(placed, scene.subject.faces, truth.intrinsics, 128, 96).triangle >= 0
    for frame, mask in zip(frames, masks, strict=True):
        level = torch.from_numpy(frame.image).float().amax(2)[:70]
        inside = (erode(mask[None, None].float(), 3)[0, 0] > 0)[:70]
        around = (erode(1.0 - mask[None, None].float(), 3) > erode(1.0 - mask[None, None].float(), 6))[0, 0][:70]
        assert (level[inside] < 45).float().mean() > 0.97
        assert (level[around] > 40).float().mean() > 0.7


def test_every_condition_names_what_makes_it() -> None:
    for kind in STRESS.values():
        assert bool(kind.overlay) != bool(kind.staged) and kind.what.endswith(".")
        assert kind.overlay in {"", *CONDITIONS, *LASTING} and kind.staged in {"", *STAGED}
        if kind.overlay:
            made = (CONDITIONS | LASTING)[kind.overlay]
            assert made.lowest <= kind.lowest and kind.highest <= made.highest
    assert {kind.staged for kind in STRESS.values()} - {""} == set(STAGED)
    assert len(STRESS) == 15  # fourteen, and the clean clip


def test_one_seed_is_one_stretch_whatever_the_condition() -> None:
    starts = {first_frame(240, 64, needed, 3) for needed in (64, 66)}
    assert len(starts) == 1 and first_frame(240, 64, 240, 3) == 0
    assert len({first_frame(240, 64, 64, seed) for seed in range(6)}) > 3


@pytest.mark.parametrize(
    ("trial", "frames", "message"),
    [
        (Trial("fliker", 0.5, 0), 6, "the nearest is flicker"),
        (Trial("flicker", 9.0, 0), 6, "0 to 4"),
        (Trial("frame_rate", 3.0, 0), 6, "at least 18 frames"),
    ],
)
def test_what_cannot_be_made_is_said(studio, small_settings, tmp_path, trial, frames, message) -> None:
    out = tmp_path / "clip.mp4"
    with pytest.raises(InputError, match=message):
        write_stress_clip(small_settings, studio / "clips" / "adapt.mp4", trial, frames, out)
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="no such file"):
        write_stress_clip(small_settings, tmp_path / "none.mp4", Trial("flicker", 0.5, 0), frames, out)
