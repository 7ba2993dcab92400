"""The guards of an adaptation: which callbacks watch it, and what they leave in its folder.

``selection.json`` holds every candidate with its figures, and the decision with its reason; ``checkpoints/candidates/``
the candidates themselves, where ``adaptation.guard.keep_candidates`` asks for them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule

from callbacks.checkpoint_selection import CheckpointSelection
from callbacks.collapse_guard import CollapseGuard
from launcher.checkpoint_io import AtomicCheckpointIO
from launcher.execution import is_main_process, say
from launcher.joined_data import ClipsBesideLab
from launcher.outcome import ADAPTED
from launcher.runs import LAST_CHECKPOINT, write_atomically
from lightning_modules.adaptation_settings import AdaptationSettings
from steadyface.networks.checkpoints import describe_networks

SELECTION = "selection.json"
CANDIDATES = LAST_CHECKPOINT.parent / "candidates"

FRAMES_TO_REFUSE = 12
"""Watched frames where nothing is chosen, and only the source is asked whether it knows the face."""


def build_guards(
    settings: AdaptationSettings, variant: str, data: ClipsBesideLab, clips: Sequence[str], folder: Path
) -> list[Callback]:
    """The callbacks that watch one row's adaptation; none where it does not look at the clip's textures.

    Args:
        settings: of the row.
        variant: its name: a row that is meant to fail is seen failing, an adaptation is stopped.
        data: of the stage.
        clips: their paths, for people.
        folder: of the stage's run.
    """
    if not settings.weights.look_at_clip:  # labels alone: nothing says how much of the face is in the picture
        return []
    guard, selection = settings.guard, None
    if guard.select or guard.refuse_other_person:
        count = guard.frames if guard.select else min(guard.frames, FRAMES_TO_REFUSE)
        selection = CheckpointSelection(
            guard, lambda: data.watched(count), ", ".join(clips),
            partial(write_selection, folder) if guard.select else None, partial(keep_candidate, folder),
            refined_after=settings.steps if settings.replay.steps else 0,
        )  # fmt: skip
    collapse = CollapseGuard(action="stop" if variant == ADAPTED else "flag", selection=selection)
    return [collapse] if selection is None else [selection, collapse]


def write_selection(folder: Path, summary: dict[str, Any]) -> None:
    """``selection.json`` of a run's folder, from one process."""
    if is_main_process():
        write_atomically(folder / SELECTION, json.dumps(without_nan(summary), indent=2) + "\n")


def without_nan(value: Any) -> Any:
    """Plain containers with None for numbers that are none: JSON has no nan."""
    if isinstance(value, dict):
        return {name: without_nan(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def keep_candidate(folder: Path, step: int, module: LightningModule) -> None:
    """Write a candidate as a checkpoint that ``track`` and ``evaluate`` read: its networks alone."""
    if not is_main_process():
        return
    encoder: Any = module.encoder
    prefixes = ("encoder.", "face_model.")
    content = {
        "networks": describe_networks(module.statistics, module.face_model, encoder),  # type: ignore[arg-type]
        "state_dict": {name: value for name, value in module.state_dict().items() if name.startswith(prefixes)},
    }
    AtomicCheckpointIO().save_checkpoint(content, folder / CANDIDATES / f"{step:06d}.ckpt")


def say_choice(callbacks: Sequence[Callback], label: str) -> None:
    """A line for the console about what was chosen, where something was."""
    for callback in callbacks:
        if isinstance(callback, CheckpointSelection) and callback.choice is not None:
            choice = callback.choice
            say(f"{label}: {f'step {choice.step}' if choice.step else 'the source'} is the result: {choice.reason}")
