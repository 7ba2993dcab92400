"""The whole path at toy size, through the command line: what a user types, what lies there after."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher.cli import main
from launcher.runs import read_record
from steadyface.capture.video import probe
from steadyface.tracking.crop_path import CropPath
from steadyface.tracking.track import Track

ROOT = Path(__file__).resolve().parents[2]
SMOKE = str(ROOT / "experiments" / "smoke.yaml")
ROWS = [
    "source",
    "source_smoothed",
    "adapted",
    "adapted_smoothed",
    "cftc_unguarded",
    "motc_raw",
    "decoder_floor",
]

pytestmark = pytest.mark.timeout(600)


def steadyface(folder: Path, *words: str) -> tuple[int, str, str]:
    """Run a command in a folder, in this process: exit code, stdout, stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    return code, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A finished smoke experiment and what it printed."""
    folder = tmp_path_factory.mktemp("smoke")
    code, shown, errors = steadyface(folder, "run", SMOKE)
    assert code == 0, errors[-3000:]
    return folder, shown


def test_the_summary_has_every_row_and_metric_for_both_clips(ran: tuple[Path, str]) -> None:
    summary = json.loads((ran[0] / "runs" / "smoke" / "summary.json").read_text())
    assert summary["seeds"] == [0] and set(summary) == {"adapted_clip", "held_out_clip", "seeds"}
    for clip in ("adapted_clip", "held_out_clip"):
        assert set(summary[clip]) == set(ROWS)
        for row in summary[clip].values():
            for metric in ("reprojection_error_px", "acceleration_error_px_s2", "vertex_error_lips_mm"):
                assert len(row[metric]) == 1 and row[metric][0] > 0
            assert row["texture_coverage"][0] <= 1
        assert summary[clip]["source"]["texture_coverage"] == [1.0]
        floor, source = summary[clip]["decoder_floor"], summary[clip]["source"]
        assert floor["reprojection_error_px"][0] < source["reprojection_error_px"][0]


def test_the_console_shows_stages_table_and_shares_of_the_time(ran: tuple[Path, str]) -> None:
    for words in (
        "appearance: started in runs/smoke/appearance-",
        "motc_raw, seed 0",
        "adapted clip",
        "held out clip",
    ):
        assert words in ran[1]
    lines = ran[1].split("\ntime\n")[1].splitlines()
    seconds = json.loads((ran[0] / "runs" / "smoke" / "stages.json").read_text())["seconds"]
    assert list(seconds)[-2:] == ["evaluation", "report"] and len(seconds) == 8
    for label, line in zip(seconds, lines, strict=False):
        assert line.strip().startswith(label) and line.endswith("%")
    assert "report: runs/smoke/report.html" in ran[1]


def test_every_stage_is_finished_in_a_whole_folder(ran: tuple[Path, str]) -> None:
    folders = sorted((ran[0] / "runs" / "smoke").glob("*-*/"))
    kinds = [folder.name.partition("-")[0] for folder in folders]
    assert sorted(kinds) == ["adaptation"] * 3 + ["appearance", "pretraining", "studio"]
    for folder in folders:
        record = read_record(folder)
        assert record is not None and record.state == "finished"
        assert (folder / "experiment.yaml").is_file()
        if record.kind != "studio":
            assert {"checkpoints", "media", "metrics.csv", "wandb", "log.txt"} <= {
                path.name for path in folder.iterdir()
            }
    assert [path.name for path in ran[0].iterdir()] == ["runs"], "something was written outside the runs"


def test_a_second_run_trains_nothing_and_gives_the_same_figures(ran: tuple[Path, str]) -> None:
    summary = ran[0] / "runs" / "smoke" / "summary.json"
    before = summary.read_text()
    code, shown, _ = steadyface(ran[0], "run", SMOKE)
    assert code == 0 and "6 stages done, 6 of them taken from earlier runs" in shown
    assert summary.read_text() == before


def test_evaluate_writes_the_figures_again(ran: tuple[Path, str]) -> None:
    summary = ran[0] / "runs" / "smoke" / "summary.json"
    before = summary.read_text()
    report = summary.with_name("report.html")
    summary.unlink()
    report.unlink()
    assert steadyface(ran[0], "evaluate", "runs/smoke")[0] == 0
    assert summary.read_text() == before
    assert report.read_text().count("<video") == 2


def test_a_dry_run_says_what_is_done(ran: tuple[Path, str]) -> None:
    shown = steadyface(ran[0], "run", SMOKE, "adaptation.learning_rate=0.001", "--dry-run")[1]
    stages = shown.split("# stages")[1].splitlines()
    assert sum("done in" in line for line in stages) == 3
    assert sum("to run" in line for line in stages) == 3


def test_two_processes_train_every_stage_after_the_studio(ran: tuple[Path, str]) -> None:
    words = ["run", SMOKE, "name=two", "trainer.devices=2", "variants={}", "evaluation.held_out_clip="]
    command = [str(Path(sys.executable).with_name("steadyface")), *words]
    result = subprocess.run(command, cwd=ran[0], capture_output=True, text=True, timeout=500)
    assert result.returncode == 0, result.stderr[-3000:]
    assert "studio: taken from runs/smoke/studio-" in result.stdout
    assert "4 stages done, 1 of them taken from earlier runs" in result.stdout
    folders = sorted((ran[0] / "runs" / "two").glob("*-*/"))
    assert len(folders) == 3, "one folder a stage, shared by the ranks"
    for folder in folders:
        record = read_record(folder)
        assert record is not None and record.state == "finished"
        assert len(list((folder / "wandb").glob("offline-run-*"))) == 1
    rows = json.loads((ran[0] / "runs" / "two" / "summary.json").read_text())["adapted_clip"]
    assert rows["adapted"]["reprojection_error_px"][0] > 0


@pytest.fixture
def clip(ran: tuple[Path, str]) -> Iterator[Path]:
    """A clip of one's own: no truth lies beside it."""
    (filmed,) = (ran[0] / "runs").glob("smoke/studio-*/data/clips/adapt.mp4")
    yield Path(shutil.copy(filmed, ran[0] / "mine.mp4"))
    (ran[0] / "mine.mp4").unlink()


