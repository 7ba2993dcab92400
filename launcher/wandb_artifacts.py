"""Checkpoints as W&B artifacts with their lineage: decoder -> source -> adapted.

An artifact is named after its stage's folder, so a stage finds its inputs by the hashes in its record. Runs that are
offline have none: W&B cannot note a used artifact without a server.
"""

from __future__ import annotations

from pathlib import Path

import wandb

from launcher.execution import say
from launcher.runs import LAST_CHECKPOINT, RunRecord
from launcher.settings import WandbSettings

TYPES = {"appearance": "decoder", "pretraining": "source", "adaptation": "adapted"}
MAKERS = {"decoder": "appearance", "source": "pretraining"}  # of which stage an input is the checkpoint
BEST = LAST_CHECKPOINT.with_name("best.ckpt")


def checkpoint_artifact(record: RunRecord, folder: Path) -> wandb.Artifact:
    """The artifact of a finished stage's checkpoints: ``last.ckpt``, and ``best.ckpt`` where there is one."""
    metadata = {"stage": record.id, "label": record.label, "code": record.code_version, "inputs": record.inputs}
    artifact = wandb.Artifact(Path(record.id).name, TYPES[record.kind], record.label, {**metadata, **record.settings})
    for path in (LAST_CHECKPOINT, BEST):
        if (folder / path).is_file():
            # the stage is finished: the file stays as it is, and need not be copied to be sent
            artifact.add_file(str(folder / path), path.name, policy="immutable")
    return artifact


def input_artifacts(record: RunRecord) -> list[str]:
    """The names of the artifacts that a stage learns from; a given file's hash names none that exists.

    >>> record = RunRecord("x/adaptation-1", "adaptation", "adapted", "running", "id", "v", {}, {"source": "77"})
    >>> input_artifacts(record)
    ['pretraining-77:latest']
    """
    return [f"{MAKERS[name]}-{digest}:latest" for name, digest in record.inputs.items() if name in MAKERS]


def log_checkpoint(run: wandb.Run, record: RunRecord, settings: WandbSettings, folder: Path) -> None:
    """Send a finished stage's checkpoints, where the run is online and the settings ask for it."""
    if settings.with_artifacts and record.kind in TYPES:
        run.log_artifact(checkpoint_artifact(record, folder), aliases=["latest", record.label.replace(", ", "-")])


def use_inputs(run: wandb.Run, record: RunRecord, settings: WandbSettings) -> None:
    """Note which artifacts a stage starts from; one that is not on the server is said and passed over."""
    for name in input_artifacts(record) if settings.with_artifacts else []:
        try:
            run.use_artifact(name)
        except (wandb.Error, ValueError) as error:
            say(f"W&B: no lineage to {name}: {error}".splitlines()[0])
