"""The energy of a photometric fit and its Levenberg-Marquardt step, many frames at once, each for itself.

Energy of a frame: robust colour difference between the unwrapped picture and the model's texture
under a colour matrix, over a fixed mask; the lab's prior on the latent; robust distance to points
found in the picture (MoFA, Tewari et al. 2017, section 5; solved as in Thies et al. 2016, section 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from steadyface.geometry.cameras import project
from steadyface.geometry.normal_equations import solve_normal_equations
from steadyface.geometry.projection_jacobian import move_pose, projection_jacobian
from steadyface.geometry.texture_space import TexelMap, sample_pixels
from steadyface.losses.consistency import OUT_OF_FRAME_COST
from steadyface.losses.robust import charbonnier
from steadyface.networks.face_model import FaceModel
from steadyface.tracking.clip_evidence import ClipEvidence, Observation, Remembered
from steadyface.types import FaceState

_LARGEST_STEP = 0.1  # radians, and shares of the depth
_DAMPING = (1e-6, 1e6)


@dataclass(frozen=True)
class PhotometricWeights:
    """What a photometric fit minimises."""

    prior: float = 1.0  # per mean squared deviation of the latent in the lab
    landmarks: float = 0.5  # per mean robust distance to the points found, in units of their doubt
    colour_scale: float = 0.05  # linear colour difference at which the penalty turns from quadratic to linear


class LinearModel(NamedTuple):
    """How mesh and texture change with each number of the latent, around the lab's mean.

    Shapes: vertices (N, 3, Z) mm and texture (U * U, 3, Z) linear, a deviation of the lab.
    """

    vertices: Tensor
    texture: Tensor


class Frames(NamedTuple):
    """B frames and what stays fixed while they are fitted.

    Shapes: images (B, 3, S, S) sRGB; slopes (B, 6, S, S), their linear colours' derivatives by x, then
    by y; intrinsics (B, 3, 3); source, what the source said of them: mask and landmarks.
    """

    images: Tensor
    slopes: Tensor
    intrinsics: Tensor
    source: Remembered


class Quadratic(NamedTuple):
    """The energy about B states: energy (B,), gradient (B, P), normal (B, P, P); P = 6 + Z, pose first."""

    energy: Tensor
    gradient: Tensor
    normal: Tensor


@torch.no_grad()
def linear_model(face_model: FaceModel) -> LinearModel:
    """Central differences over one deviation of the lab either way, of every number of the latent.

    A decoder is nearly linear over so much, and the difference serves a step better than the slope at 0.
    """
    mean, view = face_model.latent_mean, face_model.view_centre[None]
    meshes, textures = [], []
    for offset in torch.diag(face_model.latent_std):
        ends = torch.stack([mean + offset, mean - offset])
        mesh, texture = face_model.decode_vertices(ends), face_model.decode_texture_map(ends, view.expand(2, 3))
        meshes.append((mesh[0] - mesh[1]) / 2)
        textures.append((texture[0] - texture[1]).flatten(1).t() / 2)
    return LinearModel(torch.stack(meshes, -1), torch.stack(textures, -1))


class PhotometricProblem:
    """The energy of frames under states, to second order.

    Args:
        evidence: of the subject; its face model is frozen.
        texels: the texels that are compared.
        colour: (3, 4), from the model's linear colours to the camera's.
        weights: of the parts.
        landmark_vertices: (L,) long, the vertices that the source's landmarks are of; None without any.
    """

    def __init__(
        self, evidence: ClipEvidence, texels: TexelMap, colour: Tensor, weights: PhotometricWeights,
        landmark_vertices: Tensor | None,
    ) -> None:
        self.evidence, self.texels, self.colour, self.weights = evidence, texels, colour, weights
        self.landmark_vertices = landmark_vertices
        linear = linear_model(evidence.face_model)
        self._vertices = linear.vertices
        by_texel = texels.sample(linear.vertices.flatten(1)[None])[0]
        self._shape = by_texel.view(len(texels.index), 3, -1)
        self._texture = torch.einsum("cd,mdz->mcz", colour[:, :3], linear.texture[texels.index])

    @torch.no_grad()
    def quadratic(self, frames: Frames, state: FaceState) -> Quadratic:
        """Energy, gradient and Gauss-Newton matrix of every frame at its state."""
        seen = self.evidence.observe(frames.images, frames.intrinsics, state, frames.source.mask)
        parts = [self._photometric(frames, seen), self._prior(state)]
        if self.landmark_vertices is not None and self.weights.landmarks > 0:
            parts.append(self._landmarks(frames.source, seen))
        return Quadratic(*(torch.stack(part).sum(0) for part in zip(*parts, strict=True)))

    def _photometric(self, frames: Frames, seen: Observation) -> Quadratic:
        index, scale = self.texels.index, self.weights.colour_scale
        mask, inside = seen.mask.flatten(1)[:, index], seen.inside.flatten(1)[:, index]
        model = seen.model_texture.flatten(2)[..., index].transpose(1, 2)
        observed = seen.texture.flatten(2)[..., index].transpose(1, 2)
        residual = model @ self.colour[:, :3].t() + self.colour[:, 3] - observed
        share = mask / mask.sum(1, keepdim=True).clamp(min=1.0) / scale
        cost = charbonnier(residual, scale).mean(-1) * inside + OUT_OF_FRAME_COST * (1.0 - inside)
        slope = (share * inside / 3).unsqueeze(-1) / torch.sqrt(residual.square() + scale**2)
        points = self.texels.sample(seen.placed)
        moves = projection_jacobian(points, seen.intrinsics, *seen.state[1:], self._shape)
        by_pixel = sample_pixels(frames.slopes, project(points, seen.intrinsics)).unflatten(-1, (2, 3))
        jacobian = -torch.einsum("bkjc,bkjp->bkcp", by_pixel, moves)
        jacobian[..., 6:] += self._texture
        return _squares((cost * share).sum(1), jacobian.flatten(1, 2), residual.flatten(1), slope.flatten(1))

    def _landmarks(self, source: Remembered, seen: Observation) -> Quadratic:
        chosen, basis = seen.placed[:, self.landmark_vertices], self._vertices[self.landmark_vertices]
        residual = project(chosen, seen.intrinsics) - source.landmarks
        jacobian = projection_jacobian(chosen, seen.intrinsics, *seen.state[1:], basis)
        doubt, share = source.landmark_doubt, self.weights.landmarks / residual.shape[1]
        distance = residual.norm(dim=-1) / doubt
        slope = share / doubt.square() / torch.sqrt(distance.square() + 1.0)
        energy = share * charbonnier(distance, 1.0).sum(1)
        return _squares(energy, jacobian.flatten(1, 2), residual.flatten(1), slope.repeat_interleave(2, dim=1))

    def _prior(self, state: FaceState) -> Quadratic:
        whitened = self.evidence.face_model.whiten(state.latent)
        share = self.weights.prior / whitened.shape[1]
        still = whitened.new_zeros(len(whitened), 6)
        diagonal = torch.cat([still, torch.full_like(whitened, 2 * share)], dim=1)
        gradient = torch.cat([still, 2 * share * whitened], dim=1)
        return Quadratic(share * whitened.square().sum(1), gradient, torch.diag_embed(diagonal))

    def moved(self, state: FaceState, step: Tensor) -> FaceState:
        """States after steps (B, 6 + Z): pose as `move_pose`, then the latent in deviations of the lab."""
        pose = move_pose(state.rotation, state.translation, step[:, :6].clamp(-_LARGEST_STEP, _LARGEST_STEP))
        return FaceState(state.latent + step[:, 6:] * self.evidence.face_model.latent_std, *pose)


def _squares(energy: Tensor, jacobian: Tensor, residual: Tensor, slope: Tensor) -> Quadratic:
    """A sum of reweighted squares: jacobian (B, R, P), residual and its weight (B, R)."""
    weighted = jacobian * slope.unsqueeze(-1)
    return Quadratic(
        energy, (weighted * residual.unsqueeze(-1)).sum(1), weighted.transpose(-1, -2) @ jacobian
    )


@torch.no_grad()
def minimise(
    problem: PhotometricProblem, frames: Frames, state: FaceState, iterations: int
) -> tuple[FaceState, Tensor]:
    """Levenberg-Marquardt from B states: a frame whose step did not help keeps its state and damps the next.

    Returns:
        the states, and their energies before the first step and after each, (iterations + 1, B): never rising.
    """
    here = problem.quadratic(frames, state)
    damping = torch.full_like(here.energy, 1e-3)
    energies = [here.energy]
    for _ in range(iterations):
        step = _step(here, damping)
        proposed = problem.moved(state, step)
        there = problem.quadratic(frames, proposed)
        better = there.energy < here.energy
        state = FaceState(*(_where(better, new, old) for new, old in zip(proposed, state, strict=True)))
        here = Quadratic(*(_where(better, new, old) for new, old in zip(there, here, strict=True)))
        damping = torch.where(better, damping * 0.3, damping * 10.0).clamp(*_DAMPING)
        energies.append(here.energy)
    return state, torch.stack(energies)


def _step(at: Quadratic, damping: Tensor) -> Tensor:
    """(B, P), solved in double precision: depth and shape are nearly one direction."""
    normal = at.normal.double()
    diagonal = normal.diagonal(dim1=-2, dim2=-1)
    floor = 1e-9 * diagonal.mean(-1, keepdim=True) + 1e-12
    damped = normal + torch.diag_embed(damping.double().unsqueeze(-1) * diagonal + floor)
    return -solve_normal_equations(damped, at.gradient.double()).to(at.gradient.dtype)


def _where(chosen: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(chosen.view(-1, *[1] * (new.dim() - 1)), new, old)
