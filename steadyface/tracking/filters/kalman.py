"""The Kalman smoother: constant velocity disturbed by white acceleration, forward and back over a run.

A Kalman filter forward, then the smoother of Rauch, Tung and Striebel (1965) back: every frame is
estimated from all frames of its run, before and after it, so that nothing is delayed. It needs the
future: it is for files. Rotations are filtered along their turns, the state being a rotation and its
angular velocity (an error-state filter; Sola 2017, "Quaternion kinematics for the error-state Kalman
filter"); that two turns of neighbouring frames do not commute is left out.

Model of each number, over the true time stamps, step h:

    x' = x + h v,  v' = v + a,  covariance of what is added: q [[h^3 / 3, h^2 / 2], [h^2 / 2, h]]
    y = x + noise of variance r

q is the acceleration density, r the square of the deviation, larger in frames of low confidence. The
first frame's velocity has mean 0 and the deviation ``start_speed``; of its position nothing is known
but the measurement. Gains depend on times and variances alone, so all numbers of a quantity share them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steadyface.errors import InputError
from steadyface.tracking.filters.rotations import turn_between, turned_by

GROSS_DEVIATIONS = 5.0
"""How far off, in deviations, a frame is that is wrong: `measurement_variance`."""


class KalmanSettings(NamedTuple):
    """Noise of one quantity, in its unit u.

    deviation: of a measurement, u. acceleration_density: of the white acceleration, u^2 / s^3: over a
    time t it changes a velocity by ``sqrt(acceleration_density * t)``. start_speed: deviation of the
    velocity in the first frame, u / s.
    """

    deviation: float
    acceleration_density: float
    start_speed: float

    def check(self) -> None:
        """Raises InputError where a number cannot be used."""
        if not min(self) > 0:
            raise InputError("kalman", "numbers above 0", str(self), "correct the settings of the filter")


class RunGains(NamedTuple):
    """What is done at each of T frames, whatever is measured there.

    Shapes, float64: step_s (T,), since the frame before (0 at the first); gain (T, 2), how position and
    velocity follow the innovation; back (T, 2, 2), how both follow what the next frame's smoothed state
    differs from its prediction (0 at the last).
    """

    step_s: NDArray[np.float64]
    gain: NDArray[np.float64]
    back: NDArray[np.float64]


def measurement_variance(confidence: Tensor, deviation: float) -> NDArray[np.float64]:
    """Variance of each frame's measurement, (T,), from its confidence (T,) in [0, 1]; nan counts as 1.

    A frame is right with the probability c, of the given deviation, and wrong otherwise, off by
    `GROSS_DEVIATIONS` of them: the variance of that mixture.

    >>> measurement_variance(torch.tensor([1.0, 0.5, 0.0]), 2.0).tolist()
    [4.0, 52.0, 100.0]
    """
    right = torch.nan_to_num(confidence.double(), nan=1.0).clamp(0.0, 1.0).numpy()
    return np.asarray(deviation**2 * (right + (1.0 - right) * GROSS_DEVIATIONS**2))


def run_gains(time_s: Tensor, variance: NDArray[np.float64], settings: KalmanSettings) -> RunGains:
    """The gains of filter and smoother over one run.

    Args:
        time_s: (T,) seconds, increasing.
        variance: (T,), of the measurements.
        settings: process noise and start.
    """
    settings.check()
    step_s = np.diff(time_s.double().numpy(), prepend=float(time_s[0]))
    frames = len(step_s)
    gain, back = np.zeros((frames, 2)), np.zeros((frames, 2, 2))
    gain[0, 0] = 1.0  # of the position nothing else is known
    covariance = np.diag([variance[0], settings.start_speed**2])
    for frame in range(1, frames):
        h = step_s[frame]
        move = np.array([[1.0, h], [0.0, 1.0]])
        added = settings.acceleration_density * np.array([[h**3 / 3, h**2 / 2], [h**2 / 2, h]])
        predicted = move @ covariance @ move.T + added
        back[frame - 1] = covariance @ move.T @ np.linalg.inv(predicted)
        gain[frame] = predicted[:, 0] / (predicted[0, 0] + variance[frame])
        # Joseph's form stays positive definite whatever the rounding
        keep = np.eye(2) - np.outer(gain[frame], [1.0, 0.0])
        covariance = keep @ predicted @ keep.T + variance[frame] * np.outer(gain[frame], gain[frame])
    return RunGains(step_s, gain, back)


def frames_ahead(gains: RunGains, end: int, tolerance: float = 1e-4) -> int:
    """How many frames from ``end`` on the smoother must see for the frames before ``end``.

    What lies further changes a position by less than ``tolerance`` times the change of a smoothed state there, a
    velocity counted over the step to it.
    """
    share = np.eye(2)
    for count, frame in enumerate(range(end - 1, len(gains.step_s) - 1)):
        share = share @ gains.back[frame]
        h = gains.step_s[frame + 1]
        if abs(share[0, 0]) < tolerance and abs(share[0, 1]) < tolerance * h:
            return count + 1
    return len(gains.step_s) - end


class KalmanState(NamedTuple):
    """After a frame: position (..., D) or rotation (..., 3, 3), and velocity (..., D) or (..., 3) per second."""

    value: Tensor
    velocity: Tensor


class KalmanPass:
    """Smooths one quantity over a run, a block of frames at a time.

    Args:
        gains: of the whole run.
        rotations: values are rotations (T, 3, 3); else (T, ..., D).
    """

    def __init__(self, gains: RunGains, rotations: bool = False) -> None:
        self._gains, self._rotations = gains, rotations
        self._state: KalmanState | None = None
        self._next = 0

    def smooth(self, values: Tensor, count: int) -> Tensor:
        """The next ``count`` frames, smoothed.

        Args:
            values: (T, ...) those frames, and after them the frames that `frames_ahead` asks for.
            count: of the frames that are given back; the next call begins behind them.

        Returns:
            (count, ...) in the type of ``values``.
        """
        first, exact = self._next, values.double()
        states: list[KalmanState] = []
        state = self._state
        for place, value in enumerate(exact):
            state = self._forward(state, value, first + place)
            states.append(state)
        self._state, self._next = states[count - 1], first + count
        later = states[-1]
        smoothed = [later.value]
        for place in range(len(states) - 2, -1, -1):
            later = self._backward(states[place], later, first + place)
            smoothed.append(later.value)
        return torch.stack(smoothed[::-1][:count]).to(values.dtype)

    def _forward(self, last: KalmanState | None, value: Tensor, frame: int) -> KalmanState:
        if last is None:
            return KalmanState(value, torch.zeros_like(value[..., 0] if self._rotations else value))
        predicted = self._add(last.value, last.velocity * self._gains.step_s[frame])
        innovation = self._difference(predicted, value)
        to_value, to_velocity = self._gains.gain[frame]
        return KalmanState(self._add(predicted, to_value * innovation), last.velocity + to_velocity * innovation)

    def _backward(self, state: KalmanState, later: KalmanState, frame: int) -> KalmanState:
        predicted = self._add(state.value, state.velocity * self._gains.step_s[frame + 1])
        moved = self._difference(predicted, later.value)
        quicker = later.velocity - state.velocity
        back = self._gains.back[frame]
        value = self._add(state.value, back[0, 0] * moved + back[0, 1] * quicker)
        return KalmanState(value, state.velocity + back[1, 0] * moved + back[1, 1] * quicker)

    def _add(self, value: Tensor, change: Tensor) -> Tensor:
        return turned_by(value, change) if self._rotations else value + change

    def _difference(self, first: Tensor, second: Tensor) -> Tensor:
        return turn_between(first, second) if self._rotations else second - first
