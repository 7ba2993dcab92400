"""A tiny stage with media, trained in a process of its own: ``tiny_wandb_stage.py FOLDER MODE``; see `main`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch
from pytorch_lightning import Callback, LightningDataModule

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS.parent), str(TESTS / "callbacks")]

from conftest import TinyStage, clip_batch, lab_batch  # noqa: E402

from callbacks.tracking_video import TrackingVideo  # noqa: E402
from callbacks.vertex_error import VertexError  # noqa: E402
from datamodules.batches import OrderedBatches  # noqa: E402
from launcher.runs import LAST_CHECKPOINT, RunRecord  # noqa: E402
from launcher.settings import TrainerSettings, WandbSettings  # noqa: E402
from launcher.training import prepare_process, train  # noqa: E402

STEPS = 6
SETTINGS = TrainerSettings(log_every_steps=1, validate_every_steps=2, checkpoint_every_steps=2)
EXPERIMENT = """
studio: {identity_seed: 3}
lab: {folder: 'studio:lab'}
clips: {clips: ['studio:clips/adapt.mp4']}
"""


class Data(LightningDataModule):
    def train_dataloader(self):
        return OrderedBatches(2, 2, lambda index: lab_batch(len(index)))

    def val_dataloader(self):
        clip = OrderedBatches(5, 5, lambda index: clip_batch(index.tolist()))
        return [OrderedBatches(2, 2, lambda index: lab_batch(len(index))), clip]


class StopAt(Callback):
    def __init__(self, step, how):
        self.step, self.how = step, how

    def on_train_batch_end(self, trainer, module, *rest):
        if module.global_step == self.step:
            self.how()


class Stage(TinyStage):
    def training_step(self, batch, batch_index):
        loss = super().training_step(batch, batch_index)
        self.log("train/loss", loss)
        return loss


def fail():
    raise ConnectionError("stopped")


def terminate_all():
    """What a scheduler does to a job: W&B's own process gets the signal, too, and is gone before anything is said."""
    for name in Path("/proc/self/task").iterdir():
        for child in (name / "children").read_text().split():
            os.kill(int(child), signal.SIGTERM)
            os.waitpid(int(child), 0)
    os.kill(os.getpid(), signal.SIGTERM)


def learn(folder, resumed_from="", how=None):
    prepare_process(SETTINGS, seed=0)
    record = RunRecord(
        "demo/adaptation-1", "adaptation", "adapted, seed 0", "running", "abcd1234", "c0de", {"steps": STEPS},
        {"source": "5a5a"}, resumed_from=resumed_from,
    )  # fmt: skip
    callbacks = [TrackingVideo(), VertexError(), *([StopAt(5, how)] if how else [])]
    train(
        Stage(), Data(), steps=STEPS, monitor="", folder=folder, record=record, settings=SETTINGS,
        wandb_settings=WandbSettings(), callbacks=callbacks,
    )  # fmt: skip


def main(folder, mode):
    torch.set_num_threads(1)
    folder.mkdir(parents=True)
    (folder / "experiment.yaml").write_text(EXPERIMENT)
    if mode == "terminated":
        learn(folder, how=lambda: os.kill(os.getpid(), signal.SIGTERM))
    if mode == "terminated with its children":
        learn(folder, how=terminate_all)
    if mode == "resumed":
        try:
            learn(folder, how=fail)
        except ConnectionError:
            learn(folder, resumed_from=str((folder / LAST_CHECKPOINT).resolve()))
    if mode == "whole":
        learn(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
