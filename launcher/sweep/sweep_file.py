"""A sweep file, which is the W&B sweep schema as it is, read and checked: all of its faults at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from launcher.sweep.command import ARGUMENTS, MACROS, macros_in, words_of
from launcher.sweep.distributions import DEFAULTS, KEYS, default_distribution, faults_of, nearest
from launcher.sweep.parameters import Parameter
from steadyface.errors import InputError

METHODS = ("grid", "random", "bayes")
GOALS = ("minimize", "maximize")
TOP = ("program", "entity", "project", "name", "description", "method", "metric", "parameters", "early_terminate",
       "command", "run_cap")  # fmt: skip
METRIC = ("name", "goal", "target")
EARLY = ("type", "min_iter", "max_iter", "s", "eta", "strict")
PARAMETER = tuple(dict.fromkeys(["distribution", "parameters", *(key for keys in KEYS.values() for key in keys)]))
FINITE = ("values", "value", "int_uniform and q_uniform")


@dataclass(frozen=True)
class Metric:
    """What a sweep looks for; target: a value at which no new trial is begun, None for none."""

    name: str
    goal: str = "minimize"
    target: float | None = None


@dataclass(frozen=True)
class EarlyTermination:
    """Hyperband's brackets: a trial that is not among the best 1/eta of those that came to ``first``, ``first`` x eta,
    ``first`` x eta^2, ... logged values of the metric is stopped there."""

    first: int
    eta: int = 3


@dataclass(frozen=True)
class SweepFile:
    """What a sweep file says, checked as far as it can be without the experiment."""

    path: Path
    name: str
    method: str
    parameters: dict[str, Parameter]
    command: tuple[str, ...]
    metric: Metric | None
    early_terminate: EarlyTermination | None
    run_cap: int | None
    content: dict[str, Any]  # as read


def read_sweep(path: Path) -> SweepFile:
    """Read a sweep file.

    Raises:
        InputError: no such file, or no YAML mapping.
        ExceptionGroup: of one InputError a fault, all of them.
    """
    content = _read_mapping(path)
    faults: list[InputError] = []
    reader = _Reader(path.name, faults)
    reader.known(content, TOP, "")
    name = content.get("name", path.stem)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", str(name)):
        reader.fault("name", "letters, digits, . _ and -", repr(name), "it names a folder under runs")
    method = reader.word(content, "method", METHODS)
    metric = reader.metric(content)
    early = reader.early(content, metric)
    if method == "bayes" and metric is None and "metric" not in content:
        reader.fault("metric", "a metric to optimise", "none", "write metric: {name: ..., goal: minimize}")
    parameters = reader.parameters(content.get("parameters"), "")
    if method == "grid":
        for endless in [p.name for p in parameters.values() if p.points() is None]:
            expected = f"finitely many values ({', '.join(FINITE)}) in a grid"
            reader.fault(f"parameters.{endless}", expected, "a range", "list values, or use method: random")
    run_cap = reader.number(content, "run_cap", "", whole=True, above=0)
    command = reader.command(content)
    if faults:
        raise ExceptionGroup(f"faults in {path}", faults)
    cap = None if run_cap is None else int(run_cap)
    return SweepFile(path, str(name), method, parameters, command, metric, early, cap, content)


def _read_mapping(path: Path) -> dict[str, Any]:
    if not path.is_file():
        near = sorted(str(p) for p in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
        raise InputError(path, "a sweep file", "no such file", f"there are {', '.join(near)}" if near else "check it")
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(path, "readable YAML", " ".join(str(error).split()), "correct the file there") from error
    if not isinstance(content, dict):
        raise InputError(path, "a mapping", f"a {type(content).__name__}", "write method:, metric:, parameters:")
    return content


class _Loader(yaml.SafeLoader):
    """YAML whose 1e-4 is a number, as it is in an experiment file."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\d[\d_]*)(?:\.[\d_]*)?[eE][-+]?\d+$|^[-+]?\.\d+(?:[eE][-+]?\d+)?$"),
    list("-+0123456789."),
)


