"""The sweep as a whole, with a trial that takes moments: killed and gone on with, failed and retried, stopped early."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

STAND_IN = Path(__file__).with_name("stand_in.py")
GRID = {"x": {"values": [1, 2, 3]}, "y": {"values": [0, 10, 20, 30]}}
ERROR = {"name": "held_out_clip/adapted/error", "goal": "minimize"}


def write_sweep(folder: Path, **changes: Any) -> Path:
    content = {
        "name": "tiny",
        "method": "grid",
        "metric": ERROR,
        "parameters": GRID,
        "command": ["${interpreter}", str(STAND_IN), "${args_no_hyphens}"],
    }
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(content | changes))
    return path


def words(path: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "launcher.cli", "sweep", str(path), *more]


def sweep(path: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words(path, *more), cwd=path.parent, capture_output=True, text=True, timeout=250)


@contextmanager
def sweeping(path: Path, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    """A sweep in a process group of its own."""
    with (path.parent / "printed.txt").open("ab") as log:
        process = subprocess.Popen(words(path, *more), cwd=path.parent, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until(path: Path, count: int) -> None:
    """Until the trials have noted so many beginnings or ends."""
    end = time.monotonic() + 200
    while lines(path) < count:
        assert time.monotonic() < end, (path.parents[1] / "printed.txt").read_text()
        time.sleep(0.02)


def lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.is_file() else 0


def told(path: Path) -> list[dict[str, Any]]:
    return json.loads((path.parent / "runs" / "tiny" / "sweep.json").read_text())["trials"]  # type: ignore[no-any-return]


def test_killed_twice_every_point_ends_once_and_the_failed_one_is_listed(tmp_path: Path) -> None:
    path, runs = write_sweep(tmp_path), tmp_path / "runs"
    more = ("fail_at=2.20", "seconds=1", "--workers=3")
    for ends in (2, 6):
        with sweeping(path, *more):
            wait_until(runs / "ended.txt", ends)
            # trials in lockstep end at once: of two that begin now, one at least is not the one that fails,
            # and sleeps a second when the launcher is killed
            wait_until(runs / "begun.txt", lines(runs / "begun.txt") + 2)
    done = sweep(path, *more)
    assert done.returncode == 1, done.stdout + done.stderr
    ended = Counter((runs / "ended.txt").read_text().splitlines())
    assert len(ended) == 11 and set(ended.values()) == {1}
    states = Counter(trial["state"] for trial in told(path))
    assert states == {"finished": 11, "failed": 1}
    (failed,) = (trial for trial in told(path) if trial["state"] == "failed")
    assert failed["parameters"] == {"x": 2, "y": 20}
    assert failed["error"] == "exit code 1: stand-in: this is the one that fails"
    assert failed["error"] in done.stdout and "taken up again" in done.stdout
    assert lines(runs / "begun.txt") > 12 and len(list(runs.glob("tiny-*"))) == 12

    # nothing is left to do; the failed one is tried again when it is asked for, in its own folder
    begun = lines(runs / "begun.txt")
    assert sweep(path, *more).returncode == 1 and lines(runs / "begun.txt") == begun
    again = sweep(path, *more, "--retry-failed")
    assert again.returncode == 1 and lines(runs / "begun.txt") == begun + 1
    assert Counter(trial["state"] for trial in told(path)) == {"finished": 11, "failed": 1}
    assert len(list(runs.glob("tiny-*"))) == 12


def test_of_two_launchers_none_takes_the_others_trial_and_one_goes_on_for_the_other(tmp_path: Path) -> None:
    path, runs = write_sweep(tmp_path), tmp_path / "runs"
    more = ("seconds=0.4", "--workers=2")
    with sweeping(path, *more) as first, sweeping(path, *more) as second:
        wait_until(runs / "begun.txt", 4)
        os.killpg(first.pid, signal.SIGKILL)
        assert second.wait(timeout=200) == 0
    ended = Counter((runs / "ended.txt").read_text().splitlines())
    assert len(ended) == 12 and set(ended.values()) == {1}
    assert {trial["state"] for trial in told(path)} == {"finished"}


def test_sigterm_stops_the_trials_and_says_how_to_go_on(tmp_path: Path) -> None:
    path, runs = write_sweep(tmp_path), tmp_path / "runs"
    with sweeping(path, "seconds=100", "--workers=2") as process:
        wait_until(runs / "begun.txt", 2)
        process.terminate()
        assert process.wait(timeout=100) == 130
    printed = (tmp_path / "printed.txt").read_text()
    assert f"To go on: steadyface sweep {path} seconds=100 --workers 2" in printed
    assert Counter(trial["state"] for trial in told(path)) == {"running": 2, "waiting": 10}
    assert lines(runs / "ended.txt") == 0


def test_random_with_hyperband_stops_the_worse_ones_early(tmp_path: Path) -> None:
    path = write_sweep(
        tmp_path,
        method="random",
        metric={"name": "train/loss", "goal": "minimize"},
        parameters={"x": {"min": 1.0, "max": 100.0}},
        early_terminate={"type": "hyperband", "min_iter": 2, "eta": 2},
        run_cap=5,
    )
    done = sweep(path, "curve=8", "seconds=0.4", "--workers=2")
    assert done.returncode == 0, done.stdout + done.stderr
    trials = told(path)
    stopped = [trial for trial in trials if trial["state"] == "stopped early"]
    finished = [trial for trial in trials if trial["state"] == "finished"]
    assert len(trials) == 5 and stopped and finished
    assert len({trial["parameters"]["x"] for trial in trials}) == 5
    # the value of a finished one is the last that it logged
    assert all(trial["value"] == pytest.approx(trial["parameters"]["x"] / 8) for trial in finished)
    best = min(trials, key=lambda trial: trial["parameters"]["x"])
    assert best["state"] == "finished"
    assert lines(tmp_path / "runs" / "ended.txt") == len(finished)


def test_a_changed_sweep_under_the_same_name_is_refused(tmp_path: Path) -> None:
    path = write_sweep(tmp_path, parameters={"x": {"values": [1]}})
    assert sweep(path, "seconds=0").returncode == 0
    done = sweep(write_sweep(tmp_path, parameters={"x": {"values": [1, 2]}}), "seconds=0")
    assert done.returncode == 2 and "as it was begun, got another parameters" in done.stderr
    assert "Traceback" not in done.stderr
