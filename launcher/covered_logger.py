"""Keeps what W&B gets back until a checkpoint covers it: a row that W&B has cannot be taken back.

What was logged behind the checkpoint that a killed stage goes on from is logged again; W&B must not have seen it.
And what W&B had not written to its file when it was killed is given to it again, out of ``metrics.csv``.
"""

from __future__ import annotations

import json
import logging
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers.logger import Logger, rank_zero_experiment
from pytorch_lightning.utilities import rank_zero_only
from wandb.util import get_core_path

from launcher.metrics_file import read_metrics
from launcher.stopping import requested_stop
from launcher.wandb_runs import STEP, StageLogger

logger = logging.getLogger(__name__)
Row = tuple[int, dict[str, float]]


class CoveredLogger(Logger):
    """A Lightning logger that hands its rows on when it is told that a checkpoint covers them.

    Args:
        inner: of the stage's W&B run.
    """

    def __init__(self, inner: StageLogger) -> None:
        super().__init__()
        self._inner = inner
        self._waiting: list[Callable[[], None]] = []

    @property
    def name(self) -> str | None:
        return self._inner.name

    @property
    def version(self) -> str | None:
        return self._inner.version

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        return self._inner.experiment

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """A row of numbers at an optimiser step."""
        row = dict(metrics)
        self._waiting.append(lambda: self._inner.log_metrics(row, step))

    @rank_zero_only
    def log_media(self, name: str, media: Any, step: int) -> None:
        """A ``wandb.Image`` or ``wandb.Video`` at an optimiser step."""
        self._waiting.append(lambda: self._inner.log_media(name, media, step))

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: the W&B run was begun with the resolved settings."""

    @rank_zero_only
    def release(self) -> None:
        """Hand on all that was logged so far."""
        waiting, self._waiting = self._waiting, []
        try:
            for log in waiting:
                log()
        except ConnectionError:
            # Who ends a job signals all its processes, W&B's own among them: that is no fault of the stage, and what
            # W&B lacks it gets when the stage goes on.
            if not requested_stop():
                raise

    @rank_zero_only
    def catch_up(self, folder: Path) -> None:
        """Hand on what the earlier parts of the run lack of the ``metrics.csv`` of a stage that goes on."""
        try:
            logged = logged_values(folder / "wandb")
        except RuntimeError as error:
            logger.warning("%s; what W&B lacks of the steps before this one it will not get", error)
            return
        for step, row in missing_rows(folder / "metrics.csv", logged):
            self._inner.log_metrics(row, step)


def missing_rows(metrics: Path, logged: set[tuple[int, str]]) -> Iterator[Row]:
    """The values of a ``metrics.csv`` that are not among the logged ones, a row a step, in their order."""
    step, row = 0, dict[str, float]()
    for at, name, value in read_metrics(metrics):
        if (at, name) in logged:
            continue
        if row and (at != step or name in row):
            yield step, row
            row = {}
        step, row = at, {**row, name: value}
    if row:
        yield step, row


def logged_values(folder: Path) -> set[tuple[int, str]]:
    """(optimiser step, metric) of every value in the files of the W&B runs in a ``wandb`` folder, whole or cut off."""
    found = set[tuple[int, str]]()
    for path in sorted(folder.glob("*run-*/*.wandb")):
        for row in read_history(path):
            found |= {(int(row[STEP]), name) for name in row if name != STEP and STEP in row}
    return found


def read_history(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a ``.wandb`` file; those behind the place where a kill cut it off are lost.

    Raises:
        RuntimeError: for a file that W&B's own reader cannot read.
    """
    # what `wandb leet inspect` starts, without a second for Python to import wandb anew
    words = ["leet", "inspect", "--no-observability", "--json", "--run-file", str(path), str(path.parent.parent)]
    done = subprocess.run([get_core_path(), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{path} cannot be read: {done.stderr.strip()}")
    for line in done.stdout.splitlines():
        record = json.loads(line)
        if record.get("type") == "history":
            yield record["history"]["item"]
