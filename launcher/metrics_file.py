"""``metrics.csv``: every logged number of a stage, one a line, without gap or repeat after a resume.

Lightning's own CSV logger deletes the old file on a resume; this one keeps it and cuts it back to
the step of the checkpoint that training goes on from.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers.logger import Logger, rank_zero_experiment
from pytorch_lightning.utilities import rank_zero_only

from launcher.runs import write_atomically

HEADER = ("step", "metric", "value")


class MetricsFile(Logger):
    """A Lightning logger that appends ``step,metric,value`` lines; metric names as logged.

    Args:
        path: the file. A file that is there is kept below ``resume_step`` (the number of optimiser
            steps in the checkpoint: steps count from 0) and is begun anew when that is 0.
    """

    def __init__(self, path: Path, resume_step: int = 0) -> None:
        super().__init__()
        self.path = path
        self._prepare(resume_step)

    @rank_zero_only
    def _prepare(self, resume_step: int) -> None:
        rows = read_metrics(self.path) if resume_step and self.path.is_file() else []
        lines = [f"{step},{name},{value!r}" for step, name, value in rows if step < resume_step]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path, "\n".join([",".join(HEADER), *lines]) + "\n")

    @property
    def name(self) -> str:
        return "metrics"

    @property
    def version(self) -> str:
        return ""

    @property
    @rank_zero_experiment
    def experiment(self) -> MetricsFile:
        return self

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        lines = [
            f"{step or 0},{name},{float(value)!r}\n" for name, value in metrics.items() if name != "epoch"
        ]
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write("".join(lines))

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: the resolved settings lie in ``experiment.yaml`` beside this file."""


def read_metrics(path: Path) -> list[tuple[int, str, float]]:
    """(step, metric, value) of every whole line; a line cut off by a kill is passed over."""
    rows = []
    with path.open(encoding="utf-8", newline="") as stream:
        for line in csv.reader(stream):
            try:
                step, name, value = line
                rows.append((int(step), name, float(value)))
            except ValueError:
                continue
    return rows
