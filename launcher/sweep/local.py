"""Trials as processes of this machine, each the head of a process group of its own."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

from launcher.sweep.trial_launcher import Outcome, TrialEnd, TrialJob
from steadyface.errors import InputError

VISIBLE = "CUDA_VISIBLE_DEVICES"
_PR_SET_PDEATHSIG = 1


class LocalLauncher:
    """Starts trials as processes.

    Args:
        slots: how many at once.
        devices: the GPUs that trials share out, as ``CUDA_VISIBLE_DEVICES`` names them; empty leaves them alone.
    """

    def __init__(self, slots: int, devices: Sequence[str] = ()) -> None:
        self.slots = slots
        self._free = list(devices)

    def start(self, job: TrialJob) -> LocalTrial:
        """Start a trial. The system ends it, by SIGTERM, when this process is killed."""
        taken = [self._free.pop(0) for _ in range(job.gpus)]
        environment = {**os.environ, **job.environment} | ({VISIBLE: ",".join(taken)} if taken else {})
        try:
            with job.log.open("ab") as log:
                process = subprocess.Popen(
                    job.words, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment,
                    start_new_session=True, pass_fds=job.keep_open, preexec_fn=_dies_with(os.getpid()),
                )  # fmt: skip
        except BaseException:
            self._free += taken
            raise
        return LocalTrial(process, lambda: self._free.extend(taken))

    def close(self) -> None:
        """Nothing is held."""


class LocalTrial:
    """A trial that is a process.

    Args:
        process: the head of its own group.
        when_over: called once, when it is over.
    """

    def __init__(self, process: subprocess.Popen[bytes], when_over: Callable[[], None]) -> None:
        self._process, self._when_over = process, when_over
        self._end: TrialEnd | None = None
        self._asked = False

    @property
    def where(self) -> str:
        return f"process {self._process.pid}"

    def poll(self) -> TrialEnd | None:
        """What became of the process; None while it runs."""
        code = self._process.poll() if self._end is None else None
        if code is not None:
            if self._asked:  # what it left of its own
                self._signal_group(signal.SIGKILL)
            self._end = end_of(code)
            self._when_over()
        return self._end

    def stop(self) -> None:
        """SIGTERM to the head of the group, which ends its own workers as it likes."""
        if not self._asked and self._process.poll() is None:
            self._process.terminate()
        self._asked = True

    def kill(self) -> None:
        """SIGKILL to the whole group."""
        self._asked = True
        self._signal_group(signal.SIGKILL)

    def _signal_group(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def end_of(code: int) -> TrialEnd:
    """What an exit code says, negative for a signal.

    >>> end_of(-9).reason
    'killed by SIGKILL'
    """
    if code == 0:
        return TrialEnd(Outcome.FINISHED)
    return TrialEnd(Outcome.FAILED, f"exit code {code}" if code > 0 else f"killed by {signal.Signals(-code).name}")


def devices_of_this_machine() -> list[str]:
    """The GPUs as ``CUDA_VISIBLE_DEVICES`` names them: those that are visible, or all that the driver lists."""
    if VISIBLE in os.environ:
        return [name for name in os.environ[VISIBLE].split(",") if name.strip()]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60).stdout
    return [str(index) for index, line in enumerate(listed.splitlines()) if line.startswith("GPU ")]


def local_launcher(workers: int, gpus_per_trial: int) -> LocalLauncher:
    """Worker slots on this machine.

    Raises:
        InputError: fewer GPUs than the slots need.
    """
    if not gpus_per_trial:
        return LocalLauncher(workers)
    devices, needed = devices_of_this_machine(), workers * gpus_per_trial
    if len(devices) < needed:
        expected = f"{needed} GPUs for {workers} workers of {gpus_per_trial}"
        remedy = f"write --workers {max(1, len(devices) // gpus_per_trial)}" if devices else "leave it out"
        raise InputError("--gpus-per-trial", expected, str(len(devices)), remedy)
    return LocalLauncher(workers, devices[:needed])


def _dies_with(parent: int) -> Callable[[], None] | None:
    """What a new process does first: ask the system (Linux) for a SIGTERM at its parent's death."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it died before this was asked
            os._exit(1)

    return ask
