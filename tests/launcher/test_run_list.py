from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from launcher.cli import main
from launcher.locks import lock_path, try_lock, unlock, write_holder
from launcher.metrics_file import MetricsFile
from launcher.run_list import ListedRun, list_runs
from launcher.runs import RECORD, RunRecord, write_record
from launcher.unfinished import UNFINISHED, unfinished
from steadyface.errors import InputError


def add_stage(runs: Path, experiment: str, name: str, state: str, age_s: float, error: str = "") -> Path:
    """A stage's folder, last written to so many seconds ago."""
    folder, kind = runs / experiment / name, name.partition("-")[0]
    folder.mkdir(parents=True)
    settings = {kind: {"steps": 10}}
    write_record(folder, RunRecord(f"{experiment}/{name}", kind, kind, state, "w", "v", settings, {}, 5.0, error))
    rows = MetricsFile(folder / "metrics.csv")
    for step, value in enumerate((3.0, 1.0, 2.0)):
        rows.log_metrics({"train/loss": value, "val/vertex_error_mm": value}, step)
    for path in folder.iterdir():
        written = path.stat().st_mtime - age_s
        os.utime(path, (written, written))
    return folder


def found(runs: Path) -> dict[str, ListedRun]:
    return {run.stage or run.experiment: run for run in list_runs(runs)}


def test_states_are_what_they_really_are(tmp_path: Path) -> None:
    add_stage(tmp_path, "a", "appearance-1", "finished", 300)
    add_stage(tmp_path, "a", "pretraining-1", "running", 200)
    add_stage(tmp_path, "b", "pretraining-2", "running", 100)
    add_stage(tmp_path, "c", "adaptation-3", "failed", 50, "ValueError: nan")
    lock = try_lock(lock_path(tmp_path, "pretraining-2"))
    assert lock is not None
    write_holder(lock, "b/pretraining-2")
    runs = found(tmp_path)
    unlock(lock, lock_path(tmp_path, "pretraining-2"))
    states = {name: run.state for name, run in runs.items()}
    assert states == {
        "c": "failed", "adaptation-3": "failed", "b": "running", "pretraining-2": "running",
        "a": "interrupted", "pretraining-1": "interrupted", "appearance-1": "finished",
    }  # fmt: skip
    assert list(states) == ["c", "adaptation-3", "b", "pretraining-2", "a", "pretraining-1", "appearance-1"]
    assert runs["c"].error == "adaptation: ValueError: nan" and runs["a"].seconds == 10.0
    one = runs["appearance-1"]
    assert (one.step, one.steps, one.metric, one.value) == (3, 10, "val/vertex_error_mm", 1.0)
    assert 300 <= one.age_s < 330


def test_an_experiment_runs_while_its_scores_are_made_and_has_their_figure(tmp_path: Path) -> None:
    add_stage(tmp_path, "a", "adaptation-1", "finished", 0)
    rows = {"source": {"reprojection_error_px": [3.0]}, "adapted": {"reprojection_error_px": [1.0, 2.0, 4.0]}}
    (tmp_path / "a" / "summary.json").write_text(json.dumps({"adapted_clip": rows}))
    with unfinished(tmp_path / "a", "name: a\n"):
        assert found(tmp_path)["a"].state == "running"
    experiment = found(tmp_path)["a"]
    assert (experiment.state, experiment.metric, experiment.value) == ("finished", "reprojection_error_px", 2.0)
    with pytest.raises(KeyboardInterrupt), unfinished(tmp_path / "a", "name: a\n"):
        raise KeyboardInterrupt
    assert found(tmp_path)["a"].state == "interrupted"
    assert (tmp_path / "a" / UNFINISHED).read_text() == "name: a\n"


def test_a_fault_in_the_input_leaves_no_mark(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "a"
    folder.mkdir(parents=True)
    with pytest.raises(InputError), unfinished(folder, "name: a\n"):
        raise InputError("a", "b", "c", "d")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("record", "said"), [("{", "a readable run record"), ('{"layout_version": 99}', "layout 99")])
def test_what_cannot_be_read_is_listed_as_that(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], record: str, said: str
) -> None:
    add_stage(tmp_path, "a", "appearance-1", "finished", 0)
    bad = add_stage(tmp_path, "b", "appearance-2", "finished", 0)
    (bad / RECORD).write_text(record)
    assert main(["runs", str(tmp_path)]) == 0
    lines = capsys.readouterr().out
    assert "unreadable" in lines and said in lines and "appearance-1" in lines
    assert main(["runs", str(tmp_path), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {run["stage"]: run["state"] for run in listed if run["stage"]} == {
        "appearance-1": "finished", "appearance-2": "unreadable",
    }  # fmt: skip


def test_no_folder_of_runs_is_a_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", str(tmp_path / "none")]) == 2
    assert "expected a folder of runs, got nothing there" in capsys.readouterr().err
