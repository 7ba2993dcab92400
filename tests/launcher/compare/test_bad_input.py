"""What cannot be compared is one line with a remedy and exit code 2, and nothing is written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from launcher.cli import main


@pytest.fixture(scope="module")
def runs(studio: Any) -> list[Path]:
    return [studio.experiment(name, (0, 1)) for name in ("given", "other")]


@pytest.fixture
def broken(runs: list[Path], tmp_path: Path) -> Path:
    """A copy of an experiment that a test may break, beside what it refers to."""
    shutil.copytree(runs[1].parent / "shared", tmp_path / "shared")
    return shutil.copytree(runs[1], tmp_path / "broken")


def refused(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    """The one line that the command ends with."""
    page = Path(str(words[0]).split("+")[0].split(":")[0]).parent / "page.html"
    assert main(["compare", *map(str, words), "--html", str(page)]) == 2
    shown = capsys.readouterr()
    (line,) = shown.err.splitlines()
    assert shown.out == "" and line.startswith("steadyface: ") and not page.exists()
    return line


def test_one_run_or_one_run_twice(runs: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert "two runs or more" in refused(capsys, runs[0])
    assert "RUN:source" in refused(capsys, runs[0], f"{runs[0]}:adapted")
    assert "each run once" in refused(capsys, runs[0], runs[1] / ".." / runs[0].name)


def test_no_clip_in_common(runs: list[Path], studio: Any, film_clip: Any, capsys: pytest.CaptureFixture[str]) -> None:
    other = {"adapted_clip": film_clip(studio.folder / "more", "adapt.mp4", 2.5)}  # of the same name
    line = refused(capsys, runs[0], studio.experiment("on_another_clip", (0, 1), clips=other))
    assert "a clip in common" in line and "evaluation.held_out_clip" in line


def test_a_run_of_another_layout(runs: list[Path], broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = broken / "adaptation-0" / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "layout_version": 99}))
    line = refused(capsys, runs[0], broken)
    assert "got layout 99" in line and "run again" in line


@pytest.mark.parametrize("name", ["summary.json", "stages.json", "experiment.yaml"])
def test_a_folder_without_results(name: str, runs: list[Path], broken: Path, capsys: Any) -> None:
    (broken / name).unlink()
    assert f"one without {name}" in refused(capsys, runs[0], broken)
    assert "no such folder" in refused(capsys, broken.with_name("nowhere"), runs[0])


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("experiment.yaml", "name: [broken\nlab: {", "readable YAML"),
        ("experiment.yaml", "name: x\nlab: {folder: lab}\nclips: {clips: [a.mp4]}\nadaptaton: {}", "adaptation"),
        ("summary.json", "{", "steadyface evaluate"),
        ("stages.json", "[1]", "run the experiment to its end"),
    ],
)
def test_a_file_that_cannot_be_read(
    name: str, text: str, said: str, runs: list[Path], broken: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (broken / name).write_text(text)
    assert said in refused(capsys, runs[0], broken)


def test_rows_and_tracks_that_are_not_there(
    runs: list[Path], broken: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "source_smoothed" in refused(capsys, runs[0], f"{runs[1]}:adaptd")
    assert "RUN:ROW" in refused(capsys, *runs, "--row", "nothing")
    (broken / "tracks" / "adapted_clip" / "adapted-seed1.npz").unlink()
    assert "steadyface evaluate" in refused(capsys, runs[0], broken)


def test_joined_runs_of_two_settings(runs: list[Path], studio: Any, capsys: pytest.CaptureFixture[str]) -> None:
    longer = studio.experiment("longer", (3, 4), steps=300)
    line = refused(capsys, f"{runs[1]}+{longer}", runs[0])
    assert "adaptation.steps" in line and "a side of its own" in line


def test_margin_page_and_wandb(runs: list[Path], broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--margin 0.05" in refused(capsys, *runs, "--margin", "5")
    assert main(["compare", *map(str, runs), "--html", str(broken)]) == 2
    assert "--html compare.html" in capsys.readouterr().err
    content = json.loads((broken / "experiment.yaml").read_text())
    (broken / "experiment.yaml").write_text(json.dumps({**content, "wandb": {"mode": "disabled"}}))
    assert "leave --wandb out" in refused(capsys, broken, runs[0], "--wandb")
    assert not (broken / "compare").exists()
