"""What SLURM says about its jobs: one question for all of a sweep's trials, asked without waiting for the answer."""

from __future__ import annotations

import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import IO

from launcher.sweep.trial_launcher import Outcome, TrialEnd

# The states in which a job is over. In every other one (REQUEUED and PREEMPTED jobs are soon PENDING again, and
# SPECIAL_EXIT and held ones wait for a person) SLURM still holds the job.
INTERRUPTED = {
    "BOOT_FAIL": "its node did not boot",
    "CANCELLED": "cancelled",
    "DEADLINE": "its deadline passed",
    "NODE_FAIL": "its node was lost",
    "PREEMPTED": "pre-empted, and not put back into the queue by this cluster",
    "REVOKED": "revoked",
    "TIMEOUT": "its time limit came",
}
FAILED = {"FAILED", "OUT_OF_MEMORY"}
SIGTERM = 15


@dataclass(frozen=True)
class JobState:
    """A job's state in SLURM's words (``RUNNING``), and its exit code and signal, 0 while it runs."""

    name: str
    state: str
    exit_code: int = 0
    signal: int = 0

    @property
    def over(self) -> bool:
        return self.state == "COMPLETED" or self.state in FAILED or self.state in INTERRUPTED

    def end(self) -> TrialEnd | None:
        """What became of the trial; None while SLURM holds the job."""
        if not self.over:
            return None
        if self.state in INTERRUPTED:
            return TrialEnd(Outcome.INTERRUPTED, INTERRUPTED[self.state])
        if self.state == "OUT_OF_MEMORY":
            return TrialEnd(Outcome.FAILED, "out of memory; ask for more with --slurm=--mem=16G")
        if SIGTERM in (self.signal, self.exit_code - 128):
            # Sent a minute before the time limit, and by who takes the node away: no fault of the program.
            return TrialEnd(Outcome.INTERRUPTED, "asked to end by SLURM")
        if self.state == "COMPLETED":
            return TrialEnd(Outcome.FINISHED)
        return TrialEnd(Outcome.FAILED, f"signal {self.signal}" if self.signal else f"exit code {self.exit_code}")


def squeue_words(*names: str) -> list[str]:
    """The command that lists this user's jobs of these names, those that ended a short while ago too."""
    fields = "JobID:|,Name:|,State:|,exit_code:|"
    return ["squeue", "--me", "--noheader", "--states=all", f"--name={','.join(names)}", f"--Format={fields}"]


def parse_jobs(text: str) -> dict[int, JobState]:
    """The jobs that `squeue_words` printed, by number.

    The exit code comes as the system's wait status, or as ``code:signal``.

    >>> parse_jobs("7|a|FAILED|768|")[7]
    JobState(name='a', state='FAILED', exit_code=3, signal=0)
    >>> parse_jobs("8|b|CANCELLED|0:15|")[8].end()
    TrialEnd(outcome=<Outcome.INTERRUPTED: 'interrupted'>, reason='cancelled')
    """
    jobs = {}
    for line in text.splitlines():
        number, name, state, status, *_ = (word.strip() for word in line.split("|"))
        code, signal = status.split(":") if ":" in status else (int(status) >> 8, int(status) & 127)
        jobs[int(number)] = JobState(name, state, int(code), int(signal))
    return jobs


def accounted(number: int) -> JobState | None:
    """What the accounting database says of a job that the queue has forgotten; None without one."""
    command = ["sacct", "--noheader", "--parsable2", "--allocations", f"--jobs={number}"]
    command.append("--format=JobName,State,ExitCode")
    try:
        shown = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = shown.stdout.split("\n")
    if shown.returncode or not lines[0]:
        return None
    name, state, status = lines[0].split("|")
    code, signal = status.split(":")
    return JobState(name, state.split()[0], int(code), int(signal))  # "CANCELLED by 1000"


class SlurmQueue:
    """The states of jobs, kept up to date by a squeue that runs beside the sweep's loop."""

    def __init__(self, every_s: float) -> None:
        self.every_s = every_s
        self.names: set[str] = set()
        self.jobs: dict[int, JobState] = {}
        self.answers = 0
        self._running: tuple[subprocess.Popen[bytes], IO[bytes]] | None = None
        self._asked = float("-inf")

    def refresh(self) -> None:
        """Take in an answer that has come; ask again where the last question is ``every_s`` old. Never waits."""
        if self._running is not None and self._running[0].poll() is not None:
            process, answer = self._running
            self._running = None
            with answer:
                answer.seek(0)
                # A controller that does not answer says nothing about its jobs: what was known stays known.
                if process.returncode == 0:
                    self.jobs = parse_jobs(answer.read().decode())
                    self.answers += 1
        if self._running is None and self.names and time.monotonic() - self._asked >= self.every_s:
            self._asked = time.monotonic()
            answer = tempfile.TemporaryFile()  # noqa: SIM115 - closed when its process has ended
            process = subprocess.Popen(squeue_words(*sorted(self.names)), stdout=answer, stderr=subprocess.DEVNULL)
            self._running = process, answer

    def find(self, name: str) -> dict[int, JobState]:
        """The jobs of one name, asked now.

        Raises:
            OSError: squeue does not answer.
        """
        shown = subprocess.run(squeue_words(name), capture_output=True, text=True, timeout=120)
        if shown.returncode:
            raise OSError(f"squeue: {shown.stderr.strip()}")
        return parse_jobs(shown.stdout)

    def close(self) -> None:
        if self._running is not None:
            process, answer = self._running
            process.kill()
            process.wait()
            answer.close()
            self._running = None
