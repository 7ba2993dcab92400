"""What a job of the SLURM tests trains: a number, by the launcher's own Trainer, until it is stopped."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch
from pytorch_lightning import LightningDataModule, LightningModule
from torch import Tensor

from datamodules.batches import ShuffledBatches
from launcher.runs import RunRecord
from launcher.settings import TrainerSettings, WandbSettings
from launcher.training import train


class Line(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch: Tensor, index: int) -> Tensor:
        print(f"step {self.global_step} of rank {self.global_rank} in {self.trainer.world_size}", flush=True)
        time.sleep(0.05)
        return (self.weight - batch).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Numbers(LightningDataModule):
    def train_dataloader(self) -> ShuffledBatches[Tensor]:
        return ShuffledBatches(10, 4, lambda index: index.float(), seed=0)


if __name__ == "__main__":
    folder, steps = Path(sys.argv[1]), int(sys.argv[2])
    record = RunRecord("a/b", "appearance", "a", "running", "abcd1234", "v", {}, {})
    train(
        Line(), Numbers(), steps=steps, monitor="", folder=folder, record=record, settings=TrainerSettings(),
        wandb_settings=WandbSettings(mode="disabled"), callbacks=[],
    )  # fmt: skip
