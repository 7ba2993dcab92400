"""Training inside a SLURM job that a user submits: one process is one process, and SLURM alone requeues."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from launcher.metrics_file import read_metrics
from launcher.runs import LAST_CHECKPOINT

SCRIPT = Path(__file__).with_name("trains_in_a_job.py")
TWO = Path(__file__).parents[1].resolve() / "distributed" / "trains_on_a_node.py"


def asked(env: dict[str, str], *words: str) -> str:
    return subprocess.run(words, env=env, capture_output=True, text=True, check=True).stdout.strip()


def field(env: dict[str, str], job: str, name: str) -> str:
    shown = asked(env, "scontrol", "--oneliner", "show", "job", job)
    return dict(word.split("=", 1) for word in shown.split() if "=" in word)[name]


def wait_for(so: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 240
    while not so():
        assert time.monotonic() < end, what
        time.sleep(0.2)


def submit(env: dict[str, str], folder: Path, steps: int) -> str:
    """A job as a user writes it, with the one task that SLURM tells the job of."""
    words = ["sbatch", "--parsable", "--ntasks=1", "--requeue", f"--output={folder}/job.txt", f"--chdir={Path.cwd()}"]
    return asked(env, *words, f"--wrap=exec {sys.executable} {SCRIPT} {folder} {steps}")


def test_training_in_a_job_is_alone_and_leaves_requeueing_to_slurm(slurm: dict[str, str], tmp_path: Path) -> None:
    job, log = submit(slurm, tmp_path, steps=10_000), tmp_path / "job.txt"
    wait_for(lambda: log.exists() and "step 3 of rank 0 in 1" in log.read_text(), "no step was trained")
    # Lightning, where it owns requeueing, answers this signal by putting its own job back into the queue.
    asked(slurm, "scancel", "--signal=USR1", "--batch", job)
    wait_for(lambda: field(slurm, job, "JobState") not in ("RUNNING", "COMPLETING"), "the signal changed nothing")
    assert (field(slurm, job, "Restarts"), field(slurm, job, "JobState")) == ("0", "FAILED")


def test_srun_starts_the_processes_and_ends_them_with_a_killed_one(slurm: dict[str, str], tmp_path: Path) -> None:
    """Two processes; the second is killed in its midst. The same command again goes on with what was done."""
    words = ["srun", "--ntasks=2", "--kill-on-bad-exit=1", sys.executable, str(TWO), str(tmp_path / "runs")]
    words.append("one")
    env = {**slurm, "PYTHONPATH": str(TWO.parents[2])}
    done = [subprocess.run(words, env=env, capture_output=True, text=True, timeout=240) for _ in range(2)]
    assert done[0].returncode and (tmp_path / "killed").exists(), done[0].stderr[-3000:]
    assert done[1].returncode == 0, done[1].stderr[-3000:]
    assert done[0].stdout.count("begins at nothing") == 2
    assert len([line for line in done[1].stdout.splitlines() if line.endswith(f"{LAST_CHECKPOINT}")]) == 2
    (folder,) = (tmp_path / "runs" / "demo").iterdir()
    steps = [step for step, name, _ in read_metrics(folder / "metrics.csv") if name == "train/loss"]
    assert steps == list(range(7))
