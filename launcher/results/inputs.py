"""Finished experiments as one study: each run is a subject, with the same rows, clips and seeds."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from launcher.outcome import Outcome, load_outcome
from launcher.runs import RunRecord, read_record
from launcher.settings import STUDIO
from launcher.summary import Row, Summary, ordered_rows
from steadyface.errors import InputError
from steadyface.metrics.statistics import Nested

CLIPS = ("held_out_clip", "adapted_clip")


@dataclass(frozen=True)
class SubjectRun:
    """One finished experiment.

    settings: of ``experiment.yaml``; records: of the stages' folders; lab: the hash of its lab capture.
    """

    folder: Path
    summary: Summary
    settings: dict[str, Any]
    records: tuple[RunRecord, ...]
    seconds: dict[str, float]
    lab: str

    @property
    def subject(self) -> str:
        """The subject's name: the studio's identity, or the lab capture's folder."""
        folder = str(self.settings.get("lab", {}).get("folder", ""))
        if folder.startswith(STUDIO):
            return f"studio identity {self.settings.get('studio', {}).get('identity_seed')}"
        return f"capture {Path(folder).name}"


@dataclass(frozen=True)
class Study:
    """Runs that fit. rows: clip -> the rows that every run has; left_out: what not every run has, in words."""

    runs: tuple[SubjectRun, ...]
    rows: dict[str, list[str]]
    left_out: tuple[str, ...]

    @property
    def seeds(self) -> list[int]:
        return self.runs[0].summary["seeds"]

    def values(self, clip: str, row: str, metric: str) -> Nested | None:
        """``[subject][clip][seed]``, one clip of the kind each; None unless every run has finite values."""
        found = [run.summary[clip][row].get(metric) for run in self.runs]
        if any(not seeds or any(value is None for value in seeds) for seeds in found):
            return None
        return [[seeds] for seeds in found]


def read_study(folders: Sequence[Path]) -> Study:
    """Read and check the runs.

    Raises:
        InputError: for a folder without results, a subject given twice, seeds that differ, or nothing in common.
    """
    runs = tuple(read_run(folder) for folder in folders)
    check_subjects(runs)
    for run in runs[1:]:
        if run.summary["seeds"] != runs[0].summary["seeds"]:
            expected = f"seeds {runs[0].summary['seeds']} as {runs[0].folder} has"
            remedy = "run it again with those seeds, or leave it out"
            raise InputError(run.folder, expected, str(run.summary["seeds"]), remedy)
    rows, left_out = common_rows(runs)
    if not any(rows.values()):
        got = "no row that all of them have"
        raise InputError(folders[0], "runs with the same rows", got, "give runs of the same experiment")
    return Study(runs, rows, tuple(left_out))


def read_run(folder: Path) -> SubjectRun:
    """One experiment's folder.

    Raises:
        InputError: when its results are not there or not readable.
    """
    summary = read_summary(folder)
    outcome = load_outcome(folder)
    path = folder / "experiment.yaml"
    if not path.is_file():
        raise InputError(folder, f"a folder with {path.name}", "none", "give runs/<experiment>")
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    records = tuple(record for stage in stage_folders(outcome) if (record := read_record(stage)) is not None)
    labs = [record.inputs["lab"] for record in records if "lab" in record.inputs]
    return SubjectRun(folder, summary, settings, records, outcome.seconds, labs[0] if labs else "")


def read_summary(folder: Path) -> Summary:
    """``summary.json`` with as many values a metric as seeds (or one, of a row without a seed)."""
    path = folder / "summary.json"
    remedy = "run the experiment to its end, or steadyface evaluate it again"
    if not path.is_file():
        raise InputError(folder, "a finished experiment with summary.json", "none", remedy)
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        count = len(summary["seeds"])
        faults = [
            f"{clip}, {row}, {metric}: {len(values)} values for {count} seeds"
            for clip in CLIPS
            for row, metrics in summary.get(clip, {}).items()
            for metric, values in metrics.items()
            if len(values) not in {1, count} or not all(map(_is_number, values))
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        got = f"{type(error).__name__}: {error}"
        raise InputError(path, "clips, rows, metrics and seeds", got, remedy) from error
    if faults:
        raise InputError(path, "a number a seed", faults[0], remedy)
    return summary


def check_subjects(runs: Sequence[SubjectRun]) -> None:
    """Refuse a subject that is given twice: it would count as two, and every interval would be too narrow."""
    for index, run in enumerate(runs):
        for other in runs[:index]:
            studio = run.subject == other.subject and run.subject.startswith("studio")
            same = run.folder.resolve() == other.folder.resolve() or studio
            if same or (run.lab and run.lab == other.lab):
                got = f"{run.subject}, which {other.folder} has too"
                raise InputError(run.folder, "another subject in each run", got, "give one run a subject")


def common_rows(runs: Sequence[SubjectRun]) -> tuple[dict[str, list[str]], list[str]]:
    """The rows that every run has, by clip, and a sentence for each that some run lacks."""
    common: dict[str, list[str]] = {}
    left_out = []
    for clip in CLIPS:
        tables: list[dict[str, Row]] = [run.summary.get(clip, {}) for run in runs]
        known = ordered_rows({name: metrics for table in tables for name, metrics in table.items()})
        lacking = {name: [run.folder for run in runs if name not in run.summary.get(clip, {})] for name in known}
        common[clip] = [name for name in known if not lacking[name]]
        left_out += [
            f"`{name}` on the {clip.replace('_', ' ')}: not in {', '.join(f'`{folder}`' for folder in folders)}"
            for name, folders in lacking.items()
            if folders
        ]
    return {clip: names for clip, names in common.items() if names}, left_out


def stage_folders(outcome: Outcome) -> list[Path]:
    """The folders of the stages that an outcome names, each once, in order."""
    checkpoints = [outcome.source, *outcome.sources.values(), *outcome.adapted.values()]
    folders = [outcome.studio] if outcome.studio else []
    return list(dict.fromkeys([*folders, *(checkpoint.parent.parent for checkpoint in checkpoints)]))


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and math.isfinite(value))
