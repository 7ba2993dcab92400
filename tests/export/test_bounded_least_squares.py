"""Bounded least squares against SciPy's active-set method, one right side at a time."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from steadyface.export.bounded_least_squares import bounded_least_squares


@pytest.mark.parametrize(("shapes", "condition"), [(1, 1.0), (8, 10.0), (30, 1e4), (30, 1e7)])
def test_it_finds_what_scipy_finds(shapes: int, condition: float) -> None:
    generator = np.random.default_rng(shapes)
    turn = np.linalg.qr(generator.normal(size=(60, shapes)))[0]
    back = np.linalg.qr(generator.normal(size=(shapes, shapes)))[0]
    matrix = turn * np.geomspace(1.0, condition**-0.5, shapes) @ back
    sides = generator.normal(size=(20, shapes)) @ matrix.T + 0.3 * generator.normal(size=(20, 60))
    found = bounded_least_squares(matrix.T @ matrix, sides @ matrix)
    assert found.min() >= 0.0 and found.max() <= 1.0
    assert shapes == 1 or 0.2 < ((found == 0.0) | (found == 1.0)).mean() < 1.0  # bounds matter, and not alone
    for side, weights in zip(sides, found, strict=True):
        reference = lsq_linear(matrix, side, (0.0, 1.0), method="bvls", tol=1e-15).x
        cost, least = (0.5 * np.sum((matrix @ w - side) ** 2) for w in (weights, reference))
        assert cost <= least + 1e-10
        assert np.abs(weights - reference).max() < 1e-5


def test_no_right_sides_give_no_weights() -> None:
    assert bounded_least_squares(np.eye(3), np.zeros((0, 3))).shape == (0, 3)
