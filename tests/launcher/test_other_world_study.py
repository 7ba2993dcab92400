"""The study of methods in both worlds: what it makes of summaries, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from launcher.load import load_experiment
from launcher.other_world import main as other_world_main
from launcher.other_world import read_settings
from launcher.other_world_study import (
    METHODS,
    Cell,
    experiment_of,
    other_clips,
    own_table,
    page,
    rank_correlation,
    read_figures,
    same_side,
    scored_folder,
)
from launcher.outcome import Outcome, save_outcome
from launcher.settings import to_yaml
from steadyface.errors import InputError
from steadyface.studio.other_world.settings import OtherWorldSettings

SUBJECT = Path(__file__).parents[2] / "experiments" / "results" / "subject.yaml"


def summary(adapted: float, published: float) -> dict[str, object]:
    def row(value: float) -> dict[str, list[float]]:
        return {"reprojection_error_px": [value, value + 0.2], "vertex_error_mm": [value / 2]}

    clip = {"source": row(3.0), "adapted": row(adapted), "published": row(published), "decoder_floor": row(0.1)}
    return {"adapted_clip": clip, "held_out_clip": clip, "seeds": [0, 1]}


def test_ranks_agree_as_spearman_says() -> None:
    one = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}
    assert rank_correlation(one, {"a": 1.0, "b": 3.0, "c": 2.0, "d": 40.0}) == pytest.approx(0.8)
    assert rank_correlation(one, {"a": 9.0, "b": 1.0}) != rank_correlation(one, one)  # too few: not a number
    assert same_side({"source": 2.0, "x": 1.0, "y": 3.0}, {"source": 5.0, "x": 4.0, "y": 4.5}) == (1, 2)


def test_a_run_s_own_table_stands_for_the_studio_where_it_has_every_method(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text(json.dumps(summary(1.0, 4.0)), encoding="utf-8")
    figures = read_figures(own_table(tmp_path, METHODS[:1]), "studio", "results_0", METHODS[:1])
    assert figures[Cell("studio", "results_0", "held_out_clip", "vertex_error_mm")] == {"source": 1.5}
    with pytest.raises(InputError, match=r"every method, got none of source_smoothed, .*leave out --from-runs"):
        own_table(tmp_path, METHODS)


def test_the_page_holds_means_and_correlations() -> None:
    methods = ["source", "adapted", "published"]
    figures = {}
    for subject, shift in (("results_0", 0.0), ("results_1", 1.0)):
        figures |= read_figures(summary(1.0 + shift, 4.0), "studio", subject, methods)
        figures |= read_figures(summary(2.0 + shift, 5.0), "other world", subject, methods)
    assert figures[Cell("studio", "results_0", "adapted_clip", "reprojection_error_px")]["adapted"] == 1.1
    text = page(figures, OtherWorldSettings(), "")
    assert OtherWorldSettings().frozen in text and "stand-in" in text
    assert "| adapted | 1.600 | 2.600 |" in text and "decoder_floor" not in text
    assert "rank correlation over the means 1.00 (the same verdicts)" in text
    rows = {"studio": (1.0, 2.0, 3.0, 4.0), "other world": (1.0, 3.0, 2.0, 4.0)}  # Spearman: 0.8, but for rounding
    cells = {
        Cell(world, "s", "adapted_clip", metric): dict(zip(("source", "b", "c", "d"), values, strict=True))
        for world, values in rows.items()
        for metric in ("reprojection_error_px", "vertex_error_mm")
    }
    assert "0.80 (the same verdicts)" in page(cells, OtherWorldSettings(), "")
    assert "2 of 2 methods on the same side of the source" in text


def test_an_experiment_takes_the_runs_source_and_the_rows_asked_for(tmp_path: Path) -> None:
    run, clips = tmp_path / "results_0", tmp_path / "clips"
    data = run / "studio-1" / "data"
    for folder in (data / "lab", clips):
        folder.mkdir(parents=True)
    (run / "source.ckpt").touch()
    (run / "experiment.yaml").write_text("studio: {identity_seed: 4}\n")
    save_outcome(Outcome(run / "studio-1", run / "source.ckpt", {}, {}), run)
    template = load_experiment(SUBJECT, ["size=demo"])
    made = experiment_of(run, "other world", clips, 655.0, ["source", "adapted", "motc_alone"], template, tmp_path)
    assert (made.name, list(made.variants), made.sources) == ("results_0-other_world", ["motc_alone"], {})
    assert made.studio.identity_seed == 4 and made.clips.focal_px == 655.0
    assert made.lab.folder == str(data / "lab") and made.evaluation.held_out_clip == ""
    with pytest.raises(InputError, match="nonsense"):
        experiment_of(run, "studio", clips, 620.0, ["source", "nonsense"], template, tmp_path)
    known = {*template.variants, "source", "source_smoothed", "adapted"}
    assert set(METHODS) <= known


def test_what_was_scored_is_taken_until_something_changes(tmp_path: Path) -> None:
    (tmp_path / "source.ckpt").touch()
    (tmp_path / "lab").mkdir()
    clip = tmp_path / "adapt.mp4"
    clip.touch()
    template = load_experiment(SUBJECT, ["size=demo"])
    made = replace(
        template, name="one", runs=str(tmp_path / "runs"), source=str(tmp_path / "source.ckpt"), sources={},
        variants={}, adapt=False, lab=replace(template.lab, folder=str(tmp_path / "lab")),
        clips=replace(template.clips, clips=[str(clip)]), evaluation=replace(template.evaluation, held_out_clip=""),
    )  # fmt: skip
    folder = tmp_path / "runs" / "one"
    folder.mkdir(parents=True)
    assert scored_folder(made) is None
    (folder / "experiment.yaml").write_text(to_yaml(made))
    (folder / "summary.json").write_text("{}")
    assert scored_folder(made) == folder
    assert scored_folder(replace(made, seeds=[5])) is None
    adapting = replace(made, adapt=True)
    (folder / "experiment.yaml").write_text(to_yaml(adapting))
    (folder / "summary.json").write_text("{}")
    assert scored_folder(adapting) is None  # scored, but its adaptation was never finished


def test_clips_of_other_settings_are_not_taken(tmp_path: Path) -> None:
    folder = tmp_path / "clips" / "results_0"
    folder.mkdir(parents=True)
    settings = OtherWorldSettings(identity_seed=4)
    (folder / "settings.json").write_text(json.dumps({"fingerprint": settings.fingerprint}))
    assert other_clips(Path("runs/results_0"), tmp_path, settings, None) == folder
    with pytest.raises(InputError, match="settings"):
        other_clips(Path("runs/results_0"), tmp_path, replace(settings, crf=40), None)


def test_words_are_settings_and_faults_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert read_settings(["identity_seed=2", "exposure_s=0.01"]) == OtherWorldSettings(identity_seed=2, exposure_s=0.01)
    for words in (["nonsense=1"], ["width=wide"], ["width=97"], ["lights=0"], ["--motion", str(tmp_path / "no.npz")]):
        with pytest.raises(SystemExit) as stopped:
            other_world_main(["clips", str(tmp_path / "out"), *words])
        assert stopped.value.code == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert not list(tmp_path.iterdir())
