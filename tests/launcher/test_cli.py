from __future__ import annotations

import pytest

from launcher.cli import build_parser, main
from launcher.commands import commands
from launcher.commands.track import parse_box
from steadyface.errors import InputError

COMMANDS = [command.name for command in commands()]


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        main(["--help"])
    assert exit.value.code == 0
    shown = capsys.readouterr().out
    assert all(f"\n    {command}" in shown for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_ends_with_an_example_that_parses(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit:
        main([command, "--help"])
    assert exit.value.code == 0
    example = capsys.readouterr().out.rstrip().splitlines()[-1].split()
    assert example[:2] == ["steadyface", command]
    assert build_parser().parse_args(example[1:]).command


def test_every_fault_is_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["studio", "somewhere", "camras=3", "lab_frames=many"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("steadyface: command line: camras") and lines[0].endswith("is cameras")
    assert "lab_frames" in lines[1] and "'many'" in lines[1]


@pytest.mark.parametrize("text", ["", "1,2,3", "a,b,c,d", "1,2,0,4", "1,2,3,nan"])
def test_a_box_is_four_numbers(text: str) -> None:
    with pytest.raises(InputError, match="--box 120,80,360,360"):
        parse_box(text)
    assert parse_box("-5,2,30,40.5") == [-5.0, 2.0, 30.0, 40.5]
