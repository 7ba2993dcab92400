"""``steadyface resume``: goes on with what was stopped, out of its own folder; it never starts from scratch.

The folder's own resolved experiment says what is run. A stage goes on with everything: weights, optimiser, schedules,
place in the data, guards, best so far, W&B id. ``source:`` in an experiment is another thing: it takes a network's
weights alone, for a new adaptation. It is among the inputs of an adaptation's hash: a resumed one keeps its source, and
another source is another stage.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from launcher.checkpoint_io import saved_step
from launcher.execution import say
from launcher.experiment import run_experiment
from launcher.load import load_experiment
from launcher.locks import running_in
from launcher.plan import make_plan
from launcher.runs import EXPERIMENT, LAST_CHECKPOINT, RECORD, find_finished, find_unfinished, read_record
from launcher.settings import Experiment
from launcher.unfinished import UNFINISHED, is_running
from steadyface.errors import InputError


def resume(run: Path) -> None:
    """Go on with a stage, or an experiment, and with what of its experiment comes after it.

    Args:
        run: a stage's folder or an experiment's. One that is finished is said to be so.

    Raises:
        InputError: where there is nothing to go on from, or it runs now.
    """
    if not run.is_dir():
        remedy = "give runs/<experiment> or runs/<experiment>/<stage>; steadyface runs lists them"
        raise InputError(run, "a run's folder", "a file" if run.exists() else "nothing there", remedy)
    run = run.resolve()
    is_stage = (run / RECORD).is_file()
    experiment = _stopped_stage(run) if is_stage else _stopped_experiment(run)
    if experiment is not None:
        say(f"resuming {experiment.name} in {Path(experiment.runs) / experiment.name}")
        run_experiment(experiment)


def _stopped_stage(folder: Path) -> Experiment | None:
    """The experiment to go on with from a stage's folder; None where the stage is finished."""
    record, runs = read_record(folder), folder.parent.parent
    if running_in(runs, folder.name):
        raise InputError(folder, "a stopped stage", "one that a process works on now", "wait for it, or stop it")
    elsewhere = [path for path in sorted(runs.glob(f"*/{folder.name}")) if _is_finished(path)]
    if elsewhere:
        whole = f"go on with its experiment: steadyface resume {folder.parent}"
        say(f"{elsewhere[0]}: finished, nothing to resume; {whole}")
        return None
    path = folder / EXPERIMENT
    if record is None or not (folder / LAST_CHECKPOINT).is_file() or not path.is_file():
        remedy = f"start it: steadyface run {path}" if path.is_file() else "start its experiment: steadyface run"
        raise InputError(folder, "a checkpoint to go on from", "none", remedy)
    saved_step(str(folder / LAST_CHECKPOINT))  # a broken one is refused before anything starts
    experiment = _load(path, folder.parent)
    if folder.name not in {stage.folder_name for stage in make_plan(experiment).stages()}:
        remedy = "put its inputs back as they were, or run the experiment anew: steadyface run"
        raise InputError(folder, "the inputs that it was begun with", "others", remedy)
    return experiment


def _stopped_experiment(folder: Path) -> Experiment | None:
    """The experiment to go on with in its folder; None where it is finished."""
    if is_running(folder):
        raise InputError(folder, "a stopped experiment", "one that runs now", "wait for it, or stop it")
    path = _unfinished_yaml(folder)
    if path is None and (folder / "summary.json").is_file():
        say(f"{folder}: finished, nothing to resume")
        return None
    if path is None:
        remedy = "start one: steadyface run EXPERIMENT.yaml; steadyface runs lists what is there"
        raise InputError(folder, "a run to go on with", "a folder without one", remedy)
    experiment = _load(path, folder)
    stages, runs = list(make_plan(experiment).stages()), Path(experiment.runs)
    if not any(find_finished(runs, stage) or find_unfinished(runs, stage) for stage in stages):
        expected = "a finished stage or a checkpoint to go on from"
        raise InputError(folder, expected, "none", f"start it: steadyface run {path}")
    return experiment


def _unfinished_yaml(folder: Path) -> Path | None:
    """What was begun last in an experiment's folder and not ended; None for nothing."""
    if (folder / UNFINISHED).is_file():
        return folder / UNFINISHED
    records = [path for path in folder.glob(f"*/{RECORD}") if not _is_finished(path.parent)]
    begun = [path.with_name(EXPERIMENT) for path in sorted(records, key=lambda path: path.stat().st_mtime_ns)]
    return next((path for path in reversed(begun) if path.is_file()), None)


def _is_finished(folder: Path) -> bool:
    record = read_record(folder)
    return record is not None and record.state == "finished"


def _load(path: Path, folder: Path) -> Experiment:
    """The experiment of a resolved file; its folder is where it lies now, also where it was moved."""
    return replace(load_experiment(path), name=folder.name, runs=str(folder.parent))
