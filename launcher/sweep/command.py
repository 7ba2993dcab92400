"""``command:`` of a sweep file: its macros, the experiment that it names, and the words of one trial."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ARGUMENTS = ("args", "args_no_hyphens", "args_no_equals", "args_no_boolean_flags", "args_json")
"""The macros that stand for the parameters of a trial."""
MACROS = ("env", "interpreter", "program", *ARGUMENTS)
_MACRO = re.compile(r"\$\{([^}]*)\}")


class NamedExperiment(NamedTuple):
    """The experiment that a command runs: its file, and the settings among the words."""

    path: Path
    overrides: list[str]


def words_of(command: str | Sequence[Any]) -> tuple[str, ...]:
    """A command as words; a string is split as a shell does.

    >>> words_of("steadyface run a.yaml 'seeds=[0, 1]' ${args_no_hyphens}")
    ('steadyface', 'run', 'a.yaml', 'seeds=[0, 1]', '${args_no_hyphens}')
    """
    return tuple(shlex.split(command)) if isinstance(command, str) else tuple(str(word) for word in command)


def macros_in(words: Sequence[str]) -> list[str]:
    """The names of the macros that words use."""
    return [name for word in words for name in _MACRO.findall(word)]


def named_experiment(words: Sequence[str]) -> NamedExperiment | None:
    """What ``steadyface run`` in a command is to run; None where another program stands there.

    >>> named_experiment(["steadyface", "run", "a.yaml", "size=demo", "${args_no_hyphens}"])
    NamedExperiment(path=PosixPath('a.yaml'), overrides=['size=demo'])
    """
    for index in range(len(words) - 2):
        if Path(words[index]).name == "steadyface" and words[index + 1] == "run":
            rest = [word for word in words[index + 2 :] if not _MACRO.search(word) and not word.startswith("-")]
            return NamedExperiment(Path(rest[0]), rest[1:]) if rest else None
    return None


def trial_words(command: Sequence[str], point: dict[str, Any], program: str = "") -> tuple[str, ...]:
    """The words of one trial.

    Args:
        command: of the sweep file, checked.
        point: parameter -> value.
        program: what ``${program}`` stands for.
    """
    words: list[str] = []
    for word in command:
        whole = _MACRO.fullmatch(word)
        if whole and whole[1] in ARGUMENTS:
            words += arguments(whole[1], point)
        else:
            words.append(_MACRO.sub(lambda found: _plain(found[1], point, program), word))
    if Path(words[0]).name == "steadyface":  # the one that this very interpreter has
        words[:1] = [sys.executable, "-m", "launcher.cli"]
    return tuple(words)


def arguments(macro: str, point: dict[str, Any]) -> list[str]:
    """The parameters in the form that a macro of ``ARGUMENTS`` asks for.

    >>> arguments("args_no_hyphens", {"adaptation.steps": 80, "seeds": [0, 1], "trainer.precision": None})
    ['adaptation.steps=80', 'seeds=[0, 1]', 'trainer.precision=null']
    """
    if macro == "args_json":
        return [json.dumps(point)]
    words = [(name, as_word(value)) for name, value in point.items()]
    if macro == "args_no_hyphens":
        return [f"{name}={word}" for name, word in words]
    if macro == "args_no_equals":
        return [part for name, word in words for part in (f"--{name}", word)]
    flags = [f"--{name}={word}" for name, word in words]
    if macro == "args_no_boolean_flags":
        bools = {f"--{name}={as_word(v)}": (name, v) for name, v in point.items() if isinstance(v, bool)}
        kept = [flag for flag in flags if flag not in bools or bools[flag][1]]
        return [f"--{bools[flag][0]}" if flag in bools else flag for flag in kept]
    return flags


def as_word(value: Any) -> str:
    """A value as a word that YAML reads back as that value.

    >>> as_word(True), as_word("yes"), as_word("heads"), as_word(1e-05)
    ('true', '"yes"', 'heads', '1.0e-05')
    """
    if isinstance(value, str):
        try:
            plain = yaml.safe_load(value) == value
        except yaml.YAMLError:
            plain = False
        return value if plain else json.dumps(value)
    word = json.dumps(value)
    if isinstance(value, float) and "e" in word and "." not in word:
        word = word.replace("e", ".0e")  # without the point YAML 1.1 reads a string
    return word


def _plain(name: str, point: dict[str, Any], program: str) -> str:
    if name.startswith("envvar:"):
        variable = name.removeprefix("envvar:")
        return os.environ.get(variable, variable)
    if name in ARGUMENTS:
        return shlex.join(arguments(name, point))
    return {"env": "/usr/bin/env", "interpreter": sys.executable, "program": program}[name]
