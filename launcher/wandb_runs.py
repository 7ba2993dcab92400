"""A Weights & Biases run a stage, every file of it inside the stage's folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import wandb
from pytorch_lightning.loggers import WandbLogger

from launcher.execution import is_main_process
from launcher.runs import RunRecord
from launcher.settings import WandbSettings


@contextmanager
def wandb_run(folder: Path, record: RunRecord, settings: WandbSettings) -> Iterator[WandbLogger]:
    """A W&B run whose every file lies in the stage's folder; finished whatever happens inside.

    A stage that goes on keeps its W&B id: offline, its second part lies in a folder of its own.
    """
    # Table images and artifacts are staged outside the run's folder unless this names a place in it.
    os.environ["WANDB_DATA_DIR"] = str(folder / "wandb" / "data")
    run = None
    if is_main_process():
        run = wandb.init(
            project=settings.project,
            group=folder.parent.name,
            job_type=record.kind,
            name=record.label,
            id=record.wandb_id,
            dir=str(folder),
            mode=settings.mode,  # type: ignore[arg-type]
            resume="allow" if settings.mode == "online" else None,
            config=record.settings,
            settings=wandb.Settings(silent=True, console="off", x_transaction_log_flush_interval=2.0),
        )
        run.define_metric("trainer/global_step")
        run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
    try:
        yield WandbLogger(experiment=run, save_dir=folder, project=settings.project, id=record.wandb_id)
    finally:
        if run is not None:
            run.finish()