class _Reader:
    """Collects the faults of one file while its parts are read."""

    def __init__(self, origin: str, faults: list[InputError]) -> None:
        self.origin, self.faults = origin, faults

    def fault(self, where: str, expected: str, got: str, remedy: str) -> None:
        self.faults.append(InputError(f"{self.origin}: {where}", expected, got, remedy))

    def known(self, content: Mapping[Any, Any], known: Iterable[str], section: str) -> None:
        """A fault for each key that the schema does not have."""
        for key in content:
            if key not in known:
                near = nearest(str(key), known)
                self.fault(f"{section}{key}", "a key of a sweep", "an unknown key", f"the nearest known one is {near}")

    def word(self, content: Mapping[str, Any], key: str, words: tuple[str, ...], section: str = "") -> str:
        value = content.get(key)
        if value not in words:
            remedy = f"the nearest is {nearest(str(value), words)}" if value is not None else f"write {key}: {words[0]}"
            self.fault(f"{section}{key}", f"one of {', '.join(words)}", repr(value), remedy)
            return words[0]
        return str(value)

    def number(
        self, content: Mapping[str, Any], key: str, section: str, *, whole: bool = False, above: float = -float("inf")
    ) -> float | int | None:
        """A number; None where there is none, or a fault was noted."""
        value = content.get(key)
        if value is None:
            return None
        is_number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not is_number or value <= above:
            kind = "a whole number" if whole else "a number"
            more = f" above {above:g}" if above > -float("inf") else ""
            self.fault(f"{section}{key}", kind + more, repr(value), "correct it")
            return None
        return value

    def metric(self, content: Mapping[str, Any]) -> Metric | None:
        given = content.get("metric")
        if given is None:
            return None
        if not isinstance(given, dict) or not isinstance(given.get("name"), str):
            remedy = "write metric: {name: held_out_clip/adapted/reprojection_error_px, goal: minimize}"
            self.fault("metric", "a name and a goal", repr(given), remedy)
            return None
        self.known(given, METRIC, "metric.")
        goal = self.word({"goal": given.get("goal", GOALS[0])}, "goal", GOALS, "metric.")
        return Metric(given["name"], goal, self.number(given, "target", "metric."))

    def early(self, content: Mapping[str, Any], metric: Metric | None) -> EarlyTermination | None:
        given = content.get("early_terminate")
        if given is None:
            return None
        section = "early_terminate."
        if not isinstance(given, dict):
            remedy = "write early_terminate: {type: hyperband, min_iter: 3}"
            self.fault("early_terminate", "a mapping", repr(given), remedy)
            return None
        self.known(given, EARLY, section)
        self.word(given, "type", ("hyperband",), section)
        if metric is None and "metric" not in content:
            remedy = "write metric: {name: val/acceleration_px_s2, goal: minimize}"
            self.fault("early_terminate", "a metric to stop by", "none", remedy)
        eta = self.number(given, "eta", section, whole=True, above=1) or 3
        least, most = (self.number(given, key, section, whole=True, above=0) for key in ("min_iter", "max_iter"))
        if ("min_iter" in given) == ("max_iter" in given):
            self.fault("early_terminate", "min_iter, or max_iter and s", "both" if least else "neither", "give one")
            return None
        if least is not None:
            return EarlyTermination(int(least), int(eta))
        brackets = self.number(given, "s", section, whole=True, above=0)
        if brackets is None or most is None:
            if "s" not in given:
                self.fault(f"{section}s", "the number of brackets below max_iter", "none", "write s: 2")
            return None
        return EarlyTermination(max(1, int(most) // int(eta) ** int(brackets)), int(eta))

    def parameters(self, given: Any, section: str) -> dict[str, Parameter]:
        """Dotted name -> parameter; nested ``parameters`` are flattened."""
        if not isinstance(given, dict) or not given:
            self.fault(f"parameters{section and '.' + section.rstrip('.')}", "parameters", repr(given),
                       "write parameters: {adaptation.steps: {values: [80, 160]}}")  # fmt: skip
            return {}
        found: dict[str, Parameter] = {}
        for key, described in given.items():
            name = f"{section}{key}"
            if isinstance(described, dict) and "parameters" in described:
                self.known(described, ("parameters",), f"parameters.{name}.")
                found |= self.parameters(described["parameters"], f"{name}.")
            elif (parameter := self._parameter(name, described)) is not None:
                found[name] = parameter
        return found

    def _parameter(self, name: str, given: Any) -> Parameter | None:
        where = f"parameters.{name}"
        if not isinstance(given, dict):
            self.fault(where, "value, values, or min and max", repr(given), f"write {name}: {{value: {given}}}")
            return None
        before = len(self.faults)
        self.known(given, PARAMETER, f"{where}.")
        distribution = given.get("distribution", default_distribution(given))
        if distribution is None:
            self.fault(where, "value, values, or min and max", repr(given), "give one of them")
            return None
        if distribution not in KEYS:
            self.fault(f"{where}.distribution", "a known distribution", repr(distribution),
                       f"the nearest is {nearest(str(distribution), KEYS)}")  # fmt: skip
            return None
        for key in (key for key in given if key != "distribution" and key in PARAMETER):
            if key not in KEYS[distribution]:
                self.fault(f"{where}.{key}", f"what {distribution} has", "another key",
                           f"it has {', '.join(KEYS[distribution])}")  # fmt: skip
        values = {key: given.get(key, DEFAULTS.get(key)) for key in KEYS[distribution]}
        for fault in faults_of(distribution, values, given):
            self.fault(f"{where}.{fault[0]}", *fault[1:])
        return Parameter(name, distribution, values) if len(self.faults) == before else None

    def command(self, content: Mapping[str, Any]) -> tuple[str, ...]:
        given = content.get("command")
        remedy = "write command: steadyface run experiments/X.yaml ${args_no_hyphens}"
        is_list = isinstance(given, list) and all(isinstance(word, str | int | float) for word in given)
        if not given or not (isinstance(given, str) or is_list):
            self.fault("command", "the command of a trial", repr(given), remedy)
            return ()
        try:
            words = words_of(given)
        except ValueError as error:
            self.fault("command", "words that a shell could read", str(error), "close the quotes")
            return ()
        used = macros_in(words)
        for macro in used:
            if macro not in MACROS and not macro.startswith("envvar:"):
                near = nearest(macro, MACROS)
                self.fault("command", "a macro of a sweep", f"${{{macro}}}", f"the nearest is ${{{near}}}")
        if not set(used) & set(ARGUMENTS):
            self.fault("command", "a word that stands for the parameters", "none", remedy)
        if "program" in used and not content.get("program"):
            self.fault("program", "the program that ${program} stands for", "none", "write program:, or name it there")
        return words
