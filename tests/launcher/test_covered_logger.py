"""W&B gets each value once, whatever was killed: shown with a real offline run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from launcher.covered_logger import CoveredLogger, logged_values, missing_rows
from launcher.metrics_file import MetricsFile
from launcher.runs import RunRecord
from launcher.settings import WandbSettings
from launcher.wandb_runs import wandb_run


class Inner:
    """What W&B would get."""

    def __init__(self) -> None:
        self.got: list[tuple[Any, ...]] = []

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        self.got.append((step, metrics))

    def log_media(self, name: str, media: Any, step: int) -> None:
        self.got.append((step, name, media))


def test_nothing_is_handed_on_before_a_checkpoint_covers_it() -> None:
    inner = Inner()
    logger = CoveredLogger(inner)  # type: ignore[arg-type]
    logger.log_metrics({"train/loss": 1.0}, 0)
    logger.log_media("media/overlay", "video", 0)
    assert inner.got == []
    logger.release()
    logger.log_metrics({"train/loss": 2.0}, 1)
    assert inner.got == [(0, {"train/loss": 1.0}), (0, "media/overlay", "video")], "in the order in which they came"


def test_the_values_that_are_missing_come_a_row_a_step(tmp_path: Path) -> None:
    log = MetricsFile(tmp_path / "metrics.csv")
    for step in range(3):
        log.log_metrics({"train/loss": float(step), "train/geometry": 1.0}, step)
    log.log_metrics({"val/error": 5.0}, 2)
    logged = {(0, "train/loss"), (0, "train/geometry"), (1, "train/loss")}
    rows = list(missing_rows(log.path, logged))
    assert rows == [(1, {"train/geometry": 1.0}), (2, {"train/loss": 2.0, "train/geometry": 1.0, "val/error": 5.0})]


@pytest.mark.timeout(300)
def test_a_part_that_goes_on_gives_what_the_killed_one_lacks(tmp_path: Path) -> None:
    """The first part got step 0 alone; the file has 0 to 2."""
    folder = tmp_path / "demo" / "adaptation-1"
    folder.mkdir(parents=True)
    record = RunRecord("demo/a", "adaptation", "adapted, seed 0", "running", "abcd1234", "v", {}, {})
    metrics = MetricsFile(folder / "metrics.csv")
    with wandb_run(folder, record, WandbSettings(mode="offline")) as tracker:
        covered = CoveredLogger(tracker)
        for step in range(3):
            for logger in (metrics, covered):
                logger.log_metrics({"train/loss": float(step)}, step)
            if step == 0:
                covered.release()
    assert {value for value in logged_values(folder / "wandb") if value[1] == "train/loss"} == {(0, "train/loss")}
    with wandb_run(folder, record, WandbSettings(mode="offline")) as tracker:
        CoveredLogger(tracker).catch_up(folder)
    logged = [value for value in logged_values(folder / "wandb") if value[1] == "train/loss"]
    assert sorted(logged) == [(step, "train/loss") for step in range(3)]
