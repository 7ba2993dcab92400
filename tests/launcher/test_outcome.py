from __future__ import annotations

from pathlib import Path

import pytest

from launcher.outcome import Outcome, find_checkpoint, load_outcome, save_outcome
from launcher.runs import LAST_CHECKPOINT, RunRecord, write_record
from steadyface.errors import InputError


def stage(root: Path, name: str, state: str = "finished") -> Path:
    folder = root / name
    (folder / LAST_CHECKPOINT).parent.mkdir(parents=True)
    (folder / LAST_CHECKPOINT).write_text("weights")
    write_record(folder, RunRecord(name, name, name, state, "w", "v", {}, {}))
    return folder


def outcome(root: Path) -> Outcome:
    source = stage(root, "demo/pretraining-1") / LAST_CHECKPOINT
    adapted = {
        (variant, seed): stage(root, f"demo/adaptation-{variant}{seed}") / LAST_CHECKPOINT
        for variant, seed in (("adapted", 2), ("motc_raw", 2))
    }
    return Outcome(None, source, adapted, {"appearance": 1.5})


def test_an_outcome_comes_back_also_after_a_move(tmp_path: Path) -> None:
    saved = outcome(tmp_path / "runs")
    save_outcome(saved, tmp_path / "runs" / "demo")
    (tmp_path / "runs").rename(tmp_path / "moved")
    loaded = load_outcome(tmp_path / "moved" / "demo")
    assert loaded.seconds == saved.seconds and list(loaded.adapted) == list(saved.adapted)
    assert loaded.source.read_text() == "weights"
    assert all(path.is_file() for path in loaded.adapted.values())


def test_an_experiment_stands_for_its_adapted_network(tmp_path: Path) -> None:
    saved = outcome(tmp_path)
    save_outcome(saved, tmp_path / "demo")
    assert find_checkpoint(tmp_path / "demo").samefile(saved.adapted["adapted", 2])
    assert find_checkpoint(saved.source) == saved.source
    assert find_checkpoint(tmp_path / "demo" / "pretraining-1") == saved.source


def test_what_has_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither"):
        find_checkpoint(tmp_path)
    with pytest.raises(InputError, match="one that is running"):
        find_checkpoint(stage(tmp_path, "x", state="running"))
    with pytest.raises(InputError, match="run the experiment to its end"):
        load_outcome(tmp_path)
    (tmp_path / "stages.json").write_text("{}")
    with pytest.raises(InputError, match="a list of stages"):
        load_outcome(tmp_path)
