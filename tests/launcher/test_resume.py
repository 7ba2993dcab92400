"""What ``steadyface resume`` takes up, and what it refuses; that it goes on exactly is in tests/reliability."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import launcher.resume
from launcher.cli import main
from launcher.execution import execute
from launcher.load import load_experiment
from launcher.locks import lock_path, try_lock, unlock, write_holder
from launcher.plan import make_plan
from launcher.runs import EXPERIMENT, LAST_CHECKPOINT, RunRecord, Stage
from launcher.settings import Experiment, to_yaml
from launcher.unfinished import unfinished

SMOKE = Path(__file__).resolve().parents[2] / "experiments" / "smoke.yaml"
CHECKPOINT = {"loops": {"fit_loop": {"epoch_loop.batch_progress": {"total": {"ready": 3}}}}}  # of 3 steps


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    return replace(load_experiment(SMOKE), runs=str(tmp_path))


@pytest.fixture
def resumed(monkeypatch: pytest.MonkeyPatch) -> list[Experiment]:
    """The experiments that a resume would run."""
    found: list[Experiment] = []
    monkeypatch.setattr(launcher.resume, "run_experiment", found.append)
    return found


def stop(experiment: Experiment, kind: str, checkpoint: bool = True, end: type[BaseException] | None = None) -> Path:
    """Do a stage up to a checkpoint, and stop it there, or let it finish."""
    stage = next(stage for stage in make_plan(experiment).stages() if stage.kind == kind)

    def work(folder: Path, record: RunRecord) -> None:
        if checkpoint:
            (folder / LAST_CHECKPOINT).parent.mkdir(exist_ok=True)
            torch.save(CHECKPOINT, folder / LAST_CHECKPOINT)
        if end is not None:
            raise end

    folder = Path(experiment.runs) / experiment.name / stage.folder_name
    try:
        execute(stage, Path(experiment.runs), experiment.name, to_yaml(experiment), work)
    except KeyboardInterrupt:
        assert end is KeyboardInterrupt
    return folder


def refusal(run: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["resume", str(run)]) == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1 and errors.startswith("steadyface: ")
    return errors


@pytest.mark.parametrize("what", ["stage", "experiment"])
def test_what_was_stopped_is_run_by_its_own_settings(
    experiment: Experiment, resumed: list[Experiment], what: str
) -> None:
    experiment.pretraining.learning_rate = 3.0e-4
    stage = stop(experiment, "pretraining", end=KeyboardInterrupt)
    assert main(["resume", str(stage if what == "stage" else stage.parent)]) == 0
    assert resumed == [experiment]


def test_a_moved_folder_goes_on_where_it_lies(
    experiment: Experiment, resumed: list[Experiment], tmp_path: Path
) -> None:
    stage = stop(experiment, "appearance", end=KeyboardInterrupt)
    moved = tmp_path / "elsewhere" / "renamed"
    moved.parent.mkdir()
    stage.parent.rename(moved)
    assert main(["resume", str(moved)]) == 0
    assert resumed == [replace(experiment, runs=str(moved.parent), name="renamed")]


def test_the_experiment_begun_last_is_gone_on_with(experiment: Experiment, resumed: list[Experiment]) -> None:
    stage = stop(experiment, "appearance")
    later = replace(experiment, seeds=[5])
    with pytest.raises(KeyboardInterrupt), unfinished(stage.parent, to_yaml(later)):
        raise KeyboardInterrupt
    assert main(["resume", str(stage.parent)]) == 0
    assert resumed == [later]


def test_a_resume_that_finds_nothing_fails(
    experiment: Experiment, resumed: list[Experiment], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "nothing there; give runs/<experiment>" in refusal(tmp_path / "smoke", capsys)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "a folder without one; start one: steadyface run" in refusal(empty, capsys)
    stage = stop(experiment, "pretraining", checkpoint=False, end=KeyboardInterrupt)
    assert f"got none; start it: steadyface run {stage / EXPERIMENT}" in refusal(stage, capsys)
    assert "a finished stage or a checkpoint" in refusal(stage.parent, capsys)
    assert resumed == []


def test_a_broken_checkpoint_is_refused_and_not_begun_anew(
    experiment: Experiment, resumed: list[Experiment], capsys: pytest.CaptureFixture[str]
) -> None:
    stage = stop(experiment, "appearance", end=KeyboardInterrupt)
    (stage / LAST_CHECKPOINT).write_bytes(b"half")
    assert "expected a training checkpoint" in refusal(stage, capsys)
    assert resumed == []


def test_what_runs_now_is_left_alone(
    experiment: Experiment, resumed: list[Experiment], capsys: pytest.CaptureFixture[str]
) -> None:
    stage = stop(experiment, "appearance", end=KeyboardInterrupt)
    path = lock_path(stage.parent.parent, stage.name)
    lock = try_lock(path)
    assert lock is not None
    write_holder(lock, f"smoke/{stage.name}")
    assert "one that a process works on now" in refusal(stage, capsys)
    unlock(lock, path)
    with unfinished(stage.parent, to_yaml(experiment)):
        assert "one that runs now" in refusal(stage.parent, capsys)
    assert resumed == []


def test_what_is_finished_is_said_to_be(
    experiment: Experiment, resumed: list[Experiment], capsys: pytest.CaptureFixture[str]
) -> None:
    stage = stop(experiment, "appearance")
    assert main(["resume", str(stage)]) == 0
    assert "finished, nothing to resume" in capsys.readouterr().out
    (stage.parent / "summary.json").write_text("{}")
    assert main(["resume", str(stage.parent)]) == 0
    assert resumed == []


def test_other_inputs_are_another_stage(
    experiment: Experiment, resumed: list[Experiment], capsys: pytest.CaptureFixture[str]
) -> None:
    stage = stop(experiment, "adaptation", end=KeyboardInterrupt)
    changed = replace(experiment, pretraining=replace(experiment.pretraining, steps=9))
    (stage / EXPERIMENT).write_text(to_yaml(changed))
    assert "the inputs that it was begun with, got others" in refusal(stage, capsys)


def test_a_source_is_part_of_an_adaptation(experiment: Experiment, tmp_path: Path) -> None:
    def adaptation(source: str) -> Stage:
        return next(iter(make_plan(replace(experiment, source=source)).adaptations.values()))

    for name in ("one.ckpt", "two.ckpt"):
        (tmp_path / name).write_text(name * len(name))
    (tmp_path / "two.ckpt").write_text("longer")
    assert len({adaptation(str(tmp_path / name)).digest for name in ("one.ckpt", "two.ckpt")}) == 2
    assert adaptation("").digest not in {adaptation(str(tmp_path / "one.ckpt")).digest}
