"""The parameters of a sweep: what values they have, and how an engine draws them.

Each free parameter is drawn as a *latent*, a number or a word that Optuna's own distributions can hold;
`Parameter.decode` makes the setting's value of it. Source: the W&B documentation, "Sweep configuration options".
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from launcher.sweep.distributions import Value, encode

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Point = dict[str, Value]

_TAIL = 5e-4  # what is cut off each end of a distribution without bounds


@dataclass(frozen=True)
class Parameter:
    """One parameter of a sweep.

    name: the dotted setting. distribution: one of ``distributions.KEYS``; given: its keys with their
    defaults, checked.
    """

    name: str
    distribution: str
    given: dict[str, Any]

    @property
    def free(self) -> bool:
        """Whether there is anything to draw."""
        return self.distribution != "constant"

    def latent(self) -> BaseDistribution:
        """Optuna's distribution of the latent."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.distribution == "categorical":
            return CategoricalDistribution([encode(value) for value in self.given["values"]])
        low, high = self._bounds()
        if self.distribution == "int_uniform":
            return IntDistribution(int(low), int(high))
        if self.distribution == "q_uniform":
            return IntDistribution(math.ceil(low / self._q - 1e-9), math.floor(high / self._q + 1e-9))
        return FloatDistribution(low, high, log=self._is_log)

    def decode(self, latent: Any) -> Value:
        """The setting's value for a latent."""
        if self.distribution == "categorical":
            return next(value for value in self.given["values"] if encode(value) == latent)
        if self.distribution == "int_uniform":
            return int(latent)
        if self.distribution == "q_uniform":
            return self._multiple(latent)
        value = float(self._of_quantile(latent) if self._of_quantile else latent)
        if self.distribution == "categorical_w_probabilities":
            return self.given["values"][int(value)]
        if "q" in self.given:
            return self._multiple(self._nearest(value))
        return value

    def points(self) -> list[Value] | None:
        """Every value, where there are finitely many; None otherwise."""
        if not self.free:
            return [self.given["value"]]
        if "values" in self.given:
            return list(self.given["values"])
        if self.distribution in {"int_uniform", "q_uniform"}:
            latent: Any = self.latent()
            return [self.decode(number) for number in range(latent.low, latent.high + 1)]
        return None

    def examples(self) -> list[Value]:
        """Each of its words or, of a range, the two ends: what its values are checked by."""
        if not self.free or "values" in self.given:
            return self.points() or []
        latent: Any = self.latent()
        ends = [self.decode(latent.low), self.decode(latent.high)]
        return ends[:1] if ends[0] == ends[1] else ends

    def encode(self, value: Value) -> Any:
        """The latent of one of `points`."""
        return round(value / self._q) if self.distribution == "q_uniform" else encode(value)

    @property
    def _q(self) -> float:
        return float(self.given.get("q", 1))

    @property
    def _is_log(self) -> bool:
        return "log_uniform" in self.distribution

    @property
    def _of_quantile(self) -> Callable[[float], float] | None:
        """From a quantile to the value, for the distributions that are drawn by quantile."""
        given = self.given
        if self.distribution.endswith("normal"):
            normal = NormalDist(given["mu"], given["sigma"])
            is_log = "log" in self.distribution
            return lambda u: math.exp(normal.inv_cdf(u)) if is_log else normal.inv_cdf(u)
        if self.distribution.endswith("beta"):
            from scipy.special import betaincinv

            return lambda u: float(betaincinv(given["a"], given["b"], u))
        if self.distribution == "categorical_w_probabilities":
            return lambda u: _index_of_quantile(u, given["probabilities"])
        return None

    def _bounds(self) -> tuple[float, float]:
        """Of the latent."""
        if self._of_quantile is not None:
            return (0.0, 1.0) if "probabilities" in self.given else (_TAIL, 1.0 - _TAIL)
        low, high = float(self.given["min"]), float(self.given["max"])
        if self.distribution == "inv_log_uniform":
            return math.exp(-high), math.exp(-low)
        if self.distribution in {"log_uniform", "q_log_uniform"}:
            return math.exp(low), math.exp(high)
        return low, high

    def _nearest(self, value: float) -> int:
        """How many times q a value is, rounded, and not beyond the bounds."""
        number = round(value / self._q)
        if "min" in self.given:
            low, high = self._bounds()
            number = max(math.ceil(low / self._q), min(math.floor(high / self._q), number))
        return number

    def _multiple(self, number: int) -> int | float:
        """So many times q: an integer where q is one."""
        q = self.given.get("q", 1)
        return number * q if isinstance(q, int) else round(number * q, 12)


def grid_points(parameters: dict[str, Parameter]) -> Iterator[Point]:
    """Every combination, the last parameter fastest; each parameter must have finitely many values."""
    values = [parameter.points() or [] for parameter in parameters.values()]
    for chosen in product(*values):
        yield dict(zip(parameters, chosen, strict=True))


def grid_size(parameters: dict[str, Parameter]) -> int:
    """How many points a grid has."""
    return math.prod(len(parameter.points() or []) for parameter in parameters.values())


def example_points(parameters: dict[str, Parameter]) -> Iterator[Point]:
    """Points that show every word and every end of a range, one parameter at a time, the others at their first."""
    examples = {name: parameter.examples() for name, parameter in parameters.items()}
    first = {name: values[0] for name, values in examples.items()}
    yield first
    for name, values in examples.items():
        for value in values[1:]:
            yield {**first, name: value}


def _index_of_quantile(u: float, probabilities: list[float]) -> int:
    total, reached = sum(probabilities), 0.0
    for index, probability in enumerate(probabilities):
        reached += probability / total
        if u < reached:
            return index
    return len(probabilities) - 1


def trial_name(sweep: str, point: Point) -> str:
    """The name of a trial's folder: the sweep's and a hash of the parameters.

    >>> trial_name("steps", {"adaptation.steps": 80})
    'steps-cae3e79a'
    """
    text = json.dumps(point, sort_keys=True, ensure_ascii=False)
    return f"{sweep}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
