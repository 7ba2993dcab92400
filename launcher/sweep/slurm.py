"""A sweep's trials as SLURM jobs: sbatch submits them, SLURM alone requeues them, scancel ends them.

A trial is a job of one node. Its script lies in the trial's folder, and starts the same command again after a requeue,
which goes on from the trial's last checkpoint. While SLURM holds the job (queued, running, pre-empted and put back) the
trial is not over, so that the sweep never starts it a second time. A sweep that was killed leaves its jobs alone, and
finds them again by name when it is started again. The trial's folder must be on a file system that all nodes share.
"""

from __future__ import annotations

import hashlib
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from launcher.runs import write_atomically
from launcher.sweep.slurm_queue import JobState, SlurmQueue, accounted
from launcher.sweep.trial_launcher import Outcome, TrialEnd, TrialJob
from steadyface.errors import InputError

SCRIPT = "job.sh"
JOB_NUMBER = "slurm_job.txt"
# SLURM's places for tasks that srun starts. A trial starts its own processes, and would take itself for one of them.
TASK_VARIABLES = (
    "SLURM_NTASKS", "SLURM_NPROCS", "SLURM_NTASKS_PER_NODE", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "SLURM_LOCALID",
    "SLURM_NODEID",
)  # fmt: skip
# The signal that asks a trial to save and end, sent to its own process a minute before the time limit.
FIXED_OPTIONS = ("--nodes=1", "--ntasks=1", "--requeue", "--open-mode=append", "--signal=B:TERM@60", "--export=ALL")


class SlurmLauncher:
    """Submits trials to the cluster that sbatch reaches.

    Args:
        slots: how many trials may be queued or running at once.
        options: further words for sbatch, such as ``--partition=gpu`` or ``--time=4:00:00``.
        every_s: how often squeue is asked, for all trials together.

    Raises:
        InputError: sbatch is missing, or refuses the options.
    """

    def __init__(self, slots: int, options: Sequence[str] = (), every_s: float = 5.0) -> None:
        self.slots = slots
        self.options = tuple(options)
        self.queue = SlurmQueue(every_s)
        check_sbatch(self.options)

    def start(self, job: TrialJob) -> SlurmTrial:
        """Submit a trial, or attach to the job of its folder that an earlier sweep submitted."""
        name = job_name(job)
        number = self._submitted_before(job.folder, name) or self._submit(job, name)
        write_atomically(job.folder / JOB_NUMBER, f"{number}\n")
        return SlurmTrial(number, name, job.folder, self.queue)

    def close(self) -> None:
        self.queue.close()

    def _submitted_before(self, folder: Path, name: str) -> int | None:
        """The number of a job that is not over, or whose end no sweep has seen."""
        path = folder / JOB_NUMBER
        kept = int(path.read_text()) if path.is_file() else None
        found = [number for number, state in self.queue.find(name).items() if not state.over or number == kept]
        return max(found, default=None)

    def _submit(self, job: TrialJob, name: str) -> int:
        script = job.folder / SCRIPT
        write_atomically(script, job_script(job))
        # In a file's name % starts one of SLURM's patterns.
        words = ["--parsable", f"--job-name={name}", f"--output={str(job.log).replace('%', '%%')}"]
        gpus = [f"--gpus-per-node={job.gpus}"] if job.gpus else []
        sent = subprocess.run(
            ["sbatch", *FIXED_OPTIONS, *gpus, *self.options, *words, str(script)],
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        if sent.returncode:
            raise OSError(f"sbatch: {sent.stderr.strip()}")
        return int(sent.stdout.split(";")[0])


class SlurmTrial:
    """A trial that is a SLURM job."""

    def __init__(self, number: int, name: str, folder: Path, queue: SlurmQueue) -> None:
        self.number, self.name, self.folder, self.queue = number, name, folder, queue
        self._ending = False
        # Answers to questions that were asked before this job was submitted do not know it.
        self._known_from = queue.answers + 2
        queue.names.add(name)

    @property
    def where(self) -> str:
        return f"SLURM job {self.number}"

    def poll(self) -> TrialEnd | None:
        """What became of the job; None while SLURM holds it."""
        self.queue.refresh()
        state = self.queue.jobs.get(self.number)
        if state is None or state.name != self.name:
            end = self._forgotten() if self.queue.answers >= self._known_from else None
        else:
            end = state.end()
        if end is not None:
            self.queue.names.discard(self.name)
            (self.folder / JOB_NUMBER).unlink(missing_ok=True)
        return end

    def _forgotten(self) -> TrialEnd | None:
        """The end of a job that has left the queue's memory, some minutes after it was over."""
        state: JobState | None = accounted(self.number)
        return state.end() if state else TrialEnd(Outcome.INTERRUPTED, f"SLURM no longer knows job {self.number}")

    def stop(self) -> None:
        """Cancel the job: SIGTERM to its processes, and SLURM kills what is left after the cluster's KillWait."""
        if not self._ending:
            self._ending = True
            scancel(str(self.number))

    def kill(self) -> None:
        """Cancel the job whatever its processes say; that may take the cluster's KillWait, too."""
        self._ending = True
        scancel("--signal=KILL", str(self.number))


def scancel(*words: str) -> None:
    """Ask SLURM to cancel; nothing is waited for, the job's state tells what came of it."""
    subprocess.Popen(["scancel", "--quiet", *words], stderr=subprocess.DEVNULL, start_new_session=True)


def job_name(job: TrialJob) -> str:
    """A name that no other trial of this user has: that of the folder, and a hash of the whole path."""
    return f"{job.name}-{hashlib.sha256(str(job.folder).encode()).hexdigest()[:8]}"


def job_script(job: TrialJob) -> str:
    """The script of a trial's job: SLURM runs it once, and again from its first line after each requeue."""
    lines = ["#!/bin/sh", f"unset {' '.join(TASK_VARIABLES)}"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in job.environment.items()]
    lines += [f"cd {shlex.quote(str(Path.cwd()))} || exit 1"]
    # In the script's place, so that SLURM's signals reach the trial itself.
    return "\n".join([*lines, f"exec {shlex.join(job.words)}", ""])


def check_sbatch(options: Sequence[str]) -> None:
    """Have sbatch look at the options of every trial without submitting one."""
    if shutil.which("sbatch") is None:
        remedy = "start the sweep on a machine that submits to the cluster, or take --launcher local"
        raise InputError("--launcher slurm", "the program sbatch on the search path", "none", remedy)
    words = ["sbatch", "--test-only", *FIXED_OPTIONS, *options, "--wrap=true"]
    seen = subprocess.run(words, capture_output=True, text=True, timeout=300)
    if seen.returncode:
        got = " ".join(seen.stderr.split()) or f"exit code {seen.returncode}"
        raise InputError("--launcher slurm", "options that sbatch takes", got, "correct them; sinfo lists partitions")
