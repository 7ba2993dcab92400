"""What lies under a folder of runs: experiments and their stages, how far each is, newest first."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from callbacks.progress import duration
from launcher.locks import running_in
from launcher.metrics_file import read_metrics
from launcher.outcome import ADAPTED
from launcher.runs import LAST_CHECKPOINT, RECORD, RunRecord, read_record
from launcher.unfinished import UNFINISHED, is_running
from steadyface.errors import InputError

LEAST = ("val/vertex_error_mm",)  # metrics whose lowest value tells; of others the last does
LAST = ("val/acceleration_px_s2", "train/loss")
SCORE = "reprojection_error_px"
MAIN_CLIP = "adapted_clip"
ACTIVITY = (RECORD, "metrics.csv", str(LAST_CHECKPOINT), "summary.json", "log.txt", UNFINISHED)


@dataclass(frozen=True)
class ListedRun:
    """An experiment (``stage`` empty) or a stage of one.

    state: running (a living process works on it), interrupted, failed, finished, or unreadable; age_s: seconds since
    it was last written to; seconds: of training in all; step, steps: optimiser steps done and wanted, 0 where it has
    none; metric, value: its best or last figure, empty and None without one; error: what ended it.
    """

    experiment: str
    stage: str
    label: str
    state: str
    age_s: float
    seconds: float = 0.0
    step: int = 0
    steps: int = 0
    metric: str = ""
    value: float | None = None
    error: str = ""


def list_runs(runs: Path) -> list[ListedRun]:
    """Every experiment under ``runs`` followed by its stages, those written to last first.

    Raises:
        InputError: when there is no such folder.
    """
    if not runs.is_dir():
        raise InputError(runs, "a folder of runs", "nothing there", "give the folder that experiments name by runs=")
    groups = []
    for folder in sorted(path for path in runs.iterdir() if path.is_dir() and not path.name.startswith(".")):
        stages = [list_stage(runs, path.parent) for path in sorted(folder.glob(f"*/{RECORD}"))]
        if stages or any((folder / name).is_file() for name in (UNFINISHED, "summary.json")):
            stages.sort(key=lambda run: run.age_s)
            groups.append([list_experiment(folder, stages), *stages])
    return [run for group in sorted(groups, key=lambda group: group[0].age_s) for run in group]


def list_stage(runs: Path, folder: Path) -> ListedRun:
    """One stage; a record of another version, or one that cannot be read, is a state of its own."""
    experiment, stage, age_s = folder.parent.name, folder.name, _age(folder)
    try:
        record = read_record(folder)
    except InputError as fault:
        error = f"expected {fault.expected}, got {fault.got}"
        return ListedRun(experiment, stage, stage, "unreadable", age_s, error=error)
    assert record is not None  # its file is what led here
    runs_now = running_in(runs, folder.name) == str(folder.relative_to(runs))
    stopped = "interrupted" if record.state == "running" else record.state
    steps = int(record.settings.get(record.kind, {}).get("steps", 0))
    step, metric, value = read_progress(folder / "metrics.csv")
    return ListedRun(
        experiment, stage, record.label, "running" if runs_now else stopped, age_s,
        _seconds(record, folder, runs_now), min(step, steps), steps, metric, value,
        "" if runs_now else record.error,
    )  # fmt: skip


def list_experiment(folder: Path, stages: Sequence[ListedRun]) -> ListedRun:
    """One experiment, by its own marks and its stages."""
    metric, value = read_score(folder / "summary.json")
    states = {stage.state for stage in stages}
    failed = next((stage for stage in stages if stage.state == "failed"), None)
    if is_running(folder) or "running" in states:
        state = "running"
    elif failed is not None:
        state = "failed"
    elif (folder / UNFINISHED).is_file() or "interrupted" in states:
        state = "interrupted"
    else:
        state = "unreadable" if "unreadable" in states else "finished"
    return ListedRun(
        folder.name, "", folder.name, state, min([_age(folder), *(stage.age_s for stage in stages)]),
        sum(stage.seconds for stage in stages), metric=metric, value=value,
        error=f"{failed.label}: {failed.error}" if failed is not None and state == "failed" else "",
    )  # fmt: skip


def read_progress(path: Path) -> tuple[int, str, float | None]:
    """(steps done, metric, value) of a ``metrics.csv``: the least vertex error, or else what was logged last."""
    step, least, last = 0, dict[str, float](), dict[str, float]()
    for at, name, value in read_metrics(path) if path.is_file() else []:
        step, last[name] = max(step, at + 1), value
        least[name] = min(value, least.get(name, value))
    for metric, values in [*((name, least) for name in LEAST), *((name, last) for name in LAST)]:
        if metric in values:
            return step, metric, values[metric]
    return step, "", None


def read_score(path: Path) -> tuple[str, float | None]:
    """The reprojection error of what an experiment is about: adapted, else the source; median over seeds."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))[MAIN_CLIP]
        values = rows.get(ADAPTED, rows["source"])[SCORE]
        return SCORE, median(float(value) for value in values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return "", None


def table(runs: Sequence[ListedRun]) -> Iterator[str]:
    """A line a run, the stages indented under their experiments; what went wrong on a line of its own."""
    yield f"{'run':44} {'state':12} {'age':>14} {'time':>14} {'steps':>12}  best or last"
    for run in runs:
        name = f"  {run.stage}" if run.stage else run.experiment
        steps = f"{run.step}/{run.steps}" if run.steps else ""
        figure = f"{run.metric} {run.value:.4g}" if run.value is not None else ""
        yield (
            f"{name:44} {run.state:12} {duration(run.age_s):>14} {duration(run.seconds):>14} {steps:>12}  {figure}"
        ).rstrip()
        if run.error and run.state != "finished":
            yield f"      {run.error}"


def _age(folder: Path) -> float:
    written = [path.stat().st_mtime for name in ACTIVITY if (path := folder / name).exists()]
    return max(0.0, time.time() - max(written, default=folder.stat().st_mtime))


def _seconds(record: RunRecord, folder: Path, runs_now: bool) -> float:
    """Of training in all; that of a stage that runs is since its record was written."""
    return record.seconds + (time.time() - (folder / RECORD).stat().st_mtime if runs_now else 0.0)
