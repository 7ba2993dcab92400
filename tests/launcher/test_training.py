"""The Trainer of a stage, with a real module: files, resume against the uninterrupted run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from pytorch_lightning import Callback, LightningDataModule, LightningModule
from torch import Tensor

from datamodules.batches import OrderedBatches, ShuffledBatches
from launcher.checkpoint_io import AtomicCheckpointIO, saved_step
from launcher.last_checkpoint import is_complete
from launcher.metrics_file import read_metrics
from launcher.runs import LAST_CHECKPOINT, RunRecord
from launcher.settings import TrainerSettings, WandbSettings
from launcher.stopping import Stopped, clean_stops
from launcher.training import prepare_process, train
from steadyface.errors import InputError

STEPS = 7
SETTINGS = TrainerSettings(log_every_steps=1, validate_every_steps=3, checkpoint_every_steps=2)


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
        self.log("val/error", (self.weight - batch).abs().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=0.1)


class Numbers(LightningDataModule):
    """The numbers 0 to 9, shuffled, four a batch: epochs of two steps; or others."""

    def __init__(self, count: int = 10) -> None:
        super().__init__()
        self.count = count

    def train_dataloader(self) -> ShuffledBatches[Tensor]:
        return ShuffledBatches(self.count, 4, lambda index: index.float(), seed=0)

    def val_dataloader(self) -> OrderedBatches[Tensor]:
        return OrderedBatches(4, 4, lambda index: index.float())


class StopAt(Callback):
    """Stands for a kill: stops everything at a step, mid-epoch."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer: object, module: LightningModule, *rest: object) -> None:
        if module.global_step == self.step:
            raise ConnectionError("killed")


class StopInValidation(Callback):
    """Stands for a kill within the validation behind a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_validation_epoch_end(self, trainer: object, module: LightningModule) -> None:
        if module.global_step == self.step:
            raise ConnectionError("killed")


class Signal(Callback):
    """Sends this process a signal at a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer: object, module: LightningModule, *rest: object) -> None:
        if module.global_step == self.step:
            os.kill(os.getpid(), signal.SIGTERM)


def record(resumed_from: str = "") -> RunRecord:
    return RunRecord(
        "demo/a",
        "adaptation",
        "adapted, seed 0",
        "running",
        "abcd1234",
        "v",
        {"steps": STEPS},
        {},
        resumed_from=resumed_from,
    )


