"""What an objective asks for and source, clip or machine do not have: refused by name, before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from lightning_modules.adaptation import WildAdaptation
from lightning_modules.adaptation_settings import AdaptationSettings, check_parts
from steadyface.capture.mediapipe_finder import has_mediapipe
from steadyface.errors import InputError
from steadyface.losses.parts import PARTS
from steadyface.losses.self_supervision import SelfSupervisionWeights
from steadyface.networks.checkpoints import describe_networks, load_networks
from steadyface.networks.encoders import build_encoder
from steadyface.networks.i2znet import I2ZNetSettings


def weighted(**weights: float) -> SelfSupervisionWeights:
    """These parts and no other."""
    return SelfSupervisionWeights(**{**dict.fromkeys(PARTS, 0.0), **weights})  # type: ignore[arg-type]


def settings_of(steps: int = 2, lab_weight: float = 0.0, **values: Any) -> AdaptationSettings:
    return AdaptationSettings(steps, lab_batch=2, lab_weight=lab_weight, **values)


REFUSED = [
    ({"weights": weighted(landmarks=1.0)}, False, 2, "adaptation.weights.landmarks: .*landmark branch"),
    ({"weights": weighted(cftc=1.0)}, True, 1, "adaptation.weights.cftc: .*windows of two"),
    ({"weights": weighted(cftc_raw=1.0)}, True, 1, "adaptation.weights.cftc_raw: "),
    ({"weights": weighted(cftc_unguarded=1.0)}, True, 1, "adaptation.weights.cftc_unguarded: "),
    ({"weights": weighted(acceleration=1.0)}, True, 2, "weights.acceleration: .*of three frames .*windows of 2"),
    ({"weights": weighted(motc=1.0, colour=1.0), "colour_model": "none"}, True, 2, "adaptation.weights.colour: "),
    ({"weights": weighted(motc=-1.0, cftc=1.0)}, True, 2, "adaptation.weights.motc: expected 0 or more, got -1.0"),
    ({"weights": weighted()}, True, 2, "adaptation.weights: expected something to learn from"),
    ({"trained": "tail"}, True, 2, "adaptation.trained: expected one of all, last_block, heads, got tail"),
    ({"colour_model": "spline"}, True, 2, "adaptation.colour_model: expected one of none, gain, .*got spline"),
    ({"labelled_frames": -2}, True, 2, "adaptation.labelled_frames: expected -1 or more"),
    ({"weights": SelfSupervisionWeights(reach=0)}, True, 2, "adaptation.weights.reach: expected 1 or more"),
]


@pytest.mark.parametrize(("values", "landmark_branch", "frames", "message"), REFUSED)
def test_what_cannot_be_fed_is_refused_by_name(values: dict, landmark_branch: bool, frames: int, message: str) -> None:
    (fault,) = check_parts(settings_of(**values), landmark_branch, frames)
    with pytest.raises(InputError, match=message):
        raise fault


def test_what_is_possible_is_not_refused() -> None:
    assert not list(check_parts(AdaptationSettings(), False))
    assert not list(check_parts(settings_of(weights=weighted(motc_raw=1.0), colour_model="none"), False, 1))
    assert not list(check_parts(settings_of(weights=weighted(), labelled_frames=-1), False, 1))
    assert not list(check_parts(settings_of(weights=weighted(), lab_weight=1.0), False, 1))
    assert not list(check_parts(settings_of(weights=weighted(acceleration=1.0)), False, 3))


@pytest.fixture(scope="module")
def without_landmarks(source: Path, tmp_path_factory) -> Path:
    """The checkpoint of an encoder that has no landmark branch."""
    statistics, model, encoder = load_networks(source)
    settings = I2ZNetSettings(image_size=encoder.image_size, hourglass=False, width=8, hidden=16)
    other = build_encoder("i2znet", statistics, settings, model.settings.latent_size)
    module = pl.LightningModule()
    module.face_model, module.encoder = model, other
    path = tmp_path_factory.mktemp("i2znet") / "last.ckpt"
    torch.save({"state_dict": module.state_dict(), "networks": describe_networks(statistics, model, other)}, path)
    return path


def test_a_source_without_landmarks_is_refused_when_the_module_is_built(without_landmarks: Path) -> None:
    with pytest.raises(InputError, match=r"adaptation\.weights\.landmarks: expected an encoder with a landmark"):
        WildAdaptation(settings_of(weights=weighted(motc=1.0, landmarks=1.0)), str(without_landmarks))


def test_a_source_without_landmarks_adapts_by_other_parts(
    without_landmarks: Path, person, small_clip, run_stage, tmp_path: Path
) -> None:
    module = WildAdaptation(AdaptationSettings(2, lab_batch=2), str(without_landmarks))
    trainer = run_stage(module, small_clip(person), 2, tmp_path / "last.ckpt")
    assert torch.isfinite(trainer.logged_metrics["train/lab"])


def test_labels_without_truth_are_refused(source: Path) -> None:
    with pytest.raises(InputError, match=r"adaptation\.labelled_frames: expected clips whose truth is known"):
        WildAdaptation(settings_of(labelled_frames=-1), str(source))


@pytest.mark.skipif(has_mediapipe(), reason="MediaPipe is installed")
def test_openings_are_refused_where_no_detector_is_installed() -> None:
    (fault,) = check_parts(settings_of(weights=weighted(apertures=1.0)), landmark_branch=True)
    assert "adaptation.weights.apertures" in str(fault) and "make detector" in str(fault)
