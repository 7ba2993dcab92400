"""Head pose and expression at once from points found in a picture, under the expression's prior.

A linear model of the lab's meshes says how the points move with the expression; the pose moves
them all. What is common to all points' errors then goes into the pose and not into an open jaw.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from steadyface.geometry.cameras import project, transform
from steadyface.geometry.normal_equations import solve_normal_equations
from steadyface.geometry.projection_jacobian import move_pose, projection_jacobian

DAMPING = 1e-6
"""Added to the pose's normal equations, of their mean diagonal: keeps them solvable."""


class PointModel(NamedTuple):
    """Points of the head as a linear function of coefficients of variance 1.

    Shapes: mean (K, 3) head frame, mm; basis (K, 3, Z) mm a unit.
    """

    mean: Tensor
    basis: Tensor


class PointState(NamedTuple):
    """coefficients (B, Z); rotation (B, 3, 3) and translation (B, 3) mm, head -> camera."""

    coefficients: Tensor
    rotation: Tensor
    translation: Tensor


def solve_state(
    model: PointModel, pixels: Tensor, weights: Tensor, intrinsics: Tensor, prior: Tensor, start: PointState,
    iterations: int = 3,
) -> PointState:
    """The most probable coefficients y and pose R, t for where the points were found.

    Minimises sum_k weights_k |project(R (mean_k + basis_k y) + t) - pixels_k|^2 + prior |y|^2 by
    Gauss-Newton; only the last step carries a gradient, which at the minimum is the solution's own.

    Args:
        model: K points, Z coefficients.
        pixels: (B, K, 2).
        weights: (B, K), 1 / px^2.
        intrinsics: (B, 3, 3).
        prior: scalar, positive.
        start: where the search starts; a few centimetres and tenths of a radian are near enough.
        iterations: Gauss-Newton steps.

    Returns:
        B states, differentiable in pixels, weights and prior.
    """
    state = PointState(*(part.detach() for part in start))
    with torch.no_grad():
        for _ in range(iterations - 1):
            state = _step(model, pixels, weights, intrinsics, prior, state)
    return _step(model, pixels, weights, intrinsics, prior, state)


def _step(
    model: PointModel, pixels: Tensor, weights: Tensor, intrinsics: Tensor, prior: Tensor, state: PointState
) -> PointState:
    """One Gauss-Newton step: a rotation about the camera, a shift in units of depth, and coefficients."""
    residual, jacobian = _linearised(model, pixels, intrinsics, state)
    scale = weights.sqrt().repeat_interleave(2, dim=1).unsqueeze(-1)
    flat, target = jacobian.flatten(1, 2) * scale, residual.flatten(1).unsqueeze(-1) * scale
    # in double precision: a near-flat direction of depth and shape has to survive the squaring
    flat, target = flat.double(), target.double()
    normal, wanted = flat.transpose(-1, -2) @ flat, (flat.transpose(-1, -2) @ target).squeeze(-1)
    ridge = DAMPING * normal[:, :6, :6].diagonal(dim1=-2, dim2=-1).mean(-1, keepdim=True)
    strength = prior.double().expand(len(pixels), state.coefficients.shape[-1])
    diagonal = torch.cat([ridge.expand(-1, 6), strength], dim=-1)
    pull = torch.cat([torch.zeros_like(wanted[:, :6]), strength * state.coefficients], dim=-1)
    change = solve_normal_equations(normal + torch.diag_embed(diagonal), wanted - pull).to(pixels.dtype)
    pose = move_pose(state.rotation, state.translation, change[:, :6].clamp(-0.5, 0.5))
    return PointState(state.coefficients + change[:, 6:], *pose)


def _linearised(
    model: PointModel, pixels: Tensor, intrinsics: Tensor, state: PointState
) -> tuple[Tensor, Tensor]:
    """Residuals (B, K, 2) in pixels and their derivatives (B, K, 2, 6 + Z)."""
    points = model.mean + torch.einsum("kiz,bz->bki", model.basis, state.coefficients)
    placed = transform(points, state.rotation, state.translation)
    jacobian = projection_jacobian(placed, intrinsics, state.rotation, state.translation, model.basis)
    return pixels - project(placed, intrinsics), jacobian
