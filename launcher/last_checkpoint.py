"""``last.ckpt``: what a stage goes on from.

A checkpoint of n steps is written when the next step begins: by then every row of step n and the validation behind it
are out, so that nothing of what it covers is ever missing. Lightning's own callback writes it before them. What it
holds of the loops is what they said right after the step, which is the state that Lightning goes on from exactly.
"""

from __future__ import annotations

import copy
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from launcher.stopping import Stopped, listen, requested_stop

COMPLETE = "stage_complete"  # in the checkpoint that a stage ends with


class LastCheckpoint(Callback):
    """Writes ``last.ckpt`` every so many optimiser steps, before a clean stop, and at the end.

    Args:
        path: of the checkpoint.
        every_steps: between two writes.
        covered: called after each write: what was logged before it can be given away for good.
    """

    def __init__(self, path: Path, every_steps: int, covered: Callable[[], None]) -> None:
        super().__init__()
        self._path, self._every_steps, self._covered = path, every_steps, covered
        self._after_step: dict[str, Any] | None = None
        self._extra: dict[str, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Lightning would end at a SIGTERM before the step's checkpoint."""
        listen()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The same for the validation behind the last step; of several processes it would have each wait for ever."""
        listen()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Remember where the loops stand."""
        loops = {"fit_loop": trainer.fit_loop.state_dict()}
        self._after_step = copy.deepcopy({"epoch": trainer.current_epoch, "loops": loops})

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Write what the steps so far led to, when it is time or a stop was asked for."""
        # each process gets its own signal, and all must stop at the same step
        signum = requested_stop()
        stop = trainer.strategy.reduce_boolean_decision(signum > 0, all=False)
        if self._after_step is not None and (stop or trainer.global_step % self._every_steps == 0):
            self._extra = self._after_step
            self._write(trainer)
        if stop:
            raise Stopped(signum or signal.SIGTERM)

    def write_complete(self, trainer: Trainer) -> None:
        """The stage's last checkpoint, after its last validation."""
        self._extra = {COMPLETE: True}
        self._write(trainer)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add what belongs to this checkpoint alone; ``best.ckpt`` is none of this callback's."""
        extra = dict(self._extra)
        checkpoint["loops"].update(extra.pop("loops", {}))
        checkpoint.update(extra)

    def _write(self, trainer: Trainer) -> None:
        try:
            trainer.save_checkpoint(self._path)
        finally:
            self._extra = {}
        self._covered()


def is_complete(path: str) -> bool:
    """Whether a checkpoint, of a path that may be empty, is the last of its stage: nothing is left to train."""
    return bool(path) and bool(torch.load(path, map_location="cpu", weights_only=True, mmap=True).get(COMPLETE))
