from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from launcher.resolve import file_layers, override_layers, resolve
from steadyface.errors import InputError


@dataclass
class Training:
    steps: int = 10
    learning_rate: float = 1e-3
    gaps: list[int] = field(default_factory=lambda: [1])


@dataclass
class Whole:
    name: str = ""
    training: Training = field(default_factory=Training)
    variants: dict[str, dict[str, float]] = field(default_factory=dict)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def faults_of(group: ExceptionGroup) -> list[str]:
    assert all(isinstance(error, InputError) for error in group.exceptions)
    return [str(error) for error in group.exceptions]


def test_defaults_file_and_overrides_in_that_order(tmp_path: Path) -> None:
    path = write(tmp_path / "a.yaml", "name: a\ntraining: {steps: 20, learning_rate: 1e-4}\n")
    settings = resolve(Whole, [*file_layers(path), *override_layers(["training.steps=30"])])
    assert settings == Whole("a", Training(30, 1e-4, [1]))


def test_bases_are_merged_and_lists_replaced(tmp_path: Path) -> None:
    write(tmp_path / "base.yaml", "training: {steps: 20, gaps: [1, 3]}\nvariants: {slow: {weight: 1}}\n")
    write(tmp_path / "middle.yaml", "extends: base.yaml\ntraining: {steps: 25}\n")
    path = write(
        tmp_path / "top.yaml",
        "extends: [middle.yaml]\ntraining: {gaps: [8]}\nvariants: {fast: {weight: 2}}\n",
    )
    settings = resolve(Whole, file_layers(path))
    assert settings.training == Training(25, 1e-3, [8])
    assert settings.variants == {"slow": {"weight": 1.0}, "fast": {"weight": 2.0}}


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.yaml", "training: {stepz: 3, learning_rate: quick}\nnames: x\nsteps: 4\n")
    with pytest.raises(ExceptionGroup) as caught:
        resolve(Whole, [*file_layers(path), *override_layers(["training.gaps=[a]"])])
    faults = faults_of(caught.value)
    assert len(faults) == 5
    assert "a.yaml: training.stepz" in faults[0] and "training.steps" in faults[0]
    assert "training.learning_rate" in faults[1] and "float" in faults[1] and "'quick'" in faults[1]
    assert "the nearest known one is name" in faults[2]
    assert "the nearest known one is training.steps" in faults[3]
    assert "command line: training.gaps" in faults[4]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [1", "readable YAML"),
        ("- 1\n- 2", "a mapping"),
        ("extends: a.yaml", "extends itself"),
        ("x: 1\nx: 2", "readable"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_fault(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path / "a.yaml", text)
    with pytest.raises(InputError, match=words):
        file_layers(path)


def test_a_missing_file_names_those_that_exist(tmp_path: Path) -> None:
    write(tmp_path / "demo.yaml", "")
    with pytest.raises(InputError, match=r"no such file; there are .*demo\.yaml"):
        file_layers(tmp_path / "dmeo.yaml")


@pytest.mark.parametrize("word", ["steps", "=3", "training.gaps=[1"])
def test_a_word_that_is_no_override_is_a_fault(word: str) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        override_layers([word])
    assert word in faults_of(caught.value)[0]


def test_a_section_does_not_take_a_number(tmp_path: Path) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        resolve(Whole, override_layers(["training=3"]))
    assert "a value of type Training" in faults_of(caught.value)[0]


def test_nothing_after_the_sign_is_an_empty_text() -> None:
    assert resolve(Whole, override_layers(["name=x", "name="])).name == ""


def test_an_empty_mapping_empties() -> None:
    layers = override_layers(["variants.slow.weight=1", "variants={}", "variants.fast.weight=2"])
    assert resolve(Whole, layers).variants == {"fast": {"weight": 2.0}}
