"""The loop of a sweep on this side: it takes trials, starts them, watches them, and goes on until none is left."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from optuna.exceptions import StorageInternalError

from launcher.sweep.command import named_experiment, trial_words
from launcher.sweep.progress import Progress, table_lines, write_sweep_json
from launcher.sweep.results import SUMMARY, is_logged, logs_of, read_logged, read_result
from launcher.sweep.sweep_file import SweepFile
from launcher.sweep.trial_launcher import Outcome, TrialEnd, TrialHandle, TrialJob, TrialLauncher
from launcher.sweep.trials import Trial, Trials
from steadyface.errors import InputError

TRIAL_LOG = "trial.log"
LOOK_S = 0.2  # between two looks at the trials that run here
IDLE_S = 1.0  # between two looks for a trial while there is none to take
WATCH_S = 1.0  # between two looks at what a trial logged
PATIENCE_S = 60.0  # from asking a trial to end until it is killed
STOPPED = 130  # exit code after SIGINT or SIGTERM
SOME_FAILED = 1


@dataclass
class Running:
    """A trial that this launcher runs."""

    trial: Trial
    handle: TrialHandle
    folder: Path
    pruned: bool = False
    stopped_at: float | None = None
    looked_at: float = 0.0


@dataclass
class SweepRun:
    """A sweep as this launcher goes through it.

    trials: of the sweep; launcher: what starts them; runs: the folder of all runs; overrides: words of the command line
    that each trial gets; gpus: for each trial; environment: of each trial; again: the command that goes on.
    """

    trials: Trials
    launcher: TrialLauncher
    runs: Path
    overrides: tuple[str, ...] = ()
    gpus: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    again: str = ""
    running: list[Running] = field(default_factory=list)
    signalled: int = 0

    @property
    def sweep(self) -> SweepFile:
        return self.trials.sweep

    def run(self) -> int:
        """Go on until every trial is over; returns the exit code: 0, 1 where some failed, 130 where it was stopped.

        Raises:
            InputError: the database that keeps the trials no longer answers; those that ran here were stopped.
        """
        try:
            return self._go_on()
        except StorageInternalError as error:
            self._end_all()
            got, remedy = " ".join(str(error).split()), f"start it, then go on: {self.again}"
            raise InputError("--storage", "a PostgreSQL that answers", got, remedy) from error
        finally:
            self.launcher.close()

    def _go_on(self) -> int:
        progress = Progress(self.trials.planned())
        look_for_more = 0.0
        with self._signals():
            while not self.signalled:
                changed = self._reap()
                if changed or time.monotonic() >= look_for_more:
                    changed |= self._fill()
                    if not self.running and self.trials.over():
                        break
                    self._show(progress)
                    look_for_more = time.monotonic() + IDLE_S
                time.sleep(LOOK_S)
            if self.signalled:
                return self._stop_all()
        return self._conclude()

    def _fill(self) -> bool:
        """Start trials in the free slots."""
        started = False
        while len(self.running) < self.launcher.slots and not self.signalled:
            trial = self.trials.next()
            if trial is None:
                break
            started = True
            self._start(trial)
        return started

    def _start(self, trial: Trial) -> None:
        folder = (self.runs / trial.name).resolve()
        if trial.resumed and self._ended_unseen(trial, folder):
            return
        job = TrialJob(
            name=trial.name,
            words=self._words(trial),
            folder=folder,
            log=folder / TRIAL_LOG,
            environment={**self.environment, "STEADYFACE_SWEEP": self.sweep.name, "STEADYFACE_TRIAL": str(folder)},
            gpus=self.gpus,
            keep_open=trial.lease.descriptors,
        )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle = self.launcher.start(job)
        except Exception as error:
            print(f"trial {trial.number} could not be started: {error}", flush=True)
            self.trials.fail(trial, " ".join(str(error).split()))
            return
        print(f"trial {trial.number} {'taken up again' if trial.resumed else 'started'}: {handle.where}, "
              f"{self.runs / trial.name}", flush=True)  # fmt: skip
        self.running.append(Running(trial, handle, folder))

    def _ended_unseen(self, trial: Trial, folder: Path) -> bool:
        """Whether a trial that was left had come to its end all the same, after its launcher was killed."""
        summary = folder / SUMMARY
        if not summary.is_file() or trial.started is None or summary.stat().st_mtime < trial.started.timestamp():
            return False
        value = self._result(folder)
        if value is not None:
            self.trials.finish(trial, value)
        return value is not None

    def _words(self, trial: Trial) -> tuple[str, ...]:
        words = trial_words(self.sweep.command, trial.point, str(self.sweep.content.get("program", "")))
        named = named_experiment(self.sweep.command) is not None
        return (*words, *self.overrides, *([f"name={trial.name}"] if named else []))

    def _reap(self) -> bool:
        """Look at the trials that run here; True where one is over."""
        before = len(self.running)
        for run in list(self.running):
            end = run.handle.poll()
            if end is not None:
                self.running.remove(run)
                self._settle(run, end)
            elif run.stopped_at is not None:
                if time.monotonic() - run.stopped_at > PATIENCE_S:
                    run.handle.kill()
            elif self.sweep.early_terminate is not None:
                self._watch(run)
        if self.running and not self.trials.leases.alive():
            print("the database's connection was lost, and the leases with it: stopping", flush=True)
            self.signalled = signal.SIGTERM
        return len(self.running) < before

    def _watch(self, run: Running) -> None:
        """Tell what the trial logged of the metric; stop it where it is not among the best."""
        now, metric = time.monotonic(), self.sweep.metric
        if metric is None or now - run.looked_at < WATCH_S:
            return
        run.looked_at = now
        logs = logs_of(run.folder)
        if logs and self.trials.report(run.trial, read_logged(logs[0], metric.name)):
            print(f"trial {run.trial.number} is not among the best: stopped early", flush=True)
            self.trials.prune(run.trial)
            run.pruned, run.stopped_at = True, now
            run.handle.stop()

    def _settle(self, run: Running, end: TrialEnd) -> None:
        """Note what became of a trial that is over."""
        trial, metric = run.trial, self.sweep.metric
        if run.pruned:
            trial.lease.release()
        elif end.outcome is Outcome.INTERRUPTED:
            self.trials.leave(trial, interrupted=True)
        elif end.outcome is Outcome.FAILED:
            said = last_line(run.folder / TRIAL_LOG)
            error = f"{end.reason}: {said}" if said else end.reason
            print(f"trial {trial.number} failed, {error}", flush=True)
            self.trials.fail(trial, error)
        elif (value := self._result(run.folder)) is not None:
            self.trials.finish(trial, value)
        else:
            name = metric.name if metric else ""
            place = "metrics.csv of its adaptation" if is_logged(name) else SUMMARY
            self.trials.fail(trial, f"it ended without a number {name} in {place}")

    def _result(self, folder: Path) -> float | None:
        """The metric; 0 where the sweep has none."""
        return 0.0 if self.sweep.metric is None else read_result(folder, self.sweep.metric.name)

    def _show(self, progress: Progress) -> None:
        rows = self.trials.rows()
        progress.show(rows, len(self.running))
        write_sweep_json(self.runs / self.sweep.name, self.sweep, rows)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM end the loop; the second one kills the trials."""

        def note(number: int, frame: FrameType | None) -> None:
            if self.signalled:
                for run in self.running:
                    run.handle.kill()
            self.signalled = number

        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop_all(self) -> int:
        """Ask every trial to end, give them back, and say how to go on."""
        print(f"stopping {len(self.running)} trials", flush=True)
        for run, end in self._end_all():
            if end.outcome is Outcome.FINISHED:
                self._settle(run, end)
            else:
                self.trials.leave(run.trial)
        write_sweep_json(self.runs / self.sweep.name, self.sweep, self.trials.rows())
        print(f"stopped. To go on: {self.again}", flush=True)
        return STOPPED

    def _end_all(self) -> list[tuple[Running, TrialEnd]]:
        """Ask every trial that runs here to end, wait until they have, and say how each did."""
        for run in self.running:
            run.handle.stop()
            run.stopped_at = run.stopped_at or time.monotonic()
        ended = []
        while self.running:
            for run in list(self.running):
                end = run.handle.poll()
                if end is not None:
                    self.running.remove(run)
                    ended.append((run, end))
                elif time.monotonic() - (run.stopped_at or 0.0) > PATIENCE_S:
                    run.handle.kill()
            time.sleep(LOOK_S)
        return ended

    def _conclude(self) -> int:
        rows = self.trials.rows()
        write_sweep_json(self.runs / self.sweep.name, self.sweep, rows)
        print("\n" + "\n".join(table_lines(self.sweep, rows)), flush=True)
        failed = any(row.state == "failed" for row in rows)
        if failed:
            print(f"\nto try the failed ones again: {self.again} --retry-failed", flush=True)
        return SOME_FAILED if failed else 0


def last_line(log: Path) -> str:
    """The last line with words in it of a trial's log; empty where there is none."""
    if not log.is_file():
        return ""
    with log.open("rb") as stream:
        stream.seek(max(0, stream.seek(0, 2) - 65536))
        lines = stream.read().decode(errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
