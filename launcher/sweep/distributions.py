"""The distributions of the W&B sweep schema by name: their keys, their defaults, their faults."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

Value = Any  # what YAML can say

RANGE = ("min", "max")
KEYS: dict[str, tuple[str, ...]] = {
    "constant": ("value",),
    "categorical": ("values",),
    "categorical_w_probabilities": ("values", "probabilities"),
    "int_uniform": RANGE,
    "uniform": RANGE,
    "q_uniform": (*RANGE, "q"),
    "log_uniform": RANGE,
    "log_uniform_values": RANGE,
    "inv_log_uniform": RANGE,
    "inv_log_uniform_values": RANGE,
    "q_log_uniform": (*RANGE, "q"),
    "q_log_uniform_values": (*RANGE, "q"),
    "normal": ("mu", "sigma"),
    "q_normal": ("mu", "sigma", "q"),
    "log_normal": ("mu", "sigma"),
    "q_log_normal": ("mu", "sigma", "q"),
    "beta": ("a", "b"),
    "q_beta": ("a", "b", "q"),
}
"""Distribution -> the keys that describe it."""

DEFAULTS = {"q": 1, "mu": 0.0, "sigma": 1.0}


class Fault(NamedTuple):
    """key: of the parameter; the rest as in `steadyface.errors.InputError`."""

    key: str
    expected: str
    got: str
    remedy: str


def default_distribution(given: Mapping[str, Any]) -> str | None:
    """What W&B takes where no distribution is named."""
    if "value" in given:
        return "constant"
    if "values" in given:
        return "categorical_w_probabilities" if "probabilities" in given else "categorical"
    if "min" in given and "max" in given:
        whole = all(isinstance(given[key], int) for key in RANGE)
        return "int_uniform" if whole else "uniform"
    return "normal" if "mu" in given or "sigma" in given else None


def faults_of(distribution: str, values: dict[str, Any], given: Mapping[str, Any]) -> Iterator[Fault]:
    """What a distribution cannot be drawn from.

    Args:
        values: its keys with their defaults; given: the keys as the file has them.
    """
    if distribution == "constant":
        if "value" not in given:
            yield Fault("value", "a value", "none", "give it")
        return
    if "values" in values:
        yield from _faults_of_values(values)
        return
    for key, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            yield Fault(key, "a number", repr(value), "give it")
            return
    if distribution == "int_uniform" and not all(isinstance(values[key], int) for key in RANGE):
        yield Fault("min", "whole numbers", f"{values['min']} and {values['max']}", "or write distribution: uniform")
    if "min" in values and not values["min"] < values["max"]:
        yield Fault("max", f"more than min ({values['min']})", repr(values["max"]), "raise it")
    if distribution.endswith("log_uniform_values") and values["min"] <= 0:
        yield Fault("min", "a value above 0", repr(values["min"]), "a logarithm is taken of it")
    for key in ("q", "sigma", "a", "b"):
        if key in values and values[key] <= 0:
            yield Fault(key, "a number above 0", repr(values[key]), "raise it")
            return
    if distribution == "q_uniform" and values["max"] // values["q"] * values["q"] < values["min"]:
        yield Fault("q", "a step that fits between min and max", repr(values["q"]), "lower it")


def _faults_of_values(values: dict[str, Any]) -> Iterator[Fault]:
    words = values["values"]
    if not isinstance(words, list) or not words:
        yield Fault("values", "a list of values", repr(words), "write values: [1, 2]")
        return
    encoded = [encode(word) for word in words]
    twice = [word for index, word in enumerate(words) if encoded[index] in encoded[:index]]
    if twice:
        yield Fault("values", "different values", f"{twice[0]!r} twice", "remove one")
    if "probabilities" not in values:
        return
    shares = values["probabilities"]
    is_list = isinstance(shares, list) and all(isinstance(s, int | float) and s >= 0 for s in shares)
    if not is_list or len(shares) != len(words) or not sum(shares) > 0:
        yield Fault("probabilities", "a share for each value", repr(shares), f"give {len(words)} numbers that sum to 1")


def encode(value: Value) -> Any:
    """A value as Optuna can keep it: lists and mappings as JSON.

    >>> encode([0, 1]), encode(0.5)
    ('[0, 1]', 0.5)
    """
    return value if isinstance(value, str | int | float | bool | None) else json.dumps(value, sort_keys=True)


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that is most like another."""
    return difflib.get_close_matches(word, list(known), n=1, cutoff=0.0)[0]
