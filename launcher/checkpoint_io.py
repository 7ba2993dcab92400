"""Checkpoints that are whole or absent.

Lightning writes a checkpoint in the system's temporary folder and moves it, which is no single step
when that is another file system. Here the part lies beside its target.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import TorchCheckpointIO

from steadyface.errors import InputError


class AtomicCheckpointIO(TorchCheckpointIO):
    """Saves through a file beside the target and one rename."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + ".part")
        with part.open("wb") as stream:
            torch.save(checkpoint, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, target)


def saved_step(path: str) -> int:
    """How many optimiser steps a checkpoint holds; 0 for an empty path.

    Raises:
        InputError: when the file is no checkpoint of a training.
    """
    if not path:
        return 0
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        # Not `_batches_that_stepped`: Lightning counts that one up only after it has saved.
        return int(checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]["ready"])
    except (OSError, RuntimeError, KeyError, EOFError, ValueError) as error:
        remedy = "move the stage's folder away and run again"
        raise InputError(path, "a training checkpoint", str(error).splitlines()[0], remedy) from error
