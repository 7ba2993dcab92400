"""What a sweep's parameters are in Optuna's trials, and what a trial's parameters are in the sweep."""

from __future__ import annotations

from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial

from launcher.sweep.parameters import Point, trial_name
from launcher.sweep.sweep_file import SweepFile


class Space:
    """The parameters of a sweep on both sides.

    Args:
        sweep: whose parameters they are.
    """

    def __init__(self, sweep: SweepFile) -> None:
        self._name, self._parameters = sweep.name, sweep.parameters
        self._free = {name: parameter for name, parameter in sweep.parameters.items() if parameter.free}

    def name_of(self, point: Point) -> str:
        """The name of a trial's folder: the sweep's and a hash of the parameters."""
        return trial_name(self._name, point)

    def latents(self, point: Point) -> dict[str, Any]:
        """What Optuna is told of a point of a grid."""
        return {name: parameter.encode(point[name]) for name, parameter in self._free.items()}

    def is_whole(self, trial: FrozenTrial) -> bool:
        """Whether every parameter of a trial is known: not when its launcher was killed while it drew them."""
        return set(self._free) <= set(known(trial))

    def point(self, trial: FrozenTrial) -> Point:
        """The values of a trial's parameters, in the order of the sweep file."""
        latents = known(trial)
        return {
            name: parameter.decode(latents[name]) if parameter.free else parameter.given["value"]
            for name, parameter in self._parameters.items()
        }

    def suggest(self, study: optuna.Study, trial_id: int) -> None:
        """Draw the parameters of a trial that it has not yet."""
        trial = optuna.trial.Trial(study, trial_id)
        for name, parameter in self._free.items():
            suggest(trial, name, parameter.latent())


def known(trial: FrozenTrial) -> dict[str, Any]:
    """The latents of a trial, those that it was told to have included."""
    return {**trial.system_attrs.get("fixed_params", {}), **trial.params}


def suggest(trial: optuna.trial.Trial, name: str, distribution: BaseDistribution) -> Any:
    """Draw one parameter; what was drawn before stays."""
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(name, distribution.low, distribution.high)
    assert isinstance(distribution, FloatDistribution)
    return trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)
