from __future__ import annotations

from pathlib import Path

import pytest

from launcher.load import load_experiment
from launcher.plan import make_plan
from launcher.settings import to_yaml
from steadyface.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
OURS = ROOT / "experiments" / "paper" / "ours.yaml"


@pytest.fixture
def sized(tmp_path: Path) -> Path:
    """A file with sizes over one that has its own."""
    (tmp_path / "below.yaml").write_text(
        f"extends: {ROOT / 'experiments' / 'demo.yaml'}\n"
        "appearance: {steps: 9000}\npretraining: {steps: 9000}\n"
        "sizes: {demo: {appearance: {steps: 9}, pretraining: {steps: 9}}, tiny: {appearance: {steps: 1}}}\n"
    )
    path = tmp_path / "above.yaml"
    path.write_text("extends: below.yaml\npretraining: {steps: 8000}\nsizes: {demo: {pretraining: {steps: 8}}}\n")
    return path


def steps(path: Path, *words: str) -> tuple[int, int]:
    experiment = load_experiment(path, words)
    return experiment.appearance.steps, experiment.pretraining.steps


def test_a_size_lies_over_all_files_and_under_the_words(sized: Path) -> None:
    assert steps(sized) == steps(sized, "size=full") == (9000, 8000)
    assert steps(sized, "size=demo") == (9, 8)
    assert steps(sized, "size=tiny") == (1, 8000)
    assert steps(sized, "pretraining.steps=5", "size=demo") == (9, 5)


def test_a_file_may_choose_a_size_of_its_base(sized: Path) -> None:
    small = sized.with_name("small.yaml")
    small.write_text("extends: above.yaml\nsize: demo\n")
    assert steps(small) == (9, 8) and steps(small, "size=full") == (9000, 8000)


def test_the_resolved_experiment_needs_no_size(sized: Path) -> None:
    experiment = load_experiment(sized, ["size=demo", "pretraining.steps=5"])
    sized.with_name("resolved.yaml").write_text(to_yaml(experiment))
    assert load_experiment(sized.with_name("resolved.yaml")) == experiment


def test_an_unknown_size_names_the_known_ones(sized: Path) -> None:
    with pytest.raises(InputError, match="one of demo, full, tiny, got huge"):
        load_experiment(sized, ["size=huge"])


def test_sizes_must_be_a_mapping_of_settings(sized: Path) -> None:
    sized.write_text("extends: below.yaml\nsizes: [demo]\n")
    with pytest.raises(InputError, match="sizes"):
        load_experiment(sized)
    sized.write_text("extends: below.yaml\nsizes: {demo: {appearance: {stepz: 1}}}\n")
    with pytest.raises(ExceptionGroup) as caught:
        load_experiment(sized, ["size=demo"])
    assert "sizes.demo: appearance.stepz" in str(caught.value.exceptions[0])


def test_our_method_at_demo_size_is_the_demo() -> None:
    """So the demo's networks are taken, and not trained again, by whoever compares with them."""
    demo = list(make_plan(load_experiment(ROOT / "experiments" / "demo.yaml")).stages())
    # what the demo has beside it, and the tables of objectives do without
    beside = ["adaptation.replay.beside=6", "adaptation.guard.select=true", "adaptation.weights.acceleration=2",
              "clips.window_offsets_s=[0.0, 0.0334, 0.08, 0.2667]", "clips.batch_size=3"]  # fmt: skip
    ours = list(make_plan(load_experiment(OURS, ["size=demo", *beside])).stages())
    assert [stage.digest for stage in ours] == [stage.digest for stage in demo[:4]]
