"""What starts a trial: the interface between the sweep's loop and the machine or the scheduler that runs it.

The loop owns which trial runs, under which parameters and how often; a launcher owns how it runs. A scheduler that
puts a job back into its queue (a pre-empted one, say) does so alone: the handle goes on saying "not over", and the loop
never starts the trial a second time meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class TrialJob:
    """One trial as a launcher gets it.

    name: of the trial's folder under the folder of all runs, the same for the same parameters: unique among the
    trials of a sweep and fit for a job's name. words: the command, its program first; it is run in the launcher's
    working directory. folder: the trial's, absolute; it exists. environment: what to add to the launcher's own.
    log: where stdout and stderr go, appended, inside ``folder``. gpus: for each trial; 0 leaves the choice of devices
    alone. keep_open: file descriptors that the trial's process shall inherit, so that the locks on them last as long
    as it does; a launcher whose trials are no children of its own passes over them.
    """

    name: str
    words: tuple[str, ...]
    folder: Path
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    gpus: int = 0
    keep_open: tuple[int, ...] = ()


class Outcome(Enum):
    """How a trial ended, as its launcher sees it."""

    FINISHED = "finished"  # its program ended with exit code 0
    FAILED = "failed"  # its program ended with another exit code, or by a signal
    INTERRUPTED = "interrupted"  # by no fault of the program (a cancelled job, a lost node): to be taken up again


@dataclass(frozen=True)
class TrialEnd:
    """What became of a trial; reason: one line for people, such as ``exit code 2``, empty where it finished."""

    outcome: Outcome
    reason: str = ""


class TrialHandle(Protocol):
    """A trial that was started."""

    def poll(self) -> TrialEnd | None:
        """What became of it; None while it is not over. Never waits, and is called about twice a second.

        Not over are: running, waiting in a scheduler's queue, and put back into that queue by the scheduler.
        """

    def stop(self) -> None:
        """Ask it to end, by SIGTERM or what stands for it; returns at once. A second call changes nothing."""

    def kill(self) -> None:
        """End it without asking, with all its processes; what the loop does when asking led to nothing."""

    @property
    def where(self) -> str:
        """For people: ``process 4711``, ``SLURM job 12``."""


class TrialLauncher(Protocol):
    """Starts trials."""

    @property
    def slots(self) -> int:
        """How many trials may be not over at once, those in a scheduler's queue included."""

    def start(self, job: TrialJob) -> TrialHandle:
        """Start a trial, or attach to it.

        A launcher whose trials outlive the sweep's process (jobs of a scheduler) keeps their ids in ``job.folder``, and
        attaches to the job of that folder where it is not over: a sweep that was killed and started again calls this
        for the trials that it had started before.

        Raises:
            OSError or InputError: it could not be started; the trial counts as failed.
        """

    def close(self) -> None:
        """Give back what the launcher holds; called once, after the last trial."""