def learn(
    folder: Path, resumed_from: str = "", stop: Callback | None = None, mode: str = "disabled", count: int = 10
) -> float:
    prepare_process(SETTINGS, seed=0)
    module = Line()
    train(
        module,
        Numbers(count),
        steps=STEPS,
        monitor="val/error",
        folder=folder,
        record=record(resumed_from),
        settings=SETTINGS,
        wandb_settings=WandbSettings(mode=mode),
        callbacks=[stop] if stop else [],
    )
    return float(module.weight.detach())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run, with W&B offline."""
    folder = tmp_path_factory.mktemp("whole") / "demo" / "adaptation-1"
    folder.mkdir(parents=True)
    learn(folder, mode="offline")
    return folder


def test_a_run_leaves_its_files_in_its_folder(whole: Path) -> None:
    assert {path.name for path in (whole / "checkpoints").iterdir()} == {"last.ckpt", "best.ckpt"}
    assert saved_step(str(whole / LAST_CHECKPOINT)) == STEPS
    rows = read_metrics(whole / "metrics.csv")
    assert [step for step, name, _ in rows if name == "train/loss"] == list(range(STEPS))
    assert len([name for _, name, _ in rows if name == "val/error"]) == 3  # steps 3 and 6, and after the last
    assert (whole / "log.txt").is_file()


def test_the_wandb_run_is_offline_and_says_what_it_is(whole: Path) -> None:
    (run,) = (whole / "wandb").glob("offline-run-*-abcd1234")
    (log,) = run.glob("*.wandb")
    command = [str(Path(sys.executable).with_name("wandb")), "leet", "inspect", "--json", str(log)]
    content = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert "train/loss" in content and "val/error" in content
    assert '"adaptation"' in content and "adapted, seed 0" in content


def test_a_resume_gives_what_the_uninterrupted_run_gave(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(ConnectionError):
        learn(tmp_path, stop=StopAt(5))
    last = tmp_path / LAST_CHECKPOINT
    assert saved_step(str(last)) == 4
    learn(tmp_path, resumed_from=str(last))
    states = [torch.load(folder / LAST_CHECKPOINT, weights_only=True) for folder in (whole, tmp_path)]
    assert torch.equal(states[0]["state_dict"]["weight"], states[1]["state_dict"]["weight"])
    moments = [state["optimizer_states"][0]["state"][0]["exp_avg"] for state in states]
    assert torch.equal(moments[0], moments[1])
    assert (tmp_path / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()


@pytest.fixture(scope="module")
def whole_epochs_of_four(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("four")
    learn(folder, count=16)
    return folder


@pytest.mark.parametrize(
    ("stop", "saved"),
    [(StopAt(3), 2), (StopAt(4), 2), (StopInValidation(3), 2), (StopInValidation(6), 4), (StopAt(7), 6)],
)
def test_wherever_it_was_stopped_the_files_are_those_of_the_uninterrupted_run(
    whole_epochs_of_four: Path, tmp_path: Path, stop: Callback, saved: int
) -> None:
    """Within an epoch, at its end, within a validation, with and without a checkpoint due at that step."""
    with pytest.raises(ConnectionError):
        learn(tmp_path, stop=stop, count=16)
    last = tmp_path / LAST_CHECKPOINT
    assert saved_step(str(last)) == saved and not is_complete(str(last))
    learn(tmp_path, resumed_from=str(last), count=16)
    assert (tmp_path / "metrics.csv").read_text() == (whole_epochs_of_four / "metrics.csv").read_text()
    for name in ("last.ckpt", "best.ckpt"):
        weights = [
            torch.load(folder / "checkpoints" / name, weights_only=True)["state_dict"]["weight"]
            for folder in (tmp_path, whole_epochs_of_four)
        ]
        assert torch.equal(*weights)


def test_a_signal_stops_behind_the_step_s_checkpoint(
    whole_epochs_of_four: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Stopped) as stopped, clean_stops():
        learn(tmp_path, stop=Signal(3), count=16)
    assert stopped.value.code == 143 and signal.getsignal(signal.SIGTERM) is before
    assert "stopping after this step's checkpoint" in capsys.readouterr().err
    last = tmp_path / LAST_CHECKPOINT
    assert saved_step(str(last)) == 3, "not a step at which one was due"
    learn(tmp_path, resumed_from=str(last), count=16)
    assert (tmp_path / "metrics.csv").read_text() == (whole_epochs_of_four / "metrics.csv").read_text()


def test_a_stage_that_lacks_only_its_record_trains_nothing_again(whole_epochs_of_four: Path) -> None:
    last = whole_epochs_of_four / LAST_CHECKPOINT
    before = {path: path.stat().st_mtime_ns for path in whole_epochs_of_four.rglob("*.c*")}
    learn(whole_epochs_of_four, resumed_from=str(last), count=16)
    assert before == {path: path.stat().st_mtime_ns for path in whole_epochs_of_four.rglob("*.c*")}


def test_a_broken_checkpoint_is_refused_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").write_bytes(b"half")
    with pytest.raises(InputError, match="move the stage's folder away"):
        saved_step(str(tmp_path / "last.ckpt"))


def test_a_checkpoint_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "checkpoints" / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"a": 1}, target)

    def half(content: object, stream: object) -> None:
        stream.write(b"half")  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(KeyboardInterrupt):
        AtomicCheckpointIO().save_checkpoint({"a": 2}, target)
    assert torch.load(target, weights_only=True) == {"a": 1}
