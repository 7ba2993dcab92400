"""Least squares with every unknown in [0, 1], of many right sides under one matrix."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SWEEPS = 8  # of coordinate descent between two looks at the bounds that it has settled on
_ROUNDS = 400
_EXACT = 1e-9  # a slope, as a share of the largest right side, that counts as none


def bounded_least_squares(normal: Floats, right: Floats) -> Floats:
    """The ``w`` in [0, 1] that minimise ``w normal w / 2 - right w``, for each right side.

    Coordinate descent finds which weights lie at a bound (Wright, Coordinate descent algorithms, 2015); the others
    then follow from their linear equations, and are taken where the optimality conditions hold. It is as exact as
    an active-set method, and works on a block of frames at once.

    Shapes: normal (E, E), symmetric and positive definite; right (T, E) -> (T, E).
    """
    result = np.clip(np.linalg.solve(normal, right.T).T, 0.0, 1.0)
    left = np.arange(len(right))
    for _ in range(_ROUNDS):
        if not len(left):
            break
        swept = _sweep(normal, right[left], result[left])
        exact, settled = _settle(normal, right[left], swept)
        result[left] = np.where(settled[:, None], exact, swept)
        left = left[~settled]
    return result


def _sweep(normal: Floats, right: Floats, start: Floats) -> Floats:
    """A few rounds in which each weight in turn takes its best value while the others stay."""
    weights, target, diagonal = start.T.copy(), right.T, np.diag(normal)
    for _ in range(_SWEEPS):
        for index in range(len(normal)):
            step = (target[index] - normal[index] @ weights) / diagonal[index]
            weights[index] = np.clip(weights[index] + step, 0.0, 1.0)
    return weights.T


def _settle(normal: Floats, right: Floats, weights: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """The best weights with those at a bound left there, and whether they are the best of all, (T,)."""
    free = (weights > 0.0) & (weights < 1.0)
    bound = np.where(free, 0.0, weights)
    matrix = np.where(free[:, :, None] & free[:, None, :], normal, 0.0)
    matrix[:, np.arange(len(normal)), np.arange(len(normal))] += ~free
    sides = np.where(free, right - bound @ normal, weights)
    exact = np.linalg.solve(matrix, sides[:, :, None])[:, :, 0]
    slope = exact @ normal - right  # of what is minimised
    slack = _EXACT * np.abs(right).max(initial=1.0)
    inside = ((exact >= 0.0) & (exact <= 1.0)).all(1)
    stays = (free | ((weights == 0.0) & (slope >= -slack)) | ((weights == 1.0) & (slope <= slack))).all(1)
    return exact, inside & stays
