"""What needs no cluster: the job's script, run by a shell, and what SLURM's answers mean."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from launcher.sweep.slurm import SlurmLauncher, job_name, job_script
from launcher.sweep.slurm_queue import JobState, parse_jobs
from launcher.sweep.trial_launcher import Outcome, TrialJob
from steadyface.errors import InputError


def job(folder: Path, *words: str) -> TrialJob:
    return TrialJob("trial-0a1b", words, folder, folder / "log.txt", {"SETTING": "a 'b' $c"})


def test_the_script_becomes_the_trial_and_hides_the_tasks_of_slurm(tmp_path: Path) -> None:
    show = 'import os; print(os.getpid(), repr(os.environ["SETTING"]), "SLURM_NTASKS" in os.environ)'
    script = job_script(job(tmp_path, "python3", "-c", show))
    environment = {"PATH": "/usr/bin:/bin", "SLURM_NTASKS": "1", "SLURM_PROCID": "0"}
    with subprocess.Popen(["sh", "-c", script], env=environment, stdout=subprocess.PIPE, text=True) as shell:
        printed, _ = shell.communicate(timeout=60)
    # The same process: a signal to the job's script reaches the trial.
    assert printed.split(maxsplit=1) == [str(shell.pid), "\"a 'b' $c\" False\n"]


def test_trials_of_two_sweeps_have_other_names(tmp_path: Path) -> None:
    assert job_name(job(tmp_path / "a")) != job_name(job(tmp_path / "b"))
    assert job_name(job(tmp_path / "a")) == job_name(job(tmp_path / "a"))


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "REQUEUED", "REQUEUE_HOLD", "COMPLETING", "SUSPENDED"])
def test_a_job_that_slurm_holds_is_not_over(state: str) -> None:
    assert JobState("a", state).end() is None


@pytest.mark.parametrize(
    ("line", "outcome", "reason"),
    [
        ("1|a|COMPLETED|0|", Outcome.FINISHED, ""),
        ("1|a|FAILED|512|", Outcome.FAILED, "exit code 2"),
        ("1|a|FAILED|2:0|", Outcome.FAILED, "exit code 2"),
        ("1|a|FAILED|9|", Outcome.FAILED, "signal 9"),
        ("1|a|OUT_OF_MEMORY|32000|", Outcome.FAILED, "out of memory"),
        ("1|a|FAILED|36608|", Outcome.INTERRUPTED, "asked to end"),  # exit code 143, as a shell tells SIGTERM
        ("1|a|CANCELLED|15|", Outcome.INTERRUPTED, "cancelled"),
        ("1|a|TIMEOUT|0:15|", Outcome.INTERRUPTED, "time limit"),
        ("1|a|NODE_FAIL|0|", Outcome.INTERRUPTED, "lost"),
    ],
)
def test_how_a_job_ended(line: str, outcome: Outcome, reason: str) -> None:
    end = parse_jobs(line)[1].end()
    assert end is not None and end.outcome is outcome and reason in end.reason


def test_no_sbatch_is_refused_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InputError, match="--launcher local"):
        SlurmLauncher(slots=2)
