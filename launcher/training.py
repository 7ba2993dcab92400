"""The Lightning Trainer of one stage: threads, seeds, metrics.csv, checkpoints, log.txt, resume."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer, seed_everything
from pytorch_lightning.callbacks import ModelCheckpoint

from launcher.checkpoint_io import AtomicCheckpointIO, saved_step
from launcher.logs import log_file
from launcher.metrics_file import MetricsFile
from launcher.runs import LAST_CHECKPOINT, RunRecord
from launcher.settings import TrainerSettings, WandbSettings
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
    with log_file(folder / "log.txt"), wandb_run(folder, record, wandb_settings) as tracker:
        trainer = Trainer(
            accelerator=settings.accelerator,
            devices=settings.devices,
            strategy=strategy(settings, record.kind),
            max_steps=steps,
            max_epochs=-1,
            logger=[MetricsFile(folder / "metrics.csv", saved_step(record.resumed_from)), tracker],
            callbacks=[*callbacks, *checkpointing(folder, settings.checkpoint_every_steps, monitor)],
            plugins=[AtomicCheckpointIO()],
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
        with network_precision(settings.precision):
            trainer.fit(module, datamodule=data, ckpt_path=record.resumed_from or None)
            if steps % settings.validate_every_steps:
                trainer.validate(module, datamodule=data, verbose=False)
        trainer.save_checkpoint(folder / LAST_CHECKPOINT)


def strategy(settings: TrainerSettings, kind: str) -> str:
    """Lightning's name of the way in which the processes train together."""
    if settings.devices == 1:
        return "auto"
    # Parts of weight 0, and steps that train the landmarks alone, leave parameters without a gradient.
    return "ddp_find_unused_parameters_true" if kind in {"adaptation", "pretraining"} else "ddp"


def checkpointing(folder: Path, every_steps: int, monitor: str) -> list[Callback]:
    """``last.ckpt`` every so many steps, and ``best.ckpt`` by the monitored metric where there is one."""
    common: dict[str, Any] = {"dirpath": folder / LAST_CHECKPOINT.parent, "enable_version_counter": False}
    callbacks: list[Callback] = [ModelCheckpoint(filename="last", every_n_train_steps=every_steps, **common)]
    if monitor:
        callbacks.append(ModelCheckpoint(filename="best", monitor=monitor, mode="min", **common))
    return callbacks
