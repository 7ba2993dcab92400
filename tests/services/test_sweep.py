"""One sweep file on a file, on PostgreSQL with two launchers, and on SLURM; kills and a requeue in the middle.

Each point is run to its end once: no step of any trial is taken twice, and none is missing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml

STEPS = 20
LONGEST_S = 250
POINTS = {(float(x), float(y)) for x in (1, 2, 3) for y in (0, 10)}


@pytest.fixture
def sweep_file(tmp_path: Path) -> Path:
    program = Path(__file__).with_name("goes_on.py")
    content = {
        "name": "grid",
        "method": "grid",
        "metric": {"name": "held_out_clip/adapted/error", "goal": "minimize"},
        "parameters": {"x": {"values": [1, 2, 3]}, "y": {"values": [0, 10]}},
        "command": [sys.executable, str(program), "${args_no_hyphens}", f"steps={STEPS}"],
    }
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump(content))
    (tmp_path / "runs").mkdir()
    return path


class Launcher:
    """A ``steadyface sweep`` that runs; what it prints goes to a file."""

    def __init__(self, file: Path, *words: str, env: Mapping[str, str] | None = None) -> None:
        self.runs = file.parent / "runs"
        command = [sys.executable, "-m", "launcher.cli", "sweep", str(file), f"runs={self.runs}", "--workers=2", *words]
        self.printed = file.parent / "printed.txt"
        with self.printed.open("a") as stream:
            self.process = subprocess.Popen(command, stdout=stream, stderr=stream, env=env)

    def wait(self) -> None:
        assert self.process.wait(timeout=LONGEST_S) == 0, self.printed.read_text()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def trials(self) -> list[Path]:
        return sorted(self.runs.glob("grid-*"))


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def held(launcher: Launcher) -> list[Path]:
    """The trials that stand in their middle while the file ``hold`` is there."""
    return [folder for folder in launcher.trials() if len(lines(folder / "steps.txt")) == 5]


def wait_for(so: Callable[[], Any], launcher: Launcher) -> None:
    end = time.monotonic() + LONGEST_S
    while not so():
        assert launcher.process.poll() is None and time.monotonic() < end, launcher.printed.read_text()
        time.sleep(0.05)


def check_each_point_once(launcher: Launcher) -> None:
    trials = json.loads((launcher.runs / "grid" / "sweep.json").read_text())["trials"]
    assert sorted(trial["value"] for trial in trials) == sorted(x + y for x, y in POINTS)
    assert {trial["state"] for trial in trials} == {"finished"}
    assert len(launcher.trials()) == len(POINTS)
    for folder in launcher.trials():
        assert lines(folder / "steps.txt") == [str(step) for step in range(STEPS)]


def test_on_a_file(sweep_file: Path) -> None:
    launcher = Launcher(sweep_file)
    launcher.wait()
    check_each_point_once(launcher)
    assert [lines(folder / "starts.txt") for folder in launcher.trials()] == [["0"]] * len(POINTS)


def test_on_postgresql_one_of_two_launchers_is_killed(sweep_file: Path, postgresql: str) -> None:
    hold = sweep_file.parent / "runs" / "hold"
    hold.touch()
    first, second = (Launcher(sweep_file, "--storage", postgresql) for _ in range(2))
    wait_for(lambda: len(held(first)) == 4, first)  # two of each launcher
    first.kill()
    hold.unlink()
    second.wait()
    check_each_point_once(second)
    starts = [lines(folder / "starts.txt") for folder in second.trials()]
    assert sorted(starts) == sorted([["0"]] * (len(POINTS) - 2) + [["0", "5"]] * 2)
    trials = optuna.load_study(study_name="grid", storage=postgresql).trials
    assert [trial.state for trial in trials] == [optuna.trial.TrialState.COMPLETE] * len(POINTS)


def test_on_slurm_a_job_is_requeued_and_the_sweep_killed(sweep_file: Path, slurm: dict[str, str]) -> None:
    hold = sweep_file.parent / "runs" / "hold"
    hold.touch()
    words = ("--launcher=slurm", "--slurm=--time=10")
    first = Launcher(sweep_file, *words, env=slurm)
    wait_for(lambda: len(held(first)) == 2, first)
    requeued = held(first)[0]
    number = (requeued / "slurm_job.txt").read_text().strip()
    subprocess.run(["scontrol", "requeue", number], env=slurm, check=True)
    first.kill()
    second = Launcher(sweep_file, *words, env=slurm)
    wait_for(lambda: len(lines(requeued / "starts.txt")) == 2, second)
    hold.unlink()
    second.wait()
    check_each_point_once(second)
    starts = {folder: lines(folder / "starts.txt") for folder in second.trials()}
    assert starts.pop(requeued) == ["0", "5"]
    assert list(starts.values()) == [["0"]] * (len(POINTS) - 1)
    # One job a point: what SLURM put back into its queue was not submitted again, nor what the killed sweep left.
    jobs = subprocess.run(
        ["squeue", "--noheader", "--states=all", "--Format=JobID:|,Name:|"], env=slurm, capture_output=True, text=True
    )
    assert len([job for job in jobs.stdout.splitlines() if "|grid-" in job]) == len(POINTS)
