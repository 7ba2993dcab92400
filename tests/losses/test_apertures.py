"""Openings of a mesh, and their difference from detected ones, against a loop over frames, openings and pairs."""

from __future__ import annotations

import math

import torch
from torch.autograd import gradcheck

from steadyface.losses.apertures import SOFT, Openings, mesh_openings, opening_error

PAIRS = torch.tensor([[[0, 1], [2, 3]], [[4, 5], [0, 5]]])
WEIGHT = torch.tensor([0.5, 2.0], dtype=torch.double)


def meshes() -> torch.Tensor:
    return torch.randn(3, 6, 3, dtype=torch.double)


def test_an_opening_is_the_mean_distance_of_its_pairs() -> None:
    vertices = meshes()
    found = mesh_openings(vertices, PAIRS)
    for frame in range(3):
        for opening in range(2):
            distances = [math.dist(vertices[frame, a].tolist(), vertices[frame, b].tolist())
                         for a, b in PAIRS[opening].tolist()]  # fmt: skip
            assert math.isclose(float(found[frame, opening]), sum(distances) / 2, rel_tol=1e-9)


def test_the_error_is_robust_weighted_and_knows_what_was_not_seen() -> None:
    vertices, target = meshes(), torch.rand(3, 2, dtype=torch.double)
    target[1] = math.nan
    target[2, 0] = math.nan
    found, total = mesh_openings(vertices, PAIRS), 0.0
    for frame in range(3):
        for opening in range(2):
            difference = float((found - target)[frame, opening] * WEIGHT[opening])
            total += 0.0 if math.isnan(difference) else math.hypot(difference, SOFT) - SOFT
    # frame 1 counts nothing, frame 2 by what is known of it
    assert math.isclose(float(opening_error(vertices, Openings(PAIRS, target, WEIGHT))), total / 2, rel_tol=1e-9)


def test_nothing_known_costs_nothing_and_has_no_gradient() -> None:
    vertices = meshes().requires_grad_()
    opening_error(vertices, Openings(PAIRS, torch.full((3, 2), math.nan), WEIGHT)).backward()
    assert vertices.grad is not None and float(vertices.grad.abs().max()) == 0.0


def test_its_gradient() -> None:
    target = torch.rand(3, 2, dtype=torch.double)
    target[0, 1] = math.nan
    vertices = meshes().requires_grad_()
    assert gradcheck(lambda mesh: opening_error(mesh, Openings(PAIRS, target, WEIGHT)), (vertices,))
    closed = torch.zeros(1, 6, 3, dtype=torch.double, requires_grad=True)
    opening_error(closed, Openings(PAIRS, target[1:2], WEIGHT)).backward()
    assert closed.grad is not None and bool(torch.isfinite(closed.grad).all())
