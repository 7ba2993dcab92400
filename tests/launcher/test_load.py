from __future__ import annotations

from pathlib import Path

import pytest

from launcher.cli import main
from launcher.load import load_experiment
from steadyface.errors import InputError

SMOKE = Path(__file__).resolve().parents[2] / "experiments" / "smoke.yaml"


def faults(path: Path, *words: str) -> dict[str, InputError]:
    with pytest.raises(ExceptionGroup) as caught:
        load_experiment(path, words)
    found = [error for error in caught.value.exceptions if isinstance(error, InputError)]
    assert len(found) == len(caught.value.exceptions)
    return {fault.subject: fault for fault in found}


def test_every_kind_of_fault_is_told_at_once(tmp_path: Path) -> None:
    """An unknown key, a wrong type, a word that is none, a value out of range, and what cannot go together."""
    path = tmp_path / "mine.yaml"
    path.write_text(f"extends: {SMOKE}\nadaptation: {{stepz: 3}}\npretraining: {{steps: many}}\n")
    found = faults(path, "trainer.devices=0", "clips.image_size=80", "oops", "wandb.mode=sometimes")
    assert found["mine.yaml: adaptation.stepz"].remedy.endswith("adaptation.steps")
    assert found["mine.yaml: pretraining.steps"].expected == "a value of type int"
    assert found["oops"].expected == "key=value"
    assert {"trainer.devices", "clips.image_size", "wandb.mode"} < set(found), "the other words count"
    assert len(found) == 6


def test_what_follows_from_a_misspelt_key_is_no_fault_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("lab: {foldr: capture}\nclips: {clips: [a.mp4]}\n")
    assert set(faults(path)) == {"mine.yaml: lab.foldr"}


def test_a_corrupt_file_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("adaptation: {steps: 3\nlab: [")
    assert main(["run", str(path), "--dry-run"]) == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1 and "expected readable YAML" in errors and "line 2" in errors
