"""The command killed and started again loses no stage that was done; a clip that cannot be learned from is refused."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
import torch

import launcher.stages
from launcher.cli import main
from launcher.runs import read_record
from launcher.stress.cell_run import finished_cell, run_cell
from launcher.stress.cells import read_cells
from launcher.stress.grid import CellKey
from launcher.stress.settings import StressSettings, load_stress
from launcher.stress.study import check_takes, check_windows
from launcher.stress.subjects import StressSubject, find_subjects
from steadyface.capture.clip_truth import ClipTruth, truth_path
from steadyface.errors import InputError
from steadyface.tracking.track import Track

FOLDER = Path(__file__).resolve().parents[3] / "experiments" / "stress"
SMALL = ["frames=6", "adaptation.steps=2", "trainer.checkpoint_every_steps=1",
         "adaptation.guard.refuse_other_person=false"]  # fmt: skip

SEED_WITHOUT_NEIGHBOURS = 9  # of 12 frames it leaves 0, 3, 6 and 11

pytestmark = pytest.mark.timeout(600)


def settings_of(condition: str, *words: str) -> StressSettings:
    return load_stress([FOLDER / f"{condition}.yaml"], [*SMALL, *words])[0]


def killed_at(stage_label: str, words: list[str]) -> int:
    """The command in a process of its own, killed where a stage with that label is about to start."""
    child = os.fork()
    if child == 0:
        execute = launcher.stages.execute

        def dying(stage, *arguments, **options):
            if stage.label.startswith(stage_label):
                os.kill(os.getpid(), signal.SIGKILL)
            return execute(stage, *arguments, **options)

        launcher.stages.execute = dying
        os._exit(main(words))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_killed_command_goes_on_with_the_stage_that_it_was_at(toy_run: Path, tmp_path: Path, capfd) -> None:
    runs, page = tmp_path / "stress", tmp_path / "docs" / "stress.md"
    words = ["stress", str(FOLDER / "flicker.yaml"), "--sources", str(toy_run), "--runs", str(runs), "--grid", "quick",
             "--out", str(page), "--set", *SMALL]  # fmt: skip
    assert killed_at("adapted", words) == -signal.SIGKILL
    assert not page.exists() and read_cells(runs) == []
    first = runs / "clean-0-subject0-seed0"
    written = {path: path.stat().st_mtime_ns for path in first.rglob("*") if path.name in {"clip.mp4", "last.ckpt"}}
    assert len(written) == 2  # the clip and the paper's network
    capfd.readouterr()

    assert main(words) == 0
    said = capfd.readouterr().out
    assert said.count("taken from") == 2 and "stress: 2/2 cells" in said and "s left" in said
    assert {path: path.stat().st_mtime_ns for path in written} == written
    clean, flicker = read_cells(runs)
    assert (clean.condition, flicker.condition, flicker.strength) == ("clean", "flicker", 0.75)
    assert "2 of 2 cells done" in page.read_text() and (page.parent / "stress-vertices.png").is_file()
    check_cell_agrees_with_its_files(flicker)
    assert json.loads((runs / "campaign.json").read_text())["wall_s"] > 0

    assert main(words) == 0  # nothing is left to do
    again = capfd.readouterr().out
    assert "2 cells, 2 of them done before" in again and "started in" not in again


def check_cell_agrees_with_its_files(cell) -> None:
    """Its figures are those of its tracks, by a loop."""
    truth = ClipTruth.load(truth_path(cell.clip))
    assert len(truth.time_s) == cell.frames == 6
    folder = cell.clip.parents[2]
    for row, file in (("source", "source"), ("paper", "published-seed0"), ("ours", "adapted-seed0")):
        track, found = Track.load(folder / "tracks" / f"{file}.npz"), cell.row(row)
        assert found.checkpoint.is_file() and not found.refused
        frames = []
        for t in range(cell.frames):
            places = [
                one.vertices[t].double() @ one.rotation[t].double().T + one.translation[t].double()
                for one in (track, truth)
            ]
            pixels = [(p @ truth.intrinsics[t].double().T)[:, :2] / p[:, 2:] for p in places]
            frames.append(float((pixels[0] - pixels[1]).norm(dim=1).mean()))
        assert found.per_frame["reprojection_error_px"] == pytest.approx(frames, rel=1e-3)
        mean = sum(frames) / len(frames)
        assert found.metrics["reprojection_error_px"] == pytest.approx(mean, rel=1e-3)
    record = read_record(cell.ours.checkpoint.parents[1])
    assert record is not None and record.settings["adaptation"]["lab_weight"] > 0
    assert not torch.equal(*(Track.load(folder / "tracks" / f"{f}-seed0.npz").latent for f in ("published", "adapted")))


def test_a_clip_without_pairs_leaves_the_source_as_it_was(toy_run: Path, tmp_path: Path) -> None:
    settings, subject = settings_of("frame_rate", "frames=4"), StressSubject(toy_run)
    key = CellKey("studio", "frame_rate", 3.0, 0, SEED_WITHOUT_NEIGHBOURS)
    cell = run_cell(key, settings, subject, tmp_path)
    assert "window" in cell.ours.refused or "batch_size" in cell.ours.refused
    assert cell.paper.metrics == cell.ours.metrics == cell.source.metrics
    assert cell.ours.checkpoint == cell.source.checkpoint
    again = finished_cell(key, settings, subject, tmp_path)
    assert again is not None and again.ours.refused == cell.ours.refused
    # other steps are another cell, as is another clip
    assert finished_cell(key, settings_of("frame_rate", "frames=4", "adaptation.steps=3"), subject, tmp_path) is None


def test_what_cannot_be_a_subject_is_said(toy_run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="another person in each run"):
        find_subjects([toy_run, toy_run])
    with pytest.raises(InputError, match="run the experiment to its end first"):
        find_subjects([tmp_path])
    subjects = find_subjects([toy_run])
    key = CellKey("studio", "frame_rate", 3.0, 0, 0)
    with pytest.raises(InputError, match="18 frames, for frame_rate-3-subject0-seed0, got 12"):
        check_takes({key: settings_of("frame_rate")}, subjects)


def test_an_objective_of_triples_is_refused_where_the_clips_give_pairs(toy_run: Path) -> None:
    subjects, key = find_subjects([toy_run]), CellKey("studio", "flicker", 0.3, 0, 0)
    check_windows({key: settings_of("flicker")}, subjects)
    with pytest.raises(InputError, match="acceleration: expected windows of three frames or more, got windows of 2"):
        check_windows({key: settings_of("flicker", "adaptation.weights.acceleration=2")}, subjects)