def test_a_clip_without_truth_is_adapted_to(ran: tuple[Path, str], clip: Path) -> None:
    words = ["name=mine", f"clips.clips=[{clip.name}]", "evaluation.held_out_clip=", "variants={}"]
    code, shown, _ = steadyface(ran[0], "run", SMOKE, *words)
    assert code == 0 and "4 stages done, 3 of them taken from earlier runs" in shown
    rows = json.loads((ran[0] / "runs" / "mine" / "summary.json").read_text())["adapted_clip"]
    assert set(rows) == {"source", "source_smoothed", "adapted", "adapted_smoothed"}
    assert not any("error" in metric or "lag" in metric for metric in rows["adapted"])


def test_crops_that_follow_the_head_are_found_by_the_source_and_kept(ran: tuple[Path, str]) -> None:
    """A network of a few steps sees no head yet: that is said, and the box is taken as it is."""
    words = ["source=runs/smoke", "clips.follow=true", "variants={}", "evaluation.held_out_clip=", "name=follows"]
    code, _, errors = steadyface(ran[0], "run", SMOKE, *words)
    assert code == 0, errors[-3000:]
    (crops,) = (ran[0] / "runs" / "follows").glob("adaptation-*/crops/0.npz")
    clip = next((ran[0] / "runs" / "smoke").glob("studio-*/data/clips/adapt.mp4"))
    assert len(CropPath.load(crops)) == probe(clip).frame_count
    row = json.loads((ran[0] / "runs" / "follows" / "summary.json").read_text())["adapted_clip"]["adapted"]
    assert row["reprojection_error_px"][0] > 0


def test_a_clip_is_tracked_to_states_and_overlay(ran: tuple[Path, str], clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "tracked"
    where = ["--box", "2,24,115,115", "--focal", "155", "--out", str(out)]
    code, shown, _ = steadyface(ran[0], "track", clip.name, "--run", "runs/smoke", *where)
    assert code == 0 and "12 frames: " in shown
    assert len(Track.load(out / "track.npz")) == 12
    assert probe(out / "overlay.mp4").frame_count == 12


def test_a_given_source_is_adapted_without_training_one(ran: tuple[Path, str]) -> None:
    words = ["name=given", "source=runs/smoke", "variants={}", "evaluation.held_out_clip="]
    code, shown, _ = steadyface(ran[0], "run", SMOKE, *words)
    assert code == 0 and "2 stages done, 1 of them taken from earlier runs" in shown


def test_few_frames_are_chosen_by_the_source_and_kept_beside_the_result(ran: tuple[Path, str]) -> None:
    """More steps than the windows of six frames fill batches; another number of frames is another stage."""
    words = ["name=few", "source=runs/smoke", "variants={}", "evaluation.held_out_clip=", "clips.frames=6"]
    code, shown, errors = steadyface(ran[0], "run", SMOKE, *words)
    assert code == 0 and "2 stages done, 1 of them taken from earlier runs" in shown, errors[-3000:]
    (chosen,) = (ran[0] / "runs" / "few").glob("adaptation-*/chosen_frames.json")
    frames = json.loads(chosen.read_text())["adapt.mp4"]["frames"]
    assert len(frames) == 6 and frames == sorted(set(frames)) and frames != list(range(6))
    said = "adapt.mp4: 6 of 12 frames to learn from, by coverage"
    assert said in shown and said in (chosen.parent / "log.txt").read_text()


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["run", SMOKE, "adaptation.stepz=3"], "the nearest known one is adaptation.steps"),
        (["run", SMOKE, "lab.folder=nowhere"], "nowhere: expected a file or folder, got nothing there"),
        (["run", SMOKE, "clips.clips=[nowhere.mp4]"], "nowhere.mp4: expected a file or folder"),
        (["run", SMOKE, "source=nowhere"], "nowhere: expected a run folder or a checkpoint"),
        (["run", SMOKE, "clips.image_size=96"], "clips.image_size: expected 64"),
        (["run", SMOKE, "variants.adapted={steps: 3}"], "variants.adapted: expected a new row's name"),
        (["evaluate", "runs"], "runs: expected the folder of an experiment"),
        (["track", "x.mp4", "--run", "runs/smoke", "--box", "1,2,3,4"], "x.mp4: expected a video"),
        (["track", "x.mp4", "--run", "runs"], "runs: expected a run folder or a checkpoint, got neither"),
        (["studio", "runs"], "runs: expected a new or empty folder"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(ran: tuple[Path, str], words: list[str], fault: str) -> None:
    code, _, errors = steadyface(ran[0], *words)
    assert code == 2
    assert fault in errors and errors.count("\n") == 1
    assert [path.name for path in ran[0].iterdir()] == ["runs"], "something half-written was left behind"
