"""Every file of experiments/stress/ is built, its first line runs it; what is wrong in one is said before any work."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path

import pytest

from launcher.cli import build_parser, main
from launcher.stress.grid import plan_cells
from launcher.stress.settings import load_stress, paper_adaptation
from steadyface.studio.stress_conditions import CLEAN, STRESS

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "experiments" / "stress"
FILES = sorted(FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_built_and_its_first_line_runs_it(path: Path) -> None:
    words = shlex.split(path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# "))
    assert words[:2] == ["steadyface", "stress"]
    (given,) = build_parser().parse_args(words[1:]).files
    assert (ROOT / given).samefile(path if path.name != "base.yaml" else FOLDER)
    if path.name != "base.yaml":
        (settings,) = load_stress([path])
        assert settings.condition == path.stem and len(settings.strengths) == 5 and settings.mild < settings.strong
        assert settings.frames == 64 and settings.seeds == [0] and settings.adaptation.steps == 60


def test_there_is_a_file_for_each_condition() -> None:
    conditions = load_stress([FOLDER])
    assert {one.condition for one in conditions} == set(STRESS) - {CLEAN} and len(conditions) == 14


def test_the_papers_objective_holds_nothing_of_ours() -> None:
    """A part that is new in the default objective must be switched off in it by name."""
    settings = load_stress([FOLDER])[0]
    paper = paper_adaptation(settings, 7)
    parts = {name for name, weight in paper.weights.of_parts().items() if weight > 0}
    assert parts == {"motc_raw", "cftc_raw", "landmarks", "colour"} and paper.lab_weight == 0 and paper.seed == 7
    assert not paper.guard.select and not paper.guard.refuse_other_person
    assert paper.steps == settings.adaptation.steps
    ours = {name for name, weight in settings.adaptation.weights.of_parts().items() if weight > 0}
    assert {"registration", "motc", "cftc"} <= ours
    assert asdict(paper_adaptation(settings, 0)) != asdict(settings.adaptation)


def test_the_grids_hold_what_they_say() -> None:
    conditions = load_stress([FOLDER])
    full = plan_cells(conditions, [0, 1, 2], "full")
    assert len(full) == 14 * 2 * 3 + 14 * 3 + 3  # both strengths on all, the other three on one, and clean cells
    assert list(full)[:3] == [key for key in full if key.condition == CLEAN]
    per_subject = [sum(key.subject == number for key in full) for number in (0, 1, 2)]
    assert per_subject == [71, 29, 29] and len({key.name for key in full}) == len(full)
    assert set(plan_cells(conditions, [0, 1, 2], "strengths")) == {key for key in full if key.subject == 0}
    quick = plan_cells(conditions, [0, 1, 2], "quick")
    assert len(quick) == 15 and set(quick) <= set(full)
    other = list(plan_cells(conditions[:1], [0], "quick", "other"))
    assert all(key.name.startswith("other-") for key in other)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("condition: fliker", "the nearest is flicker"),
        ("condition: clean", "clean cells are in every grid anyway"),
        ("condition: flicker\nstrengths: [0.1, 0.2, 0.3, 0.4, 9]\nmild: 0.1\nstrong: 0.2", "0 to 4 (stops), got 9"),
        ("condition: flicker\nstrengths: [0.3, 0.2]\nmild: 0.2\nstrong: 0.3", "5 different ones"),
        ("condition: flicker\nstrengths: [0.1, 0.2, 0.3, 0.4, 0.5]\nmild: 0.15\nstrong: 0.2", "mild: expected one of"),
        ("condition: flicker\nstrenghts: [1]", "the nearest known one is strengths"),
        ("condition: flicker\nframes: 2", "frames: expected 4 or more"),
        ("condition: flicker\npaper: {lab_wieght: 0}", "lab_weight"),
    ],
)
def test_a_fault_of_a_file_is_one_line(tmp_path, capsys, lines, said) -> None:
    (tmp_path / "wrong.yaml").write_text(f"extends: {FOLDER / 'base.yaml'}\n{lines}\n")
    runs = tmp_path / "runs"
    words = [str(tmp_path / "wrong.yaml"), "--sources", str(tmp_path / "none"), "--runs", str(runs)]
    assert main(["stress", *words]) == 2
    errors = capsys.readouterr().err
    assert said in errors and "Traceback" not in errors and not runs.exists()


def test_missing_sources_worlds_and_grids_are_said(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = str(FOLDER / "flicker.yaml")
    for words, said in (
        (["--sources", "none"], "run the experiment to its end first"),
        ([], "give runs/demo"),
        (["--world", "mars"], "one of studio"),
    ):
        assert main(["stress", file, *words]) == 2
        assert said in capsys.readouterr().err
    assert main(["stress", str(tmp_path / "none.yaml")]) == 2 and main(["stress", str(tmp_path)]) == 2
    assert not list(tmp_path.iterdir())


def test_one_file_a_condition() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        load_stress([FOLDER / "flicker.yaml", FOLDER])
    assert "flicker twice" in str(caught.value.exceptions[0])
