"""A trial on a real SLURM: each way to end, a requeue in the middle, a killed sweep that finds its job again."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from launcher.sweep.slurm import SlurmLauncher, SlurmTrial
from launcher.sweep.trial_launcher import Outcome, TrialEnd, TrialJob
from steadyface.errors import InputError


@pytest.fixture
def launcher(slurm: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[SlurmLauncher]:
    for name, value in slurm.items():
        monkeypatch.setenv(name, value)
    launcher = SlurmLauncher(slots=4, options=["--time=10"], every_s=0.2)
    yield launcher
    launcher.close()


def job(folder: Path, program: str) -> TrialJob:
    folder.mkdir(exist_ok=True)
    words = (sys.executable, "-c", program)
    return TrialJob(folder.name, words, folder, folder / "100 % log.txt", {"MARK": "it's set"})


def wait(trial: SlurmTrial, until: Callable[[], bool] = lambda: False) -> TrialEnd | None:
    """Poll as the sweep's loop does, to the trial's end or until something is so."""
    limit = time.monotonic() + 60
    while (end := trial.poll()) is None and not until():
        assert time.monotonic() < limit, f"{trial.where} did not end"
        time.sleep(0.1)
    return end


def written(path: Path) -> Callable[[], bool]:
    return lambda: path.exists() and path.stat().st_size > 0


def test_a_trial_that_ends_well_and_one_that_fails(launcher: SlurmLauncher, tmp_path: Path) -> None:
    well = job(tmp_path / "well", "import os; print(os.environ['MARK'], 'SLURM_NTASKS' in os.environ)")
    badly = job(tmp_path / "badly", "raise SystemExit(3)")
    trials = [launcher.start(well), launcher.start(badly)]
    assert [wait(trial) for trial in trials] == [
        TrialEnd(Outcome.FINISHED),
        TrialEnd(Outcome.FAILED, "exit code 3"),
    ]
    assert well.log.read_text() == "it's set False\n"


def test_a_requeued_trial_is_never_over_in_between(launcher: SlurmLauncher, tmp_path: Path) -> None:
    program = "import os, time; again = 'SLURM_RESTART_COUNT' in os.environ; print(again, flush=True)\n"
    requeued = job(tmp_path / "a", program + "time.sleep(0 if again else 100)")
    trial = launcher.start(requeued)
    assert wait(trial, written(requeued.log)) is None
    subprocess.run(["scontrol", "requeue", str(trial.number)], check=True)
    assert wait(trial) == TrialEnd(Outcome.FINISHED)
    lines = [line for line in requeued.log.read_text().splitlines() if line in ("True", "False")]
    assert lines == ["False", "True"]


def test_a_sweep_started_again_attaches_to_its_job(launcher: SlurmLauncher, tmp_path: Path) -> None:
    go = tmp_path / "go"
    wait_for_it = f"import pathlib, time\nwhile not pathlib.Path({str(go)!r}).exists(): time.sleep(0.1)"
    waiting = job(tmp_path / "a", wait_for_it)
    first = launcher.start(waiting)
    (waiting.folder / "slurm_job.txt").unlink()  # killed between sbatch and this file
    second = SlurmLauncher(slots=1, every_s=0.2).start(waiting)
    assert second.where == first.where
    go.touch()
    assert wait(first) == TrialEnd(Outcome.FINISHED)
    # Ended while no sweep ran: its end is read, and nothing is run again.
    (waiting.folder / "slurm_job.txt").write_text(f"{first.number}\n")
    third = SlurmLauncher(slots=1, every_s=0.2).start(waiting)
    assert third.where == first.where and wait(third) == TrialEnd(Outcome.FINISHED)
    fourth = launcher.start(waiting)
    assert fourth.where != first.where and wait(fourth) == TrialEnd(Outcome.FINISHED)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_stopped_trial_is_interrupted(launcher: SlurmLauncher, tmp_path: Path, how: str) -> None:
    ignore = "signal.signal(signal.SIGTERM, signal.SIG_IGN)" if how == "kill" else "pass"
    stubborn = job(tmp_path / "a", f"import signal, time; {ignore}; print(1, flush=True); time.sleep(100)")
    trial = launcher.start(stubborn)
    wait(trial, written(stubborn.log))
    getattr(trial, how)()
    end = wait(trial)
    assert end is not None and end.outcome is Outcome.INTERRUPTED


def test_a_job_that_slurm_forgot_is_interrupted(launcher: SlurmLauncher, tmp_path: Path) -> None:
    end = wait(SlurmTrial(999999, "forgotten", tmp_path, launcher.queue))
    assert end is not None and end.outcome is Outcome.INTERRUPTED and "999999" in end.reason


def test_an_unknown_partition_is_refused_before_anything_starts(launcher: SlurmLauncher) -> None:
    with pytest.raises(InputError, match="invalid partition"):
        SlurmLauncher(slots=1, options=["--partition=nowhere"])
