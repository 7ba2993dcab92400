from __future__ import annotations

from pathlib import Path

import pytest

from launcher.load import load_experiment
from launcher.plan import Plan, describe_plan, make_plan, without_later
from launcher.settings import Experiment, to_yaml, variant_settings
from steadyface.errors import InputError

ROOT = Path(__file__).resolve().parents[2]


def demo(*words: str) -> Experiment:
    return load_experiment(ROOT / "experiments" / "demo.yaml", words)


def digests(plan: Plan) -> list[str]:
    return [stage.digest for stage in plan.stages()]


def changed(word: str) -> list[str]:
    """The labels of the stages that a changed setting makes anew."""
    before, after = make_plan(demo()), make_plan(demo(word))
    pairs = zip(before.stages(), after.stages(), strict=True)
    return [new.label for old, new in pairs if old.digest != new.digest]


ADAPTATIONS = ["adapted, seed 0", "cftc_unguarded, seed 0", "motc_raw, seed 0"]


@pytest.mark.parametrize(
    ("word", "anew"),
    [
        ("adaptation.learning_rate=1e-5", ADAPTATIONS),
        ("clips.focal_px=600", ADAPTATIONS),
        ("adaptation.weights.premise_power=2", ADAPTATIONS),
        ("adaptation.weights.premise_power=0", []),
        ("variants.motc_raw.weights.motc_raw=2", ["motc_raw, seed 0"]),
        ("pretraining.steps=7", ["pretraining", *ADAPTATIONS]),
        ("appearance.steps=7", ["appearance", "pretraining", *ADAPTATIONS]),
        ("studio.identity_seed=7", ["studio", "appearance", "pretraining", *ADAPTATIONS]),
        ("trainer.devices=2", ["appearance", "pretraining", *ADAPTATIONS]),
        ("trainer.log_every_steps=7", []),
        ("trainer.threads=2", []),
        ("studio.processes=1", []),
        ("lab.workers=1", []),
        ("name=other", []),
        ("wandb.mode=disabled", []),
    ],
)
def test_a_setting_makes_anew_what_it_decides_and_no_more(word: str, anew: list[str]) -> None:
    assert changed(word) == anew


def test_seeds_share_the_source_network() -> None:
    plan = make_plan(demo("seeds=[0,1,2]"))
    assert list(plan.adaptations)[:3] == [("adapted", 0), ("adapted", 1), ("adapted", 2)]
    assert len(plan.adaptations) == 9 and len(set(digests(plan))) == 12
    assert digests(plan)[:3] == digests(make_plan(demo()))[:3]


def test_the_seed_of_an_adaptation_is_that_of_the_list() -> None:
    assert variant_settings(demo(), "adapted", seed=5).seed == 5


def test_without_the_studio_the_files_are_hashed(tmp_path: Path) -> None:
    lab, clip = tmp_path / "lab", tmp_path / "clip.mp4"
    lab.mkdir()
    (lab / "KRT").write_text("1")
    clip.write_text("1")
    words = [f"lab.folder={lab}", f"clips.clips=[{clip}]", "evaluation.held_out_clip="]
    before = make_plan(demo(*words))
    assert before.studio is None and before.pretraining is not None
    (lab / "KRT").write_text("12")
    after = make_plan(demo(*words))
    assert not set(digests(before)) & set(digests(after))
    clip.write_text("12")
    newest = make_plan(demo(*words))
    assert digests(newest)[:2] == digests(after)[:2] and digests(newest)[2] != digests(after)[2]
    with pytest.raises(InputError, match="a video file"):
        make_plan(demo(*words[:2], "evaluation.held_out_clip=nowhere.mp4"))


def test_the_truth_of_a_labelled_clip_is_hashed_and_must_be_there(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_text("1")
    words = [f"clips.clips=[{clip}]", "variants={}", "variants={labelled: {labelled_frames: 2}}"]
    with pytest.raises(InputError, match=r"the truth of a labelled clip, got no such file.*the row labelled"):
        make_plan(demo(*words))
    truth = tmp_path / "clip.truth.npz"
    truth.write_text("1")
    before = make_plan(demo(*words))
    truth.write_text("12")
    after = make_plan(demo(*words))
    assert before.adaptations["adapted", 0] == after.adaptations["adapted", 0]
    assert before.adaptations["labelled", 0] != after.adaptations["labelled", 0]


def test_a_given_checkpoint_replaces_the_source_stages(tmp_path: Path) -> None:
    (tmp_path / "source.ckpt").write_text("weights")
    plan = make_plan(demo(f"source={tmp_path / 'source.ckpt'}"))
    assert plan.appearance is None and plan.pretraining is None
    assert plan.source_checkpoint == tmp_path / "source.ckpt"


def test_the_description_has_a_line_a_stage(tmp_path: Path) -> None:
    lines = describe_plan(make_plan(demo()), tmp_path)
    assert len(lines) == 6 and all(line.endswith("to run") for line in lines)


def test_the_resolved_experiment_reads_back(tmp_path: Path) -> None:
    experiment = demo("seeds=[0,1]", "adaptation.learning_rate=1e-5")
    (tmp_path / "experiment.yaml").write_text(to_yaml(experiment))
    assert load_experiment(tmp_path / "experiment.yaml") == experiment


def test_all_faults_of_values_come_together() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        demo(
            "seeds=[]", "trainer.devices=0", "appearance.steps=0", "wandb.mode=loud", "variants.x={stepz: 1}"
        )
    words = [str(error) for error in caught.value.exceptions]
    assert len(words) == 5
    assert any("variants.x" in line and "steps" in line for line in words)


def test_the_name_is_the_files_unless_it_is_given() -> None:
    assert demo().name == "demo" and demo("name=mine").name == "mine"
    with pytest.raises(ExceptionGroup):
        demo("name=a/b")


def test_settings_within_settings_that_came_later_leave_the_hash_as_it_was() -> None:
    plan = make_plan(demo())
    weights = plan.adaptations["adapted", 0].settings["adaptation"]["weights"]
    assert "registration" in weights and "premise_power" not in weights
    assert without_later({"a": {"premise_power": 0.0, "b": 1}, "follow": True}) == {"a": {"b": 1}, "follow": True}
