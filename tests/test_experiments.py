"""Every YAML in experiments/ is read, checked and planned; the command in its first line runs it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from launcher.cli import build_parser
from launcher.plan import make_plan
from launcher.settings import load_experiment

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "experiments").rglob("*.yaml"))
NEEDED = {"own_clip.yaml": ["clips.clips=[my_clip.mp4]"]}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_an_experiment_is_built(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_clip.mp4").write_bytes(b"")
    experiment = load_experiment(path, NEEDED.get(path.name, []))
    plan = make_plan(experiment)
    assert plan.adaptations and len({stage.digest for stage in plan.stages()}) == len(list(plan.stages()))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_first_line_is_the_command_that_runs_it(path: Path) -> None:
    words = shlex.split(path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# "))
    assert words[:2] == ["steadyface", "run"]
    arguments = build_parser().parse_args(words[1:])
    assert (ROOT / arguments.experiment).samefile(path)
    assert load_experiment(ROOT / arguments.experiment, arguments.overrides)


def test_there_are_experiments() -> None:
    assert {"demo.yaml", "own_clip.yaml", "smoke.yaml"} <= {path.name for path in FILES}
