"""Two real processes (gloo): they validate as one does, and go on after a kill as if there was none."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning import Callback, Trainer

from callbacks.checkpoint_selection import CheckpointSelection
from callbacks.collapse_guard import CollapseGuard
from callbacks.temporal_stability import TemporalStability
from callbacks.tracking_video import TrackingVideo
from callbacks.vertex_error import VertexError
from datamodules.batches import OrderedBatches
from launcher.distributed import Connected
from launcher.metrics_file import read_metrics
from launcher.runs import LAST_CHECKPOINT, RunRecord
from launcher.settings import TrainerSettings, WandbSettings
from launcher.training import prepare_process, strategy, train
from lightning_modules.adaptation import WildAdaptation
from lightning_modules.adaptation_settings import AdaptationSettings
from lightning_modules.appearance import AppearanceTraining
from lightning_modules.pretraining import LabPretraining
from steadyface.tracking.adaptation_score import WatchedFrames
from steadyface.tracking.guards import GuardSettings

FRAMES = 5  # odd, and no multiple of a batch
SETTINGS = TrainerSettings(devices=2, log_every_steps=1, validate_every_steps=4, checkpoint_every_steps=2)
STEPS, KILLED_AT = 6, 5
NO_LIMITS = dict(least_coverage=0.0, least_gain=-9.0, most_latent=1e9, most_latent_growth=1e9)


def validated(data: pl.LightningDataModule, make_loader: Any) -> pl.LightningDataModule:
    """The data with another validation loader."""
    data.val_dataloader = make_loader  # type: ignore[method-assign]
    return data


def figures(module: pl.LightningModule, data: Any, kind: str, devices: int, folder: Path, *watches: Callback) -> Any:
    """What a validation within a training logs, where the one step before it moves nothing."""
    trainer = Trainer(
        accelerator="cpu", devices=devices, strategy=strategy(replace(SETTINGS, devices=devices), kind),
        plugins=[Connected()], max_steps=1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, val_check_interval=1, check_val_every_n_epoch=None, num_sanity_val_steps=0,
        use_distributed_sampler=False, callbacks=list(watches), default_root_dir=str(folder),
    )  # fmt: skip
    trainer.fit(module, datamodule=data)
    found = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
    if kind == "pretraining":
        found |= {f"residual {i}": float(value) for i, value in enumerate(module.encoder.lab_residual)}
    return found


@pytest.mark.parametrize("batch_size", [2, 8])  # three batches, one for the second process; one, and none for it
def test_two_processes_validate_as_one(
    in_processes, person, small_lab, small_clip, source, decoder, appearance_settings, pretraining_settings, tmp_path,
    batch_size,
):  # fmt: skip
    def lab():
        data = type(small_lab)(person)
        return validated(data, lambda: OrderedBatches(FRAMES, batch_size, data._pick))

    def clip():
        data = small_clip(person)
        frame = lambda index: type(batch := data._window(index))(  # noqa: E731 - windows of one frame
            batch.image[:, :1], batch.intrinsics[:, :1], batch.time_s[:, :1], batch.clip, batch.frame[:, :1]
        )
        return validated(data, lambda: OrderedBatches(FRAMES, batch_size, frame))

    def stages(devices, folder):
        weights = torch.load(source, weights_only=True)["state_dict"]
        appearance = AppearanceTraining(replace(appearance_settings, learning_rate=0.0), person.statistics)
        pretraining = LabPretraining(replace(pretraining_settings, learning_rate=0.0), str(decoder))
        pretraining.load_state_dict(weights)
        still = AdaptationSettings(steps=4, learning_rate=0.0, colour_rate=0.0)
        adaptation = WildAdaptation(still, str(source))
        return {
            "appearance": figures(appearance, lab(), "appearance", devices, folder, VertexError()),
            "pretraining": figures(pretraining, lab(), "pretraining", devices, folder, VertexError()),
            "adaptation": figures(adaptation, clip(), "adaptation", devices, folder,
                                  TemporalStability(), TrackingVideo()),
        }  # fmt: skip

    alone = stages(1, tmp_path / "one")
    together = in_processes(lambda rank: stages(2, tmp_path / "two"))
    assert {"val/geometry", "val/texture", "val/vertex_error_mm"} <= alone["appearance"].keys()
    assert {"val/texture_residual", "val/vertex_error_lips_mm", "residual 1"} <= alone["pretraining"].keys()
    assert {"val/acceleration_px_s2", "val/stability_ratio_picture"} <= alone["adaptation"].keys()
    for found in together:
        for stage, expected in alone.items():
            assert found[stage] == pytest.approx(expected, rel=1e-6), stage
    assert not any(value != value for stage in alone.values() for value in stage.values())
    videos = [next((tmp_path / name / "media").glob("*.mp4")).read_bytes() for name in ("one", "two")]
    assert videos[0] == videos[1]


def watched_frames(person: Any) -> WatchedFrames:
    frame = torch.arange(FRAMES)
    intrinsics = torch.tensor([[150.0, 0.0, 31.5], [0.0, 150.0, 31.5], [0.0, 0.0, 1.0]]).repeat(FRAMES, 1, 1)
    return WatchedFrames(person.clip[:FRAMES], intrinsics, frame * 0, frame, frame % 2 == 1)


class KillAt(Callback):
    """SIGKILLs one process, in the midst of an epoch; the other then finds no partner."""

    def __init__(self, step: int, rank: int) -> None:
        self.step, self.rank = step, rank

    def on_train_batch_end(self, trainer: Trainer, module: pl.LightningModule, *rest: object) -> None:
        if trainer.global_step == self.step and trainer.global_rank == self.rank:
            os.kill(os.getpid(), signal.SIGKILL)


def test_two_processes_go_on_after_a_kill_as_if_there_was_none(in_processes, person, small_clip, source, tmp_path):
    def adapt(folder, resumed_from="", killed_rank=None):
        prepare_process(SETTINGS, 0)
        module = WildAdaptation(AdaptationSettings(steps=STEPS), str(source))
        chooses = GuardSettings(select=True, every_steps=2, margin=-9.0, refuse_other_person=False, **NO_LIMITS)
        choice = CheckpointSelection(chooses, lambda: watched_frames(person))
        guard = CollapseGuard(action="flag", selection=choice)
        killers = [] if killed_rank is None else [KillAt(KILLED_AT, killed_rank)]
        record = RunRecord("demo/a", "adaptation", "adapted", "running", "abcd1234", "v", {}, {}, 0.0, "", resumed_from)
        train(
            module, small_clip(person), steps=STEPS, monitor="", folder=folder, record=record, settings=SETTINGS,
            wandb_settings=WandbSettings(mode="disabled"), callbacks=[TemporalStability(), choice, guard, *killers],
        )  # fmt: skip
        return (guard.coverage, choice.summary()), {name: value.numpy() for name, value in module.state_dict().items()}

    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    whole.mkdir()
    stopped.mkdir()
    first = in_processes(lambda rank: adapt(whole))
    in_processes(lambda rank: adapt(stopped, killed_rank=1), raising=True, killed=True)
    last = stopped / LAST_CHECKPOINT
    assert read_metrics(stopped / "metrics.csv") != read_metrics(whole / "metrics.csv")
    again = in_processes(lambda rank: adapt(stopped, resumed_from=str(last)))
    for rank in range(2):
        assert again[rank][0] == first[rank][0] == first[0][0], "one guard's opinion for all"
        assert_same(again[rank][1], first[rank][1])
        assert_same(first[rank][1], first[0][1])
    assert (stopped / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()
    ends = [torch.load(folder / LAST_CHECKPOINT, weights_only=True) for folder in (whole, stopped)]
    assert_same(*(end["optimizer_states"][0]["state"] for end in ends))
    assert [row["step"] for row in first[0][0][1]["candidates"]] == [0, 2, 4, 6]
    assert [path.name for path in (whole / "checkpoints").iterdir()] == ["last.ckpt"]


def assert_same(one: Any, other: Any) -> None:
    """Nested containers whose tensors are equal bit for bit."""
    if isinstance(one, torch.Tensor | np.ndarray):
        assert np.array_equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    else:
        assert one == other
