"""Further source networks: their stages, their rows, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from launcher.cli import main
from launcher.load import load_experiment
from launcher.plan import make_plan
from launcher.settings import Experiment, source_settings

ROOT = Path(__file__).resolve().parents[2]
PLAIN = "sources.plain={relit: 0.0}"


def demo(*words: str) -> Experiment:
    return load_experiment(ROOT / "experiments" / "demo.yaml", words)


def faults(*words: str) -> list[str]:
    with pytest.raises(ExceptionGroup) as caught:
        demo(*words)
    return [str(error) for error in caught.value.exceptions]


def test_a_further_source_changes_only_what_it_names() -> None:
    experiment = demo(PLAIN)
    plan, before = make_plan(experiment), make_plan(demo())
    assert source_settings(experiment, "plain").relit == 0.0 and experiment.pretraining.relit > 0
    assert source_settings(experiment, "plain").steps == experiment.pretraining.steps
    assert plan.pretraining == before.pretraining and plan.adaptations == before.adaptations
    assert plan.sources["plain"].digest != before.pretraining.digest  # type: ignore[union-attr]
    assert plan.sources["plain"].inputs == before.pretraining.inputs  # type: ignore[union-attr]


def test_a_row_adapts_the_source_that_it_names() -> None:
    plan = make_plan(demo(PLAIN, "variants.from_plain={source: plain, steps: 7}"))
    stage = plan.adaptations["from_plain", 0]
    assert stage.inputs["source"] == plan.sources["plain"].digest
    assert stage.settings["adaptation"]["steps"] == 7 and "source" not in stage.settings["adaptation"]


def test_sizes_of_a_network_that_is_not_trained_are_no_part_of_its_hash() -> None:
    plan, other = make_plan(demo()), make_plan(demo("pretraining.i2znet.hidden=8"))
    assert [stage.digest for stage in plan.stages()] == [stage.digest for stage in other.stages()]
    words = ["pretraining.network=i2znet"]
    chosen, changed = make_plan(demo(*words)), make_plan(demo(*words, "pretraining.i2znet.hidden=8"))
    assert chosen.pretraining != changed.pretraining
    lessons = "pretraining.expression.steps=7"
    assert make_plan(demo(*words, lessons)).pretraining == chosen.pretraining
    assert make_plan(demo(lessons)).pretraining != plan.pretraining


def test_without_adaptation_only_the_sources_are_trained() -> None:
    plan = make_plan(demo(PLAIN, "adapt=false"))
    assert not plan.adaptations and len(list(plan.stages())) == 4


def test_a_given_decoder_replaces_the_face_models_training(tmp_path: Path) -> None:
    (tmp_path / "decoder.ckpt").write_text("weights")
    plan = make_plan(demo(f"decoder={tmp_path / 'decoder.ckpt'}", PLAIN))
    assert plan.appearance is None and plan.decoder_checkpoint == tmp_path / "decoder.ckpt"
    before = plan.pretraining
    (tmp_path / "decoder.ckpt").write_text("other weights")
    assert make_plan(demo(f"decoder={tmp_path / 'decoder.ckpt'}")).pretraining != before


def test_what_does_not_fit_is_refused_by_name(tmp_path: Path) -> None:
    assert "one of texture_space, i2znet" in faults("pretraining.network=vgg")[0]
    assert "sources.plain: relitt" in faults("sources.plain={relitt: 0}")[0]
    assert "sources.plain.network" in faults("sources.plain={network: vgg}")[0]
    assert "one of sources (none)" in faults("variants.a={source: plain}")[0]
    assert "a new row's name" in faults("sources.adapted={relit: 0}")[0]
    assert "lab.views_per_instant=2" in faults("pretraining.view_consistency=1")[0]
    assert "pretraining.expression.views" in faults("pretraining.expression.views=0")[0]
    assert "clips.image_size" in faults("pretraining.network=i2znet", "pretraining.i2znet.image_size=96")[0]
    (tmp_path / "a.ckpt").write_text("weights")
    given = f"source={tmp_path / 'a.ckpt'}"
    assert "where a source is given" in faults(given, PLAIN)[0]
    assert "where a source is given" in faults(given, f"decoder={tmp_path / 'a.ckpt'}")[0]


def test_a_part_that_the_source_network_cannot_feed_is_refused_by_name() -> None:
    blind = "sources.blind={network: i2znet, i2znet: {hourglass: false}}"
    seen = demo(blind, "variants.a={weights: {landmarks: 1}}")
    assert seen.variants["a"]
    (fault,) = faults(blind, "variants.a={source: blind, weights: {landmarks: 1}}")
    assert "variants.a.weights.landmarks" in fault and "landmark branch" in fault
    consistency, acceleration = faults("clips.window_offsets_s=[0.0]", "variants={}", "variants={a: {steps: 7}}")
    assert "adaptation.weights.cftc" in consistency and "adaptation.weights.acceleration" in acceleration


def test_a_detector_that_sees_more_than_the_encoder_is_refused() -> None:
    degraded = ("clips.degradation=blur", "clips.degradation_level=2", "variants={}")
    expected = "adaptation.weights.apertures: expected clips without clips.degradation, got blur"
    assert any(expected in fault for fault in faults("adaptation.weights.apertures=1", *degraded))



def test_missing_imagenet_weights_are_found_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "empty"))
    published = str(ROOT / "experiments" / "paper" / "published.yaml")
    words = ["size=demo", "pretraining.i2znet.backbone=vgg16", f"runs={tmp_path / 'runs'}"]
    assert main(["run", published, *words]) == 2
    (fault,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("steadyface:")]
    assert "the ImageNet weights of VGG-16" in fault and "get_state_dict" in fault and "mobilenet_v2" in fault
    assert not (tmp_path / "runs").exists()
