"""How much of the second generator's expressions lies outside what a lab capture spans."""

from __future__ import annotations

import numpy as np

from steadyface.studio.other_world.mesh_fields import Floats


def principal_span(meshes: Floats, variance: float = 0.999) -> Floats:
    """Orthonormal directions that hold that share of the variance of lab meshes (S, N, 3): (R, 3 N)."""
    flat = meshes.reshape(len(meshes), -1)
    flat = flat - flat.mean(0)
    _, values, directions = np.linalg.svd(flat, full_matrices=False)
    energy = np.cumsum(np.square(values)) / np.square(values).sum()
    span: Floats = directions[: int(np.searchsorted(energy, variance)) + 1]
    return span


def share_outside(meshes: Floats, origin: Floats, span: Floats) -> float:
    """Share of the displacements' energy that no combination of the span's directions makes.

    Args:
        meshes: (T, N, 3) mm; origin: (N, 3) mm that displacements start from; span: (R, 3 N) orthonormal.
    """
    moved = (meshes - origin).reshape(len(meshes), -1)
    left = moved - (moved @ span.T) @ span
    return float(np.square(left).sum() / np.square(moved).sum())
