"""The 1-Euro filter: a low pass whose cut-off rises with the speed of what it filters.

Casiez, Roussel and Vogel, "1 Euro Filter: A Simple Speed-based Low-pass Filter for Noisy Input in
Interactive Systems", CHI 2012, algorithm 1. Still things are held still; moving ones are followed
without the lag that would take. It needs no frame to come, so a live tracker can have it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from steadyface.errors import InputError
from steadyface.tracking.filters.rotations import turn_between, turned_by


class OneEuroSettings(NamedTuple):
    """Cut-off of a still value and of its speed, Hz, and by how many Hz each unit of speed raises the first.

    The unit of ``speed_coefficient`` (the paper's beta) is one over the unit of the value: 1 / mm of a
    translation, 1 / rad of a rotation.
    """

    still_cutoff_hz: float
    speed_coefficient: float
    speed_cutoff_hz: float = 1.0

    def check(self) -> None:
        """Raises InputError where a number cannot be used."""
        if not (self.still_cutoff_hz > 0 and self.speed_cutoff_hz > 0 and self.speed_coefficient >= 0):
            remedy = "correct the settings of the filter"
            raise InputError("one_euro", "cut-offs above 0 Hz and a coefficient of 0 or more", str(self), remedy)


def smoothing_factor(cutoff_hz: Tensor | float, step_s: float) -> Tensor:
    """The weight of the new value in a first-order low pass: ``1 / (1 + tau / step)``, tau = 1 / (2 pi cut-off).

    >>> float(smoothing_factor(1.0, 1 / (2 * math.pi)))
    0.5
    """
    return 1.0 / (1.0 + 1.0 / (2.0 * math.pi * torch.as_tensor(cutoff_hz, dtype=torch.float64) * step_s))


class OneEuro:
    """Filters one quantity, frame after frame, over the true time stamps; causal.

    The speed of a point or a vector is the norm over its last dimension, so its numbers share one
    cut-off and the result does not depend on the axes; with a last dimension of 1 this is the paper's
    algorithm for each number by itself.

    Args:
        settings: cut-offs.
        rotations: values are rotations (..., 3, 3), filtered along the shortest turns; else (..., D).
    """

    def __init__(self, settings: OneEuroSettings, rotations: bool = False) -> None:
        settings.check()
        self._settings, self._rotations = settings, rotations
        self._value: Tensor | None = None
        self._speed = torch.zeros(())
        self._time_s = -math.inf

    def restart(self) -> None:
        """Forget everything: the next value passes as it is."""
        self._value, self._time_s = None, -math.inf

    def step(self, time_s: float, value: Tensor) -> Tensor:
        """The filtered value, in the shape and type it came in.

        A value that is not later than the one before restarts the filter: a source that began anew.
        """
        exact, step_s = value.double(), time_s - self._time_s
        if self._value is None or step_s <= 0:
            self._value = exact
            self._speed = torch.zeros_like(exact[..., 0] if self._rotations else exact)
        else:
            self._value = self._follow(self._value, exact, step_s)
        self._time_s = time_s
        return self._value.to(value.dtype)

    def _follow(self, last: Tensor, value: Tensor, step_s: float) -> Tensor:
        settings = self._settings
        change = turn_between(last, value) if self._rotations else value - last
        self._speed = torch.lerp(self._speed, change / step_s, smoothing_factor(settings.speed_cutoff_hz, step_s))
        speed = self._speed.norm(dim=-1, keepdim=True)
        weight = smoothing_factor(settings.still_cutoff_hz + settings.speed_coefficient * speed, step_s)
        return turned_by(last, weight * change) if self._rotations else last + weight * change
