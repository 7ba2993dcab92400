"""The adaptation stage on a small clip: what moves, what never does, and that a resume loses nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lightning_modules.adaptation import AdaptationSettings, WildAdaptation
from steadyface.losses.self_supervision import SelfSupervisionWeights
from steadyface.networks.checkpoints import load_networks

STEPS = 7  # of four batches a pass: a resume after five lies inside the second pass


def settings_of(pretraining_settings, **weights: float) -> AdaptationSettings:
    part = SelfSupervisionWeights(**weights)  # type: ignore[arg-type]
    return AdaptationSettings(steps=STEPS, lab_batch=2, weights=part, lab=pretraining_settings)


def equal(first: dict[str, Any], second: dict[str, Any], prefix: str) -> bool:
    names = [name for name in first if name.startswith(prefix)]
    assert names
    return all(torch.equal(first[name], second[name]) for name in names)


@pytest.fixture(scope="module")
def whole(person, source: Path, pretraining_settings, run_stage, tmp_path_factory) -> tuple[WildAdaptation, Path]:
    """An uninterrupted run and its checkpoint."""
    from_source = request_clip(person)
    path = tmp_path_factory.mktemp("whole") / "last.ckpt"
    module = WildAdaptation(settings_of(pretraining_settings), str(source))
    run_stage(module, from_source, STEPS, path)
    return module, path
