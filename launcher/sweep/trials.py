"""The trials of a sweep over an Optuna study: taken, reported, finished, taken up again.

Who holds the lease of a trial, and nobody else, changes its state; trials are chosen by one launcher at a time. A trial
that says "running" and whose lease is free was left by a launcher that is gone, and is taken up again: the same
parameters, the same folder.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from launcher.sweep.leases import Lease, Leases, turn
from launcher.sweep.parameters import Point, grid_points
from launcher.sweep.samplers import pruner_of, sampler_of
from launcher.sweep.space import Space
from launcher.sweep.sweep_file import SweepFile
from steadyface.errors import InputError

MOST_INTERRUPTIONS = 5
MOST_DRAWS = 50  # of a point that was not there before; after that there are hardly any left
DEFINITION, ERROR, DUPLICATE, RETRY, INTERRUPTIONS = "definition", "error", "duplicate_of", "retry_of", "interruptions"


@dataclass(frozen=True)
class Trial:
    """A trial that this launcher holds.

    number: in the study; name: of its folder; resumed: whether another launcher, or an earlier one, had begun it;
    started: when it was begun first.
    """

    number: int
    id: int
    name: str
    point: Point
    resumed: bool
    started: datetime | None
    lease: Lease


@dataclass(frozen=True)
class TrialRow:
    """What became of a trial so far; state is waiting, running, finished, stopped early or failed."""

    number: int
    name: str
    point: Point
    state: str
    value: float | None
    error: str
    seconds: float | None


class Trials:
    """The trials of one sweep, shared by every launcher of it.

    Args:
        sweep: what is swept.
        storage, leases: of `launcher.sweep.storage.open_storage`.
        words: settings of the command line, which every trial gets.
        retry: let the failed ones wait again.

    Raises:
        InputError: the storage holds a sweep of this name that was begun with other parameters.
    """

    def __init__(
        self, sweep: SweepFile, storage: BaseStorage, leases: Leases, words: tuple[str, ...] = (), retry: bool = False
    ) -> None:
        self.sweep, self.leases, self._storage, self.space = sweep, leases, storage, Space(sweep)
        direction = StudyDirection.MINIMIZE
        if sweep.metric is not None and sweep.metric.goal == "maximize":
            direction = StudyDirection.MAXIMIZE
        with turn(leases):
            self.study = optuna.create_study(
                study_name=sweep.name, storage=storage, direction=direction, load_if_exists=True,
                pruner=pruner_of(sweep.early_terminate),
            )  # fmt: skip
            self._check_definition(definition(sweep, words))
            if sweep.method == "grid":
                self._enqueue_grid()
            if retry:
                self._enqueue_failed()

    def next(self) -> Trial | None:
        """Take a trial: one that was left, one that waits, or a new one; None where there is none to take now."""
        with turn(self.leases):
            open_trials = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING, TrialState.WAITING))
            for trial in sorted(open_trials, key=lambda trial: trial.state != TrialState.RUNNING):
                if (taken := self._take(trial)) is not None:
                    return taken
            return self._draw()

    def over(self) -> bool:
        """Whether nothing runs, nothing waits and nothing new is to come."""
        states = (TrialState.RUNNING, TrialState.WAITING)
        return not self.study.get_trials(deepcopy=False, states=states) and not self._more()

    def report(self, trial: Trial, values: list[float]) -> bool:
        """Tell what a trial logged of the metric so far, all of it; True where it is to be stopped."""
        kept = self._storage.get_trial(trial.id).intermediate_values
        for step, value in enumerate(values, start=1):
            if step in kept:  # a trial that goes on logs again what its checkpoint did not cover
                continue
            self._storage.set_trial_intermediate_value(trial.id, step, value)
            frozen = self._storage.get_trial(trial.id)
            if self.study.pruner.prune(self.study, frozen):
                return True
        return False

    def finish(self, trial: Trial, value: float) -> None:
        """The trial ended with this value of the metric."""
        self._end(trial, TrialState.COMPLETE, value)

    def fail(self, trial: Trial, error: str) -> None:
        """The trial failed; the sweep goes on."""
        self._storage.set_trial_user_attr(trial.id, ERROR, error)
        self._end(trial, TrialState.FAIL)

    def prune(self, trial: Trial) -> None:
        """The trial is to be stopped early: said at once, its lease stays until `leave`, when its process is over."""
        self._storage.set_trial_state_values(trial.id, TrialState.PRUNED)

    def leave(self, trial: Trial, *, interrupted: bool = False) -> None:
        """Give a trial back unfinished: it is taken up again. After many interruptions it counts as failed."""
        if interrupted:
            count = self._storage.get_trial(trial.id).user_attrs.get(INTERRUPTIONS, 0) + 1
            self._storage.set_trial_user_attr(trial.id, INTERRUPTIONS, count)
            if count >= MOST_INTERRUPTIONS:
                self.fail(trial, f"interrupted {count} times")
                return
        trial.lease.release()

    def rows(self) -> list[TrialRow]:
        """Every trial, the newest where one was tried again, in the order of their numbers."""
        newest = {self.space.name_of(self.space.point(trial)): trial for trial in self._complete_trials()}
        rows = [self._row(name, trial) for name, trial in newest.items()]
        return sorted(rows, key=lambda row: row.number)

    def planned(self) -> int | None:
        """How many trials the sweep has in all; None where it goes on without an end."""
        if self.sweep.method == "grid":
            size = sum(1 for _ in grid_points(self.sweep.parameters))
            return min(size, self.sweep.run_cap or size)
        return self.sweep.run_cap

    def _check_definition(self, now: str) -> None:
        begun = self.study.user_attrs.get(DEFINITION)
        if begun is None:
            self.study.set_user_attr(DEFINITION, now)
        elif begun != now:
            was, is_now = json.loads(begun), json.loads(now)
            got = ", ".join(key for key in is_now if is_now[key] != was.get(key))
            remedy = f"give the changed one a name: of its own ({self.sweep.name} is taken), or undo the change"
            expected = "the sweep as it was begun"
            raise InputError(self.sweep.path, expected, f"another {got}", remedy)

    def _enqueue_grid(self) -> None:
        """Let every point that is not there yet wait its turn; Optuna's own grid may run some of them twice."""
        known = {self.space.name_of(self.space.point(trial)) for trial in self._complete_trials()}
        for point in islice(grid_points(self.sweep.parameters), self.sweep.run_cap):
            if self.space.name_of(point) not in known:
                self._enqueue(self.space.latents(point))

    def _enqueue_failed(self) -> None:
        for row in self.rows():
            if row.state == "failed":
                trial = self.study.get_trials(deepcopy=False)[row.number]
                self._enqueue(trial.params, {RETRY: row.number})

    def _enqueue(self, latents: dict[str, Any], attributes: dict[str, Any] | None = None) -> None:
        self.study.enqueue_trial(latents, user_attrs=attributes)

    def _take(self, seen: FrozenTrial) -> Trial | None:
        """Take an open trial, where its lease is free."""
        if not self.space.is_whole(seen):  # its launcher was killed in the middle of drawing it
            self.space.suggest(self.study, seen._trial_id)
            seen = self._storage.get_trial(seen._trial_id)
        point = self.space.point(seen)
        if self._drop_duplicate(seen, point):
            return None
        lease = self.leases.take(self.space.name_of(point))
        if lease is None:
            return None
        now = self._storage.get_trial(seen._trial_id)  # it may have ended before the lease was free
        if now.state.is_finished():
            lease.release()
            return None
        if now.state == TrialState.WAITING:
            self._storage.set_trial_state_values(now._trial_id, TrialState.RUNNING)
            self.space.suggest(self.study, now._trial_id)
        return self._trial(now, point, lease, resumed=now.state == TrialState.RUNNING)

    def _draw(self) -> Trial | None:
        """A new trial, where the sweep has more."""
        for _ in range(MOST_DRAWS if self.sweep.method != "grid" else 0):
            if not self._more():
                return None
            self.study.sampler = sampler_of(self.sweep, len(self.study.get_trials(deepcopy=False)))
            trial_id = self._storage.create_new_trial(self.study._study_id)
            self.space.suggest(self.study, trial_id)
            drawn = self._storage.get_trial(trial_id)
            point = self.space.point(drawn)
            if self._drop_duplicate(drawn, point):
                continue
            lease = self.leases.take(self.space.name_of(point))
            return None if lease is None else self._trial(drawn, point, lease, resumed=False)
        return None

    def _more(self) -> bool:
        """Whether a new trial may be drawn."""
        if self.sweep.method == "grid" or self._reached_target():
            return False
        trials = self._complete_trials()
        names = {self.space.name_of(self.space.point(trial)) for trial in trials}
        drawn_in_vain = 0
        for trial in self.study.get_trials(deepcopy=False):
            drawn_in_vain = drawn_in_vain + 1 if DUPLICATE in trial.user_attrs else 0
        return len(names) < (self.sweep.run_cap or len(names) + 1) and drawn_in_vain < MOST_DRAWS

    def _reached_target(self) -> bool:
        metric = self.sweep.metric
        if metric is None or metric.target is None:
            return False
        values = [row.value for row in self.rows() if row.state == "finished" and row.value is not None]
        if metric.goal == "minimize":
            return any(value <= metric.target for value in values)
        return any(value >= metric.target for value in values)

    def _drop_duplicate(self, trial: FrozenTrial, point: Point) -> bool:
        """Fail a drawn trial whose point was there before; the samplers pass over it."""
        if RETRY in trial.user_attrs or trial.state == TrialState.WAITING:
            return False
        name = self.space.name_of(point)
        for other in self._complete_trials():
            if other.number < trial.number and self.space.name_of(self.space.point(other)) == name:
                self._storage.set_trial_user_attr(trial._trial_id, DUPLICATE, other.number)
                self._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
                return True
        return False

    def _complete_trials(self) -> list[FrozenTrial]:
        """Every trial whose parameters are known, and that is no duplicate of another."""
        trials = self.study.get_trials(deepcopy=False)
        return [trial for trial in trials if self.space.is_whole(trial) and DUPLICATE not in trial.user_attrs]

    def _trial(self, trial: FrozenTrial, point: Point, lease: Lease, resumed: bool) -> Trial:
        started = trial.datetime_start
        return Trial(trial.number, trial._trial_id, self.space.name_of(point), point, resumed, started, lease)

    def _end(self, trial: Trial, state: Any, value: float | None = None) -> None:
        self._storage.set_trial_state_values(trial.id, state, None if value is None else [value])
        trial.lease.release()

    def _row(self, name: str, trial: FrozenTrial) -> TrialRow:
        words = {"WAITING": "waiting", "RUNNING": "running", "COMPLETE": "finished", "PRUNED": "stopped early"}
        state = words.get(trial.state.name, "failed")
        reports = trial.intermediate_values
        value = reports[max(reports)] if state == "stopped early" and reports else trial.value
        seconds = trial.duration.total_seconds() if trial.duration else None
        error = str(trial.user_attrs.get(ERROR, ""))
        return TrialRow(trial.number, name, self.space.point(trial), state, value, error, seconds)


def definition(sweep: SweepFile, words: tuple[str, ...]) -> str:
    """What must not change while a sweep goes on, as JSON; the run cap and the early stop may."""
    kept = {key: sweep.content.get(key) for key in ("method", "metric", "parameters")}
    return json.dumps({**kept, "command": [*sweep.command, *words]}, sort_keys=True)
