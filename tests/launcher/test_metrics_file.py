from __future__ import annotations

from pathlib import Path

from launcher.metrics_file import MetricsFile, read_metrics


def test_rows_come_back_exactly(tmp_path: Path) -> None:
    log = MetricsFile(tmp_path / "metrics.csv")
    log.log_metrics({"train/loss": 1 / 3, "epoch": 0}, step=1)
    log.log_metrics({"val/vertex_error_mm": float("nan")}, step=2)
    rows = read_metrics(log.path)
    assert rows[0] == (1, "train/loss", 1 / 3)
    assert rows[1][:2] == (2, "val/vertex_error_mm") and rows[1][2] != rows[1][2]
    assert log.path.read_text().startswith("step,metric,value\n")


def test_a_resume_cuts_back_to_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    log = MetricsFile(path)
    for step in range(5):
        log.log_metrics({"train/loss": step}, step=step)
    with path.open("a") as stream:
        stream.write("5,train/lo")
    again = MetricsFile(path, resume_step=3)
    again.log_metrics({"train/loss": 3.0}, step=3)
    assert [row[0] for row in read_metrics(path)] == [0, 1, 2, 3]


def test_a_fresh_start_drops_what_was_there(tmp_path: Path) -> None:
    MetricsFile(tmp_path / "metrics.csv").log_metrics({"a": 1.0}, step=1)
    assert read_metrics(MetricsFile(tmp_path / "metrics.csv").path) == []
