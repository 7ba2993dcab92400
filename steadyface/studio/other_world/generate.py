"""Writes the other world's clips with their truth, in the studio's format, and the settings that they follow from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from steadyface.capture.clip_truth import ClipTruth, truth_path
from steadyface.capture.video_writer import VideoWriter
from steadyface.errors import InputError
from steadyface.studio.other_world.dynamics import Motion, stand_in
from steadyface.studio.other_world.film_clip import Instant, Set, film_clip
from steadyface.studio.other_world.settings import OtherWorldSettings

SETTINGS = "settings.json"

MakeMotion = Callable[[np.random.Generator, float, OtherWorldSettings], Motion]
"""A performance of so many seconds: of ``dynamics.stand_in``, or replayed (``replay.replayed``)."""


def generate_other_world(
    settings: OtherWorldSettings,
    out: Path,
    motion: MakeMotion = stand_in,
    motion_of: str = "",
    said: Callable[[str], None] = lambda line: None,
) -> None:
    """Writes ``out/adapt.mp4`` and ``out/held_out.mp4``, each with ``NAME.truth.npz``, and ``out/settings.json``.

    Everything is written into ``OUT.partial`` beside it, which takes the name ``out`` only once it is whole.

    Args:
        settings: what to make.
        out: a folder that does not exist yet, or is empty.
        motion: makes each clip's performance; motion_of: what it was replayed from, for settings.json.
        said: told about progress.

    Raises:
        InputError: a setting that cannot be used, ``out`` holds something, or embreex is not installed.
    """
    settings.check()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(out, "a new or empty folder", "one that holds something", "delete it or name another")
    partial = out.with_name(f"{out.name}.partial")
    if partial.exists():
        shutil.rmtree(partial)
    partial.mkdir(parents=True)
    stage = Set(settings)
    for number, (name, frames) in enumerate(clip_frames(settings).items()):
        if frames:
            rng = np.random.default_rng([settings.world_seed, settings.identity_seed, 53, number])
            performance = motion(rng, frames / settings.fps, settings)
            write_clip(stage, performance, frames, number, partial / f"{name}.mp4", said)
    content = {"fingerprint": settings.fingerprint, "frozen": settings.frozen, "motion": motion_of, **asdict(settings)}
    (partial / SETTINGS).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    partial.rename(out)


def clip_frames(settings: OtherWorldSettings) -> dict[str, int]:
    """The clips' names and lengths."""
    return {"adapt": settings.adapt_frames, "held_out": settings.held_out_frames}


def write_clip(
    stage: Set, motion: Motion, frames: int, number: int, path: Path, said: Callable[[str], None] = lambda line: None
) -> None:
    """One clip, encoded as its frames come in, and its truth beside it, of each frame's middle row."""
    settings = stage.settings
    instants: list[Instant] = []
    with VideoWriter(path, settings.width, settings.height, settings.fps, crf=settings.crf) as writer:
        for shot in film_clip(stage, motion, frames, number):
            writer.write(np.ascontiguousarray(shot.picture))
            instants.append(shot.instant)
            if len(instants) % 30 == 0:
                said(f"{path.name}: {len(instants)} of {frames} frames")
    ClipTruth(
        vertices=torch.stack([instant.mesh for instant in instants]),
        rotation=torch.stack([instant.rotation for instant in instants]),
        translation=torch.stack([instant.translation for instant in instants]),
        intrinsics=stage.intrinsics.expand(frames, 3, 3).contiguous(),
        time_s=torch.from_numpy(np.arange(frames) / settings.fps),
    ).save(truth_path(path))
