"""The focal length of a clip from where the points of the head were found, over many of its frames.

Where a network finds the points does not depend on K. The K under which the lab's linear model, with a
pose and an expression a frame, comes nearest to all of them is the clip's: perspective differs from a
flat picture by what a turning head shows of it. Depth and focal length are all but one quantity, so the
answer comes with an interval, and a clip without evidence says so (docs/focal-length.md).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from steadyface.errors import InputError
from steadyface.geometry.cameras import project, transform
from steadyface.geometry.normal_equations import solve_normal_equations
from steadyface.geometry.pose_from_points import solve_pose
from steadyface.geometry.projection_jacobian import move_pose, projection_jacobian
from steadyface.geometry.state_from_points import PointModel, PointState, solve_state
from steadyface.tracking.focal_observations import FocalObservations
from steadyface.tracking.point_model import LabPoints

USUAL_OVER_SIDE = (0.8, 1.6)
"""Focal length over the longer side of the picture: what phones film with, 64 to 35 degrees."""

PRIOR_DEVIATION = math.log(USUAL_OVER_SIDE[1] / USUAL_OVER_SIDE[0]) / 2
"""Of log f about the usual range's middle: one deviation reaches its ends. Weak, against running away."""

SYSTEMATIC_DEVIATION = 0.14
"""Of log f: what networks place wrong in every frame alike, which no number of frames averages out.
Root mean square over three synthetic subjects, two clips and two networks each (docs/focal-length.md)."""

OUTLIER_DOUBTS = 2.0
"""A point found this many doubts away weighs half (Cauchy's weight)."""

_Z95 = 1.959964
_RIDGE = 1e-11
"""Of the pose's normal equations, of their mean diagonal: a head far away must be free in depth, or the ridge
itself would look like perspective."""

_STEPS = 40
_LONGEST_STEP = 0.3  # of log f
_CONVERGED = 1e-5


class FocalEstimate(NamedTuple):
    """Focal length in pixels of the full frame, where it lies with about 95 %, and of how many frames."""

    focal_px: float
    low_px: float
    high_px: float
    frames: int

    @property
    def says_nothing(self) -> bool:
        """Whether the interval is hardly narrower than what is known of phones without any clip."""
        return math.log(self.high_px / self.low_px) > 1.6 * _Z95 * PRIOR_DEVIATION


class _Evidence(NamedTuple):
    """How the cost falls with log f once every frame's state has followed, and those states' steps."""

    slope: float
    curvature: float
    step: Tensor  # (F, 6 + Z) of the states where log f stays
    step_by_focal: Tensor  # (F, 6 + Z), taken off a unit of log f


@torch.no_grad()
def estimate_focal(
    observations: FocalObservations, points: LabPoints, size: tuple[int, int], guess_px: float = 0.0,
    systematic: float = SYSTEMATIC_DEVIATION,
) -> FocalEstimate:
    """The focal length under which the lab's linear model explains the points best, over all frames at once.

    Minimises sum w rho(|project(R (mean + basis y) + t) - pixels|) + |y|^2 over log f and each frame's y, R,
    t, and a weak prior of log f, by Gauss-Newton in which the states are eliminated (Golub and Pereyra 2003,
    variable projection). The lab's prior weight says how alike the errors of one frame's points are;
    ``systematic`` what stays alike from frame to frame. The principal point is the picture's centre.

    Args:
        observations: the points of up to 64 frames, pixels of the full frame.
        points: the encoder's linear model.
        size: width and height of the full frame, pixels.
        guess_px: where the search starts; 0 = the middle of what is usual.
        systematic: deviation of log f that no number of frames lowers.

    Raises:
        InputError: no frame was seen.
    """
    pixels, doubt_px = observations.stacked()
    if len(pixels) == 0:
        remedy = "give --focal PX, or a clip in which the face is found"
        raise InputError("focal length", "frames in which the face is found", "none", remedy)
    pixels, weights = pixels.double(), doubt_px.double().square().reciprocal() / points.prior
    model = PointModel(points.model.mean.double(), points.model.basis.double())
    usual = math.log(max(size)) + sum(map(math.log, USUAL_OVER_SIDE)) / 2
    log_focal, precision = math.log(guess_px) if guess_px else usual, PRIOR_DEVIATION**-2
    state = _first_states(model, pixels, weights, _intrinsics(log_focal, size))
    curvature = 0.0
    for _ in range(_STEPS):
        found = _gather(model, pixels, weights, points.prior, _intrinsics(log_focal, size), state)
        curvature = 1 / (1 / max(found.curvature, 1e-12) + systematic**2)
        slope = found.slope * curvature / max(found.curvature, 1e-12) - (log_focal - usual) * precision
        change = max(-_LONGEST_STEP, min(_LONGEST_STEP, slope / (curvature + precision)))
        log_focal, state = log_focal + change, _moved(state, found.step - found.step_by_focal * change)
        if abs(change) < _CONVERGED:
            break
    reach = _Z95 / math.sqrt(curvature + precision)
    low, high = math.exp(log_focal - reach), math.exp(log_focal + reach)
    return FocalEstimate(math.exp(log_focal), low, high, len(pixels))


