"""What the experiment says to a sweep: points, metric, words; and the sweep files of this repository."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from launcher.cli import build_parser, main
from launcher.load import load_experiment
from launcher.sweep.check import check_against_experiment
from launcher.sweep.metric_names import known_metrics, metrics_of
from launcher.sweep.online import agent_words, joined_sweep, sent_content
from launcher.sweep.online_trial import words_of_trial
from launcher.sweep.parameters import trial_name
from launcher.sweep.results import read_result
from launcher.sweep.sweep_file import read_sweep
from lightning_modules.adaptation_settings import AdaptationSettings
from steadyface.capture.clip_truth import ClipTruth
from steadyface.errors import InputError
from steadyface.metrics.evaluate_track import evaluate_track
from steadyface.tracking.track import Track

ROOT = Path(__file__).resolve().parents[3]
SWEEPS = sorted((ROOT / "experiments" / "sweeps").glob("*.yaml"))
METRIC = "held_out_clip/adapted/reprojection_error_px"


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def write(folder: Path, parameters: dict[str, Any], metric: str = METRIC, **more: Any) -> Path:
    command = "steadyface run experiments/smoke.yaml ${args_no_hyphens}"
    content = {"method": "grid", "metric": {"name": metric}, "parameters": parameters, "command": command}
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(content | more))
    return path


def faults(path: Path, *words: str) -> list[str]:
    return [str(InputError(*parts)) for parts in check_against_experiment(path, words).faults]


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_a_sweep_file_of_ours_is_whole(path: Path) -> None:
    line = shlex.split(path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# "))
    assert line[:2] == ["steadyface", "sweep"]
    arguments = build_parser().parse_args(line[1:])
    assert (ROOT / arguments.sweep).samefile(path)
    assert check_against_experiment(path, arguments.overrides).faults == ()


def test_an_unknown_path_and_wrong_values_and_metric_are_told_at_once(tmp_path: Path) -> None:
    parameters = {
        "adaptation.weigths.cftc": {"values": [1, 2]},
        "adaptation.steps": {"values": [4, "many"]},
        "adaptation.colour_model": {"values": ["gain", "gian"]},
        "name": {"value": "mine"},
    }
    told = faults(write(tmp_path, parameters))
    for part in (
        "tiny.yaml: parameters.adaptation.weigths.cftc: expected a known setting",
        "the nearest known one is adaptation.weights.cftc",
        "tiny.yaml: parameters.adaptation.steps: expected a value of type int, got 'many'",
        "tiny.yaml: parameters.name: expected a setting that may vary",
    ):
        assert any(part in line for line in told), (part, told)
    assert len(told) == len(set(told))
    (told_of_value,) = faults(write(tmp_path, {"adaptation.colour_model": {"values": ["gain", "gian"]}}))
    assert "parameters.adaptation.colour_model" in told_of_value and "gian" in told_of_value


@pytest.mark.parametrize(
    ("metric", "near"),
    [
        ("held_out_clip/adapted/reprojection_error", METRIC),
        ("held_out_clip/adapted_smooth/reprojection_error_px", "held_out_clip/adapted_smoothed/reprojection_error_px"),
        ("train/motc_raw", "train/motc"),
    ],
)
def test_a_metric_that_is_never_logged_is_refused(tmp_path: Path, metric: str, near: str) -> None:
    (told,) = faults(write(tmp_path, {"adaptation.steps": {"values": [4, 5]}}, metric))
    assert f"got '{metric}'; the nearest known one is {near}" in told


def test_a_metric_that_one_point_does_not_log_is_refused(tmp_path: Path) -> None:
    parameters = {"adaptation.weights.cftc": {"values": [1, 0]}}
    assert len(faults(write(tmp_path, parameters, "train/cftc"))) == 1
    assert faults(write(tmp_path, parameters, "train/motc")) == []


def test_early_stop_needs_a_metric_of_the_training(tmp_path: Path) -> None:
    early = {"early_terminate": {"type": "hyperband", "min_iter": 2}}
    (told,) = faults(write(tmp_path, {"adaptation.steps": {"values": [4]}}, **early))
    assert "expected a metric that the adaptation logs while it trains" in told


def test_words_that_are_parameters_or_names_are_refused(tmp_path: Path) -> None:
    told = faults(write(tmp_path, {"adaptation.steps": {"values": [4]}}), "adaptation.steps=5", "name=mine")
    assert len(told) == 2


def test_the_command_line_tells_all_faults_and_starts_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, {"p": {"min": 1, "max": 2}}, method="random", command=["true", "${args}"])
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", str(path), "half", "--workers", "0", "--slurm=--time=1", "--storage", "sqlite:///a"]) == 2
    told = capsys.readouterr().err
    assert [part in told for part in ("--workers", "key=value", "--launcher slurm", "--storage")] == [True] * 4
    assert main(["sweep", str(path)]) == 2
    assert "run_cap" in capsys.readouterr().err
    assert [entry.name for entry in tmp_path.iterdir()] == ["tiny.yaml"]


def test_the_names_of_metrics_are_those_that_the_judge_writes() -> None:
    experiment = load_experiment(ROOT / "experiments" / "smoke.yaml")
    vertices = torch.randn(12, 9, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    truth = ClipTruth(
        vertices=vertices,
        rotation=torch.eye(3, dtype=torch.float64).expand(12, 3, 3),
        translation=torch.tensor([0.0, 0.0, 900.0], dtype=torch.float64).expand(12, 3),
        intrinsics=torch.tensor([[600.0, 0, 50], [0, 600, 50], [0, 0, 1]], dtype=torch.float64).expand(12, 3, 3),
        time_s=torch.arange(12, dtype=torch.float64) / 30,
    )
    regions = {name: torch.arange(4) for name in ("lips", "lids", "brows", "nose", "cheeks", "jaw", "rigid")}
    known = {name: getattr(truth, name) for name in ("time_s", "vertices", "rotation", "translation", "intrinsics")}
    track = Track(**known, latent=torch.zeros(12, 2), texture_residual=torch.zeros(12))
    written = set(evaluate_track(track, truth, regions, torch.arange(4)))
    named = set(metrics_of(experiment, "adapted", truth=True))
    assert written == named - {"texture_coverage", "texture_residual_normalised", "latent_error"}


def test_what_is_logged_follows_from_the_objective() -> None:
    experiment = load_experiment(ROOT / "experiments" / "smoke.yaml", ["evaluation.baselines=[oracle_pose]"])
    known = known_metrics(experiment)
    assert len(known) == len(set(known))
    parts = {name for name, weight in AdaptationSettings().weights.of_parts().items() if weight > 0}
    assert {f"train/{name}" for name in parts} <= set(known) and "train/motc_raw" not in known
    assert "adapted_clip/oracle_pose/reprojection_error_px" in known
    assert "held_out_clip/oracle_pose/latent_error" not in known
    slow = load_experiment(ROOT / "experiments" / "smoke.yaml", ["trainer.log_every_steps=20"])
    assert not any(name.startswith("train/") for name in known_metrics(slow))


def test_a_result_is_the_mean_over_seeds_and_null_is_none(tmp_path: Path) -> None:
    rows = {"adapted": {"a": [1.0, 2.0], "b": [1.0, None]}}
    (tmp_path / "summary.json").write_text(json.dumps({"held_out_clip": rows, "seeds": [0, 1]}))
    assert read_result(tmp_path, "held_out_clip/adapted/a") == 1.5
    assert [read_result(tmp_path, f"held_out_clip/{name}") for name in ("adapted/b", "adapted/c", "x/y")] == [None] * 3
    for seed, last in ((0, 4.0), (1, 6.0)):
        folder = tmp_path / "trial" / f"adaptation-{seed}"
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps({"label": f"adapted, seed {seed}"}))
        (folder / "metrics.csv").write_text(f"step,metric,value\n0,train/a,9\n1,train/a,{last}\n2,train/a,7")
    assert read_result(tmp_path / "trial", "train/a") == 5.0  # the cut off line does not count


def named(words: tuple[str, ...]) -> Iterator[str]:
    yield from (word for word in words if word.startswith("name="))


def test_what_wandb_would_be_sent(tmp_path: Path) -> None:
    parameters = {"adaptation": {"parameters": {"steps": {"values": [4, 5]}}}}
    path = write(tmp_path, parameters, run_cap=7, name="tiny")
    sweep, checked = read_sweep(path), check_against_experiment(path, ["wandb.mode=online", "wandb.project=faces"])
    assert checked.facts.wandb_mode == "online"
    content = sent_content(sweep, checked.facts, ["wandb.mode=online"])
    assert (content["project"], content["run_cap"], content["metric"]) == ("faces", 7, {"name": METRIC})
    assert content["parameters"] == {"adaptation.steps": {"distribution": "categorical", "values": [4, 5]}}
    assert content["command"] == [
        "${env}", "${interpreter}", "-m", "launcher.sweep.online_trial", "tiny", "${args_json}",
        "steadyface", "run", "experiments/smoke.yaml", "wandb.mode=online",
    ]  # fmt: skip
    # what the agent makes of it is the same trial, in the same folder, as on the other engine
    words = words_of_trial("tiny", '{"adaptation.steps": 4}', content["command"][6:])
    assert "adaptation.steps=4" in words and words[1:4] == ("-m", "launcher.cli", "run")
    assert list(named(words)) == [f"name={trial_name('tiny', {'adaptation.steps': 4})}"]
    assert agent_words("me/faces/abc")[-1] == "me/faces/abc"

    record = {"path": "me/faces/abc", "content": content}
    (tmp_path / "wandb_sweep.json").write_text(json.dumps(record))
    assert joined_sweep(tmp_path, content) == "me/faces/abc"
    with pytest.raises(InputError, match="as it was begun"):
        joined_sweep(tmp_path, content | {"method": "random"})
    with pytest.raises(InputError, match="--engine optuna"):
        sent_content(read_sweep(write(tmp_path, parameters, "train/motc")), checked.facts, [])
