"""A trial's metric: out of its ``summary.json``, or out of the ``metrics.csv`` of its adaptation."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from statistics import fmean
from typing import Any

SUMMARY, METRICS = "summary.json", "metrics.csv"
LOGGED = ("train/", "val/", "guard/")
"""How the names of what a stage logs begin."""


def is_logged(metric: str) -> bool:
    """Whether a metric is one that is logged while a stage trains.

    >>> is_logged("val/acceleration_px_s2"), is_logged("held_out_clip/adapted/vertex_error_mm")
    (True, False)
    """
    return metric.startswith(LOGGED)


def read_result(folder: Path, metric: str) -> float | None:
    """The metric of a trial that is over: of ``CLIP/ROW/METRIC`` the mean over seeds; of what is logged the last value,
    its mean over the seeds of the row ``adapted``. None where it is not there or no number.
    """
    if is_logged(metric):
        series = [read_logged(path, metric) for path in logs_of(folder)]
        values = [values[-1] for values in series if values]
    else:
        values = _summary_values(folder / SUMMARY, metric)
    value = fmean(values) if values else math.nan
    return value if math.isfinite(value) else None


def read_logged(path: Path, metric: str) -> list[float]:
    """Every value of a metric in a ``metrics.csv``, in order; a line that is not whole is passed over."""
    if not path.is_file():
        return []
    values = []
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.reader(line for line in stream if line.endswith("\n")):
            if len(row) == 3 and row[1] == metric:
                values.append(float(row[2]))
    return values


def logs_of(folder: Path) -> list[Path]:
    """Where a trial's adaptations log: of the row ``adapted``, a file a seed, the first seed first."""
    if (folder / "stages.json").is_file():
        from launcher.outcome import ADAPTED, load_outcome

        adapted = load_outcome(folder).adapted
        return [path.parents[1] / METRICS for (row, _), path in adapted.items() if row == ADAPTED]
    if (folder / METRICS).is_file():
        return [folder / METRICS]
    labels = {path.with_name(METRICS): _label(path) for path in folder.glob("adaptation-*/run.json")}
    return sorted((path for path, label in labels.items() if label.startswith("adapted,")), key=lambda p: labels[p])


def _label(record: Path) -> str:
    try:
        return str(json.loads(record.read_text(encoding="utf-8"))["label"])
    except (OSError, ValueError, KeyError):
        return ""


def _summary_values(path: Path, metric: str) -> list[float]:
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    for part in metric.split("/"):
        found = found.get(part) if isinstance(found, dict) else None
    values = found if isinstance(found, list) else [found]
    return [math.nan if isinstance(value, bool) or not isinstance(value, int | float) else value for value in values]
