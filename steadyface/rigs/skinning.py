"""Turns of joints as expression shapes: linear blend skinning at one angle, and the straight line to there."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Floats = NDArray[np.float64]


class Turn(NamedTuple):
    """A shape: ``joint`` turns by the rotation vector ``angle`` (3,) rad, in the rig's own axes."""

    name: str
    joint: int
    angle: tuple[float, float, float]


def turn_delta(
    neutral: Floats, joint: Floats, weights: Floats, rotation: Floats, corrective: Floats | None = None
) -> Floats:
    """What turning one joint without children does to a mesh, (N, 3).

    Args:
        neutral: (N, 3); joint: (3,) its place; weights: (N,) its share of each vertex; rotation: (3, 3).
        corrective: (N, 3, 9), what each entry of ``rotation - identity``, by rows, adds before the turn.
    """
    posed = neutral if corrective is None else neutral + corrective @ (rotation - np.eye(3)).reshape(9)
    turned = (posed - joint) @ rotation.T + joint
    moved: Floats = posed + weights[:, None] * (turned - posed) - neutral
    return moved


def turn_deltas(
    turns: tuple[Turn, ...], neutral: Floats, joints: Floats, weights: Floats, correctives: Floats | None
) -> Floats:
    """Each turn's shape, (K, N, 3).

    Args:
        neutral: (N, 3); joints: (J, 3); weights: (N, J); correctives: (N, 3, 9 (J - 1)), joint 0 has none.
    """
    deltas = []
    for turn in turns:
        rotation = Rotation.from_rotvec(turn.angle).as_matrix()
        first = 9 * (turn.joint - 1)
        corrective = None if correctives is None else correctives[:, :, first : first + 9]
        deltas.append(turn_delta(neutral, joints[turn.joint], weights[:, turn.joint], rotation, corrective))
    return np.stack(deltas)
