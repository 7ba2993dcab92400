"""W&B's background process of a parent: a stage that was killed under it goes on under its own run id."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import wandb

from launcher.settings import WandbSettings
from launcher.wandb_runs import SERVICE, leave_service_of_others, start_run

FORK = multiprocessing.get_context("fork")  # of a process that has everything imported


def _stage(folder: Path, killed: bool) -> None:
    """A stage's run; every attempt has the same id."""
    settings = WandbSettings(mode="offline")
    run = start_run(
        folder, settings, run_id="abcd1234", group="g", job_type="adaptation", name="n", tags=[], config={}
    )
    run.log({"a": 1.0})
    if killed:
        os.kill(os.getpid(), signal.SIGKILL)
    run.finish()


def _parent(folder: Path, said: Any) -> None:
    """Uses W&B itself, then starts a stage, which is killed, and starts it again."""
    os.environ.pop(SERVICE, None)
    wandb.setup()
    assert os.environ[SERVICE]
    codes = []
    for killed in (True, False):
        stage = FORK.Process(target=_stage, args=(folder, killed))
        stage.start()
        stage.join(120)
        codes.append(stage.exitcode)
    said.send(codes)
    wandb.teardown()


def test_a_stage_killed_under_a_parent_that_uses_wandb_goes_on_under_its_id(tmp_path: Path) -> None:
    here, there = FORK.Pipe(duplex=False)
    parent = FORK.Process(target=_parent, args=(tmp_path, there))
    parent.start()
    there.close()
    assert here.recv() == [-signal.SIGKILL, 0]
    parent.join(120)
    assert list((tmp_path / "wandb").glob("offline-run-*-abcd1234/*.wandb"))


def test_only_another_process_s_service_is_left(monkeypatch) -> None:
    own = f"3-{os.getpid()}-unix-/run/socket"
    for given, left in ((own, own), (f"3-{os.getppid()}-unix-/run/1-{os.getpid()}-x", None), ("", "")):
        monkeypatch.setenv(SERVICE, given)
        leave_service_of_others()
        assert os.environ.get(SERVICE) == left
