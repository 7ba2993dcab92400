"""What each process that torchrun or srun starts in the tests runs: a stage of one number, killed once.

``trains_on_a_node.py RUNS``: a process on each of two machines; ``trains_on_a_node.py RUNS one``: two on one machine.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch
from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer
from torch import Tensor

from datamodules.batches import OrderedBatches, ShuffledBatches
from launcher.distributed import check_processes, given_place, joined
from launcher.execution import execute
from launcher.runs import RunRecord, Stage
from launcher.settings import TrainerSettings, WandbSettings
from launcher.training import prepare_process, train

STEPS, KILLED_AT = 7, 5
SETTINGS = TrainerSettings(num_nodes=2, log_every_steps=1, validate_every_steps=3, checkpoint_every_steps=2)
STAGE = Stage("appearance", "a number", {"steps": STEPS})


class Line(LightningModule):
    """Learns a number by momentum, so that a resume without the optimiser's state would differ."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch: Tensor, index: int) -> Tensor:
        loss = (self.weight - batch).square().mean()
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch: Tensor, index: int) -> None:
        self.log("val/error", (self.weight - batch).abs().mean(), sync_dist=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=0.1)


class Numbers(LightningDataModule):
    """The numbers 0 to 10, shuffled, two a batch."""

    def train_dataloader(self) -> ShuffledBatches[Tensor]:
        return ShuffledBatches(11, 2, lambda index: index.float(), seed=0)

    def val_dataloader(self) -> OrderedBatches[Tensor]:
        return OrderedBatches(5, 2, lambda index: index.float())


class KillOnce(Callback):
    """SIGKILLs the second process in the midst of an epoch, the first time."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *rest: object) -> None:
        if trainer.global_step == KILLED_AT and trainer.global_rank == 1 and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)


def learn(runs: Path, mark: Path, settings: TrainerSettings = SETTINGS) -> None:
    """The stage, in its folder."""

    def work(folder: Path, record: RunRecord) -> None:
        prepare_process(settings, seed=0)
        print(f"begins at {record.resumed_from or 'nothing'}", flush=True)
        train(
            Line(), Numbers(), steps=STEPS, monitor="val/error", folder=folder, record=record, settings=settings,
            wandb_settings=WandbSettings(mode="disabled"), callbacks=[KillOnce(mark)],
        )  # fmt: skip

    execute(STAGE, runs, "demo", "name: demo\n", work)


def main() -> None:
    runs = Path(sys.argv[1])
    settings = replace(SETTINGS, devices=2, num_nodes=1) if sys.argv[2:] == ["one"] else SETTINGS
    check_processes(settings)
    place = given_place()
    assert place is not None
    assert (place.local_rank, place.node) == ((0, place.rank) if settings is SETTINGS else (place.rank, 0))
    with joined(place, "cpu"):
        learn(runs, runs.with_name("killed"), settings)


if __name__ == "__main__":
    main()
