"""Each service is the real one: a query answered, a job run and requeued, a page rendered."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import psycopg
from playwright.sync_api import Browser


def test_postgresql_answers_a_query(postgresql: str) -> None:
    with psycopg.connect(postgresql) as connection:
        assert connection.execute("SELECT 1 + 1").fetchone() == (2,)
        row = connection.execute("SHOW server_version").fetchone()
    assert row is not None and int(row[0].split(".")[0]) >= 13


def job_state(env: dict[str, str], job: str) -> str:
    shown = subprocess.run(
        ["scontrol", "--oneliner", "show", "job", job], env=env, capture_output=True, text=True, check=True
    )
    return dict(word.split("=", 1) for word in shown.stdout.split() if "=" in word)["JobState"]


def submit(env: dict[str, str], folder: Path, script: str, *options: str) -> str:
    """Submit a shell script; the job's number."""
    command = ["sbatch", "--parsable", "--requeue", "--open-mode=append", f"--output={folder}/job.txt", *options]
    sent = subprocess.run(command, input=f"#!/bin/sh\n{script}\n", env=env, capture_output=True, text=True, check=True)
    return sent.stdout.strip()


def wait_for_state(env: dict[str, str], job: str, state: str) -> None:
    end = time.monotonic() + 60
    while (found := job_state(env, job)) != state:
        assert time.monotonic() < end, f"job {job} is {found}, not {state}"
        time.sleep(0.2)


def test_slurm_runs_a_job(slurm: dict[str, str], tmp_path: Path) -> None:
    job = submit(slurm, tmp_path, "echo ran in $SLURM_JOB_ID")
    wait_for_state(slurm, job, "COMPLETED")
    assert (tmp_path / "job.txt").read_text() == f"ran in {job}\n"


def test_slurm_requeues_what_an_urgent_job_preempts(slurm: dict[str, str], tmp_path: Path) -> None:
    script = 'echo "start $SLURM_RESTART_COUNT"; [ -z "$SLURM_RESTART_COUNT" ] && exec sleep 100; true'
    patient = submit(slurm, tmp_path, script, "--cpus-per-task=4")
    wait_for_state(slurm, patient, "RUNNING")
    submit(slurm, tmp_path, "true", "--partition=urgent", "--cpus-per-task=4")
    wait_for_state(slurm, patient, "COMPLETED")
    lines = (tmp_path / "job.txt").read_text().splitlines()
    assert [line for line in lines if line.startswith("start")] == ["start ", "start 1"]


def test_chromium_renders_a_page(chromium: Browser) -> None:
    page = chromium.new_page()
    page.set_content("<title>before</title><script>document.title = 'after'</script><p>text</p>")
    assert page.title() == "after"
    assert page.locator("p").bounding_box()
    page.close()
