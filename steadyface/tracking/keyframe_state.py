"""The state that brings a tracked frame to an artist's landmark points, changing as little as they ask for."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from steadyface.geometry.alignment import align_rigid
from steadyface.geometry.cameras import project, transform
from steadyface.geometry.normal_equations import solve_normal_equations
from steadyface.geometry.projection_jacobian import move_pose, projection_jacobian
from steadyface.networks.face_model import FaceModel
from steadyface.tracking.keyframe_file import Keyframe
from steadyface.types import FaceState, SubjectStatistics

TURN_DEVIATION = 0.1
"""Radians by which a tracked head may well be turned wrongly, before any point is looked at."""

SHIFT_DEVIATION = 0.05
"""The same of its place, in shares of its depth."""

LATENT_DEVIATION = 1.0
"""The same of each number of the latent, in deviations of the lab: the lab's prior, about the tracked latent."""

OUTLIER_DOUBTS = 4.0
"""A point this many doubts away weighs half: one wrong click does not carry the head along."""

_STEPS = 12


class SolvedKeyframe(NamedTuple):
    """The state (B = 1) in the track's gauge, and how far it stays from the points, root mean square, px."""

    state: FaceState
    residual_px: float


@torch.no_grad()
def solve_keyframe(
    keyframe: Keyframe, tracked: FaceState, intrinsics: Tensor, statistics: SubjectStatistics, face_model: FaceModel
) -> SolvedKeyframe:
    """Gauss-Newton over pose and latent from the tracked state, robust, under a prior about that state.

    Minimises sum rho(|pixel - project(vertex)| / doubt) + |change of the latent / its deviation|^2
    + |turn / ...|^2 + |shift / ...|^2 over all of the change at once.

    Args:
        keyframe: with points.
        tracked: (1, ...) of that frame.
        intrinsics: (3, 3) of the full frame.
    """
    camera = intrinsics.double()[None]
    state = FaceState(*(part.double() for part in tracked))
    target = keyframe.pixels.double()[None]
    count = state.latent.shape[-1]
    deviation = torch.cat([
        torch.full((3,), TURN_DEVIATION), torch.full((3,), SHIFT_DEVIATION), torch.full((count,), LATENT_DEVIATION)
    ]).double()  # fmt: skip
    strength, moved = deviation.square().reciprocal(), torch.zeros(6 + count, dtype=torch.float64)
    for step in range(_STEPS):
        places, basis = _linearised(face_model, statistics, keyframe.vertices, state.latent)
        placed = transform(places[None], state.rotation, state.translation)
        residual = target - project(placed, camera)
        if step == _STEPS - 1:
            break
        jacobian = projection_jacobian(placed, camera, state.rotation, state.translation, basis)[0].flatten(0, 1)
        weight = keyframe.doubt_px**-2 / (
            1 + residual.square().sum(-1) / (keyframe.doubt_px * OUTLIER_DOUBTS) ** 2
        ).repeat_interleave(2, dim=-1)[0]
        normal = jacobian.t() @ (jacobian * weight.unsqueeze(-1)) + torch.diag(strength)
        wanted = jacobian.t() @ (weight * residual.flatten()) - strength * moved
        change = solve_normal_equations(normal, wanted)
        moved = moved + change
        rotation, translation = move_pose(state.rotation, state.translation, change[None, :6].clamp(-0.5, 0.5))
        latent = state.latent + (change[6:] * face_model.latent_std.double())[None]
        state = FaceState(latent, rotation, translation)
    rms = float(residual.square().sum(-1).mean().sqrt())
    return SolvedKeyframe(FaceState(*(part.float() for part in state)), rms)


def _linearised(
    face_model: FaceModel, statistics: SubjectStatistics, vertices: Tensor, latent: Tensor
) -> tuple[Tensor, Tensor]:
    """Vertices in the track's canonical head frame (P, 3) mm, and what a deviation of the latent does (P, 3, Z).

    The rigid motion that the decoded mesh holds is taken out as it is at this latent.
    """
    about = latent[0].float()
    whole = face_model.decode_vertices(about[None])
    turn, shift = align_rigid(whole.double(), statistics.vertex_mean.double(), statistics.rigid_vertices)
    picked = torch.cat([statistics.rigid_vertices, vertices])

    def decode(change: Tensor) -> Tensor:
        return face_model.decode_vertices((about + face_model.latent_std * change)[None])[0, picked]

    basis = torch.func.jacfwd(decode)(torch.zeros_like(about)).double()
    basis = torch.einsum("ij,pjz->piz", turn[0], basis)
    places = transform(whole[:, picked].double(), turn, shift)[0]
    rigid = len(statistics.rigid_vertices)
    return places[rigid:], (basis - _rigid_part(places, basis, rigid))[rigid:]


def _rigid_part(places: Tensor, basis: Tensor, rigid: int) -> Tensor:
    """The rigid motion (P, 3, Z) that best explains how the first ``rigid`` points move, to first order."""
    middle = places[:rigid].mean(0)
    arms = places - middle
    # a turn w moves a point at r by w x r: rows of that, by the three parts of w
    by_turn = torch.linalg.cross(torch.eye(3).double().expand(len(arms), 3, 3), arms[:, None].expand(-1, 3, 3))
    by_turn = by_turn.transpose(1, 2)
    mean = basis[:rigid].mean(0)
    design = by_turn[:rigid].flatten(0, 1)
    wanted = (basis[:rigid] - mean).flatten(0, 1)
    turns = solve_normal_equations(design.t() @ design + 1e-6 * torch.eye(3).double(), design.t() @ wanted)
    return mean + torch.einsum("pij,jz->piz", by_turn, turns)
