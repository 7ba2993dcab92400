"""Every YAML in experiments/ is read, checked and planned in each of its sizes; its first line runs it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from launcher.cli import build_parser
from launcher.load import load_experiment
from launcher.plan import make_plan

ROOT = Path(__file__).resolve().parents[1]
# The sweeps among them are held by tests/launcher/sweep/test_check.py, the stress files by
# tests/launcher/stress/test_stress_files.py.
FILES = sorted(p for p in (ROOT / "experiments").rglob("*.yaml") if p.parent.name not in {"sweeps", "stress"})
CLIP, LAB = "clips.clips=[my_clip.mp4]", "lab.folder=my_capture"
NEEDED = {"demo.yaml": [[]], "smoke.yaml": [[]], "own_clip.yaml": [[CLIP]]}
"""File -> the words that it is built with, once a list; every other one has a full size and a demo size."""
SIZED = [[CLIP, LAB], ["size=demo"]]


def built() -> list[tuple[Path, list[str]]]:
    return [(path, words) for path in FILES for words in NEEDED.get(path.name, SIZED)]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that an experiment of one's own names."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_clip.mp4").write_bytes(b"")
    (tmp_path / "my_clip.truth.npz").write_bytes(b"")
    (tmp_path / "my_capture").mkdir()
    (tmp_path / "my_capture" / "KRT").write_text("")


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize(
    ("path", "words"), built(), ids=lambda part: part.stem if isinstance(part, Path) else " ".join(part) or "as it is"
)
def test_an_experiment_is_built(path: Path, words: list[str]) -> None:
    experiment = load_experiment(path, words)
    stages = list(make_plan(experiment).stages())
    assert any(stage.kind == "adaptation" for stage in stages) == experiment.adapt
    assert len({stage.digest for stage in stages}) == len(stages)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_first_line_is_the_command_that_runs_it(path: Path) -> None:
    words = shlex.split(path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# "))
    assert words[:2] == ["steadyface", "run"]
    arguments = build_parser().parse_args(words[1:])
    assert (ROOT / arguments.experiment).samefile(path)
    assert load_experiment(ROOT / arguments.experiment, arguments.overrides)


def test_there_are_experiments() -> None:
    assert {"demo.yaml", "own_clip.yaml", "smoke.yaml", "published.yaml", "objective.yaml"} <= {p.name for p in FILES}
