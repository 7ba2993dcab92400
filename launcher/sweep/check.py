"""What the experiment itself says to a sweep: its points are built, and its metric looked for, before anything starts.

Building an experiment takes torch, and hundreds of megabytes with it: it is done in a process of its own, so that the
sweep stays small for as long as it runs.
"""

from __future__ import annotations

import difflib
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from launcher.sweep.command import NamedExperiment, arguments, named_experiment
from launcher.sweep.parameters import Point, example_points, grid_points, grid_size
from launcher.sweep.results import is_logged
from launcher.sweep.sweep_file import SweepFile, read_sweep
from steadyface.errors import InputError

WHOLE_GRID = 64  # points up to which each of a grid is built; of more, the words and ends of each parameter
OURS = ("name", "runs")  # settings that a sweep sets, or that its trials share

FaultParts = tuple[str, str, str, str]  # of an InputError, which cannot be sent between processes


class Facts(NamedTuple):
    """What a sweep needs of its experiment."""

    runs: str = "runs"
    wandb_mode: str = "offline"
    wandb_project: str = "steadyface"
    wandb_entity: str = ""


@dataclass(frozen=True)
class Checked:
    """The outcome of a check, in plain parts."""

    facts: Facts
    faults: tuple[FaultParts, ...]


def check_sweep(path: Path, overrides: Sequence[str] = ()) -> tuple[SweepFile, Facts]:
    """Read a sweep file and build what it names.

    Args:
        path: of the sweep file; overrides: ``key=value`` words for every trial.

    Raises:
        InputError or ExceptionGroup: all faults at once; nothing was started.
    """
    sweep = read_sweep(path)
    named = named_experiment(sweep.command)
    if named is None:
        return sweep, Facts(runs=_runs_of(overrides))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as apart:
        checked = apart.submit(check_against_experiment, path, tuple(overrides)).result()
    if checked.faults:
        raise ExceptionGroup(f"faults in {path}", [InputError(*parts) for parts in checked.faults])
    return sweep, checked.facts


def check_against_experiment(path: Path, overrides: Sequence[str]) -> Checked:
    """Build the experiment at the points of a sweep, and look for its metric; the sweep file itself has no faults."""
    sweep = read_sweep(path)
    named = named_experiment(sweep.command)
    assert named is not None
    found: dict[FaultParts, None] = {}  # an ordered set: one fault shows at many points
    facts = Facts(_runs_of(overrides))
    for error in _faults_of_words(sweep, named, overrides):
        found[_parts(error)] = None
    for point in _points(sweep):
        try:
            facts = _build(sweep, named, overrides, point)
        except* InputError as group:
            for error in _leaves(group):
                found[_parts(_named_after(sweep, error, point))] = None
    return Checked(facts, tuple(found))


def _points(sweep: SweepFile) -> Iterator[Point]:
    if sweep.method == "grid" and grid_size(sweep.parameters) <= WHOLE_GRID:
        return islice(grid_points(sweep.parameters), sweep.run_cap)
    return example_points(sweep.parameters)


def _build(sweep: SweepFile, named: NamedExperiment, overrides: Sequence[str], point: Point) -> Facts:
    """Build the experiment at one point; raises what is wrong with it or with the metric."""
    from launcher.load import load_experiment
    from launcher.sweep.metric_names import known_metrics

    words = [*named.overrides, *arguments("args_no_hyphens", point), *overrides]
    experiment = load_experiment(named.path, words)
    if sweep.metric is not None:
        known = known_metrics(experiment)
        if sweep.early_terminate is not None:
            known = [name for name in known if is_logged(name)]
        if sweep.metric.name not in known:
            raise _unknown_metric(sweep, known)
    wandb = experiment.wandb
    return Facts(experiment.runs, wandb.mode, wandb.project, getattr(wandb, "entity", ""))


def _unknown_metric(sweep: SweepFile, known: Sequence[str]) -> InputError:
    assert sweep.metric is not None
    name = sweep.metric.name
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
    stopping = sweep.early_terminate is not None
    kind = "a metric that the adaptation logs while it trains" if stopping else "a metric that the experiment logs"
    return InputError(f"{sweep.path.name}: metric.name", kind, f"'{name}'", f"the nearest known one is {near}")


def _faults_of_words(sweep: SweepFile, named: NamedExperiment, overrides: Sequence[str]) -> Iterator[InputError]:
    """Parameters that a sweep sets itself, and settings that are given twice."""
    for name in sweep.parameters:
        if name in OURS:
            remedy = "each trial gets its own folder" if name == "name" else "give it on the command line"
            yield InputError(f"{sweep.path.name}: parameters.{name}", "a setting that may vary", name, remedy)
    for word in overrides:
        key = word.partition("=")[0]
        if key in sweep.parameters:
            yield InputError(word, "a setting that the sweep leaves alone", "one of its parameters", "leave it out")
    for word in (*named.overrides, *overrides):
        if word.partition("=")[0] == "name":
            remedy = "leave it out: a sweep names its trials itself"
            yield InputError(word, "settings other than name", "a name", remedy)


def _named_after(sweep: SweepFile, error: InputError, point: Point) -> InputError:
    """A fault under the name of the parameter that it came by, where one did.

    A path breaks off where its first unknown part is: the nearest known one is that of the whole path.
    """
    from launcher.resolve import known_keys, unknown_key
    from launcher.settings import Experiment

    subject = error.subject.removeprefix("command line: ")
    for name in point:
        if name == subject or name.startswith(f"{subject}."):
            unknown = unknown_key("", name, known_keys(Experiment))
            remedy = unknown.remedy if error.got == unknown.got else error.remedy
            return InputError(f"{sweep.path.name}: parameters.{name}", error.expected, error.got, remedy)
    return error


def _runs_of(overrides: Sequence[str]) -> str:
    given = [word.partition("=")[2] for word in overrides if word.startswith("runs=")]
    return given[-1] if given else "runs"


def _parts(error: InputError) -> FaultParts:
    return error.subject, error.expected, error.got, error.remedy


def _leaves(group: BaseExceptionGroup[InputError]) -> Iterator[InputError]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
