"""Whether the face is there at all: from the probability of each frame to stretches with and without a face.

A title card, an empty room, a covered lens and a face that left the picture are absent; a face of somebody
else is there. Told apart by how well the points that were found lie as on a head, by their own doubt, and by
whether the unwrapped picture looks like the model's face rather than like nothing in particular.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steadyface.tracking.evidence import Evidence

LEAST_COVERAGE = 0.15
"""A face of which less than this share lies in the picture is not there."""

FEATURES = ("correlation", "doubt", "misfit")


@dataclass(frozen=True)
class PresenceRule:
    """When a face comes and goes.

    appears, vanishes: probabilities above which a lost face is found and below which a found one is lost.
    surely_absent: below, the face is lost even in a stretch that is too short.
    shortest_found_s, shortest_lost_s: stretches that take less time are none, s.
    """

    appears: float = 0.6
    vanishes: float = 0.3
    surely_absent: float = 0.05
    shortest_found_s: float = 0.15
    shortest_lost_s: float = 0.1


def presence_features(evidence: Evidence) -> NDArray[np.float64]:
    """(T, 3) of the evidence: correlation, logarithms of doubt and misfit. nothing relative to the clip, of which
    most may be without a face."""
    logarithms = (values.double().clamp(min=1e-4).log() for values in (evidence.doubt, evidence.misfit))
    return torch.stack([evidence.correlation.double(), *logarithms], dim=1).numpy()


def present(
    probability: Tensor, coverage: Tensor, time_s: Tensor, shot: Tensor | None = None, rule: PresenceRule | None = None
) -> Tensor:
    """In which frames the face is there.

    Args:
        probability: (T,) that a face is in the frame, `Calibration.presence`.
        coverage: (T,) of the evidence.
        time_s: (T,) time stamps.
        shot: (T,) long, one more after each cut; nothing is carried over a cut. One shot where it is left out.
        rule: the thresholds; the usual ones where it is left out.

    Returns:
        (T,) bool.
    """
    rule = rule or PresenceRule()
    shot = torch.zeros(len(probability), dtype=torch.long) if shot is None else shot
    chance = probability.double().nan_to_num(0.0).masked_fill(~(coverage >= LEAST_COVERAGE), 0.0)
    found = torch.zeros(len(chance), dtype=torch.bool)
    for part in _stretches(shot):
        found[part] = _in_one_shot(chance[part], time_s[part], rule)
    return found


def _in_one_shot(chance: Tensor, time_s: Tensor, rule: PresenceRule) -> Tensor:
    found = _with_hysteresis(chance, rule)
    for part in _stretches(found):  # first what was lost for a moment: it may join two stretches into a long one
        inner = part.start > 0 and part.stop < len(found)
        short = _duration_s(time_s, part) < rule.shortest_lost_s
        if not found[part.start] and inner and short and float(chance[part].min()) >= rule.surely_absent:
            found[part] = True
    for part in _stretches(found):
        short = _duration_s(time_s, part) < rule.shortest_found_s
        if found[part.start] and short and part.stop - part.start < len(found):  # a shot that is short is no flicker
            found[part] = False
    return found


def _with_hysteresis(chance: Tensor, rule: PresenceRule) -> Tensor:
    """Found once it is above ``appears``, until it is below ``vanishes``; from the start where it is between."""
    state, states = bool(len(chance)) and float(chance[0]) >= rule.vanishes, []
    for value in chance.tolist():
        state = value >= rule.vanishes if state else value > rule.appears
        states.append(state)
    return torch.tensor(states, dtype=torch.bool)


def _stretches(values: Tensor) -> Iterator[slice]:
    """Longest stretches of neighbouring frames with the same value."""
    if not len(values):
        return
    ends = (torch.nonzero(values[1:] != values[:-1]).squeeze(1) + 1).tolist()
    for start, stop in zip([0, *ends], [*ends, len(values)], strict=True):
        yield slice(start, stop)


def _duration_s(time_s: Tensor, part: slice) -> float:
    """From a stretch's first frame to the one after its last; after the clip's last, a first interval is added."""
    step = float(time_s[1] - time_s[0]) if len(time_s) > 1 else 0.0
    after = float(time_s[part.stop]) if part.stop < len(time_s) else float(time_s[-1]) + step
    return after - float(time_s[part.start])
