"""The commands of the README and of docs/: each make target exists, each line parses, and the first ones run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from launcher.cli import build_parser
from launcher.commands import commands
from launcher.load import load_experiment

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [
    block for page in PAGES for block in re.findall(r"```bash\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
]
COMMANDS = [command.name for command in commands()]
LINES = [line for block in BLOCKS for line in block.splitlines() if line.strip() and not line.startswith("#")]
STEADYFACE = [line for line in LINES if "steadyface " in line]
MAKE = [line for line in LINES if line.startswith("make")]


def words_of(line: str) -> list[str]:
    """A command's words after the program, up to where its output goes; comments left out."""
    words = shlex.split(line, comments=True)
    words = words[next(i for i, word in enumerate(words) if word.endswith("steadyface")) + 1 :]
    return words[: words.index(">")] if ">" in words else words


def test_the_readme_shows_commands() -> None:
    assert len(MAKE) >= 2 and len(STEADYFACE) >= 5


@pytest.mark.parametrize("line", MAKE)
def test_a_make_line_names_a_target(line: str) -> None:
    plan = subprocess.run(
        ["make", "-n", *shlex.split(line, comments=True)[1:]], cwd=ROOT, capture_output=True, text=True
    )
    assert plan.returncode == 0, plan.stderr


@pytest.mark.parametrize("line", STEADYFACE)
def test_a_steadyface_line_parses_and_its_settings_exist(line: str) -> None:
    words = words_of(line)
    if "--help" in words:
        return
    arguments = build_parser().parse_args(words)
    if "experiment" in arguments:
        assert load_experiment(ROOT / arguments.experiment, arguments.overrides)


def test_help_and_a_dry_run_of_the_demo_work(tmp_path: Path) -> None:
    program = str(Path(sys.executable).with_name("steadyface"))
    helped = subprocess.run([program, "--help"], capture_output=True, text=True, check=True, timeout=60)
    assert "run" in helped.stdout
    words = [program, "run", str(ROOT / "experiments" / "demo.yaml"), "--dry-run"]
    planned = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120)
    assert "# stages" in planned.stdout and list(tmp_path.iterdir()) == []


def test_every_command_is_in_the_readme() -> None:
    for command in COMMANDS:
        assert any(words_of(line)[0] == command for line in STEADYFACE), command
