"""The Lightning Trainer of one stage: threads, seeds, metrics.csv, checkpoints, log.txt, resume."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer, seed_everything
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.strategies import DDPStrategy, Strategy

from callbacks.checkpoint_selection import CheckpointSelection
from launcher.checkpoint_io import AtomicCheckpointIO, saved_step
from launcher.covered_logger import CoveredLogger
from launcher.distributed import Connected
from launcher.last_checkpoint import LastCheckpoint, is_complete
from launcher.logs import log_file
from launcher.metrics_file import MetricsFile
from launcher.runs import LAST_CHECKPOINT, RunRecord
from launcher.settings import TrainerSettings, WandbSettings
from launcher.stopping import deferred_stops
from launcher.wandb_runs import wandb_run
from steadyface.networks.precision import network_precision


def prepare_process(settings: TrainerSettings, seed: int) -> None:
    """Threads, seeds and the parallel back end of this process, before a stage builds anything."""
    torch.set_num_threads(settings.threads)
    seed_everything(seed, workers=True, verbose=False)


def train(
    module: LightningModule,
    data: LightningDataModule,
    *,
    steps: int,
    monitor: str,
    folder: Path,
    record: RunRecord,
    settings: TrainerSettings,
    wandb_settings: WandbSettings,
    callbacks: Sequence[Callback],
) -> None:
    """Train a stage to ``steps`` optimiser steps and leave ``checkpoints/last.ckpt`` behind.

    Args:
        monitor: the validation metric whose lowest value makes ``best.ckpt``; empty for none.
        folder, record: the stage's run; training goes on from ``record.resumed_from`` where it is set.
    """
    with (
        log_file(folder / "log.txt"),
        wandb_run(folder, record, wandb_settings) as tracker,
        deferred_stops(),
        network_precision(settings.precision),
    ):
        covered = CoveredLogger(tracker)
        if is_complete(record.resumed_from):  # killed between its last checkpoint and the record of it
            covered.catch_up(folder)
            return
        metrics = MetricsFile(folder / "metrics.csv", saved_step(record.resumed_from))
        if record.resumed_from:
            covered.catch_up(folder)
        last = LastCheckpoint(folder / LAST_CHECKPOINT, settings.checkpoint_every_steps, covered.release)
        trainer = Trainer(
            accelerator=settings.accelerator,
            devices=settings.devices,
            num_nodes=settings.num_nodes,
            strategy=strategy(settings, record.kind),
            max_steps=steps,
            max_epochs=-1,
            logger=[metrics, covered],
            callbacks=[*callbacks, last, *best_checkpoint(folder, monitor)],
            enable_checkpointing=bool(monitor),
            plugins=[AtomicCheckpointIO(), Connected()],
            log_every_n_steps=settings.log_every_steps,
            val_check_interval=settings.validate_every_steps,
            check_val_every_n_epoch=None,
            num_sanity_val_steps=0,
            # The data modules give each process its own share, without padding.
            use_distributed_sampler=False,
            enable_model_summary=False,
            deterministic="warn",
            default_root_dir=str(folder),
        )
        trainer.fit(module, datamodule=data, ckpt_path=record.resumed_from or None)
        if steps % settings.validate_every_steps or has_chosen(callbacks):
            trainer.validate(module, datamodule=data, verbose=False)
        last.write_complete(trainer)


def has_chosen(callbacks: Sequence[Callback]) -> bool:
    """Whether a module holds other weights than those that its last validation within the training saw."""
    return any(isinstance(callback, CheckpointSelection) and callback.choice is not None for callback in callbacks)


def strategy(settings: TrainerSettings, kind: str) -> Strategy | str:
    """The way in which the processes train together."""
    if settings.devices * settings.num_nodes == 1:
        return "auto"
    # Parts of weight 0, and steps that train the landmarks alone, leave parameters without a gradient. Buffers are the
    # same from the start; sending them at each batch would wait for ever where a process has one more to validate.
    return DDPStrategy(find_unused_parameters=kind in {"adaptation", "pretraining"}, broadcast_buffers=False)


def best_checkpoint(folder: Path, monitor: str) -> list[Callback]:
    """``best.ckpt`` by the monitored metric, where there is one."""
    if not monitor:
        return []
    path = folder / LAST_CHECKPOINT.parent
    return [ModelCheckpoint(path, filename="best", monitor=monitor, mode="min", enable_version_counter=False)]