def _intrinsics(log_focal: float, size: tuple[int, int]) -> Tensor:
    """(1, 3, 3): square pixels, the principal point in the centre."""
    focal, (width, height) = math.exp(log_focal), size
    rows = [[focal, 0.0, (width - 1) / 2], [0.0, focal, (height - 1) / 2], [0.0, 0.0, 1.0]]
    return torch.tensor([rows], dtype=torch.float64)


def _first_states(model: PointModel, pixels: Tensor, weights: Tensor, intrinsics: Tensor) -> PointState:
    """Where each frame's search starts: (F, K, 2), (F, K) -> F states."""
    intrinsics = intrinsics.expand(len(pixels), 3, 3)
    pose = solve_pose(model.mean, pixels, weights, intrinsics)
    start = PointState(pixels.new_zeros(len(pixels), model.basis.shape[-1]), *pose)
    return solve_state(model, pixels, weights, intrinsics, pixels.new_tensor(1.0), start)


def _gather(
    model: PointModel, pixels: Tensor, weights: Tensor, prior: float, intrinsics: Tensor, state: PointState
) -> _Evidence:
    """Normal equations of every frame's state and of log f, the states eliminated (Schur complement)."""
    placed = transform(
        model.mean + torch.einsum("kiz,fz->fki", model.basis, state.coefficients), state.rotation, state.translation
    )
    here = project(placed, intrinsics)
    jacobian = projection_jacobian(placed, intrinsics.expand(len(placed), 3, 3), *state[1:], model.basis)
    residual = pixels - here
    doubts = residual.square().sum(-1) * weights * prior
    weight = (weights / (1 + doubts / OUTLIER_DOUBTS**2)).repeat_interleave(2, dim=1)  # (F, 2K)
    residual, by_focal = residual.flatten(1), (here - intrinsics[:, :2, 2]).flatten(1)
    by_state = jacobian.flatten(1, 2)
    weighted = by_state * weight.unsqueeze(-1)
    normal = weighted.transpose(1, 2) @ by_state
    ridge = _RIDGE * normal[:, :6, :6].diagonal(dim1=-2, dim2=-1).mean(-1, keepdim=True)
    normal = normal + torch.diag_embed(torch.cat([ridge.expand(-1, 6), torch.ones_like(state.coefficients)], dim=-1))
    pull = torch.cat([torch.zeros_like(residual[:, :6]), state.coefficients], dim=-1)
    wanted = (weighted * residual.unsqueeze(-1)).sum(1) - pull
    mixed = (weighted * by_focal.unsqueeze(-1)).sum(1)
    step, step_by_focal = solve_normal_equations(normal, torch.stack([wanted, mixed], dim=-1)).unbind(-1)
    slope = (weight * by_focal * residual).sum() - (mixed * step).sum()
    curvature = (weight * by_focal.square()).sum() - (mixed * step_by_focal).sum()
    return _Evidence(float(slope), float(curvature), step, step_by_focal)


def _moved(state: PointState, step: Tensor) -> PointState:
    pose = move_pose(state.rotation, state.translation, step[:, :6].clamp(-0.5, 0.5))
    return PointState(state.coefficients + step[:, 6:], *pose)
