"""The decoder's own floor: the true pose, and the latent that brings the decoder nearest to the true mesh."""

from __future__ import annotations

import torch
from torch import Tensor

from steadyface.capture.clip_truth import ClipTruth
from steadyface.geometry.alignment import canonicalise
from steadyface.networks.face_model import FaceModel
from steadyface.tracking.track import Track
from steadyface.tracking.tracker import canonical_track
from steadyface.types import FaceState, SubjectStatistics


def decoder_floor(
    statistics: SubjectStatistics, face_model: FaceModel, truth: ClipTruth, iterations: int = 60
) -> Track:
    """What no encoder can beat with this decoder: an oracle row for evaluation only.

    Args:
        statistics, face_model: of the subject, frozen, on the CPU.
        truth: of the clip.
        iterations: Adam steps of the latent fit over all frames at once.
    """
    target, rotation, translation = canonical_truth(statistics, truth)
    latent = fit_latent(face_model, target, iterations)
    with torch.no_grad():
        vertices = face_model.decode_vertices(latent)
    residual = torch.full((len(latent),), float("nan"))
    return canonical_track(
        statistics, FaceState(latent, rotation, translation), vertices, truth.time_s, truth.intrinsics, residual
    )


def canonical_truth(statistics: SubjectStatistics, truth: ClipTruth) -> tuple[Tensor, Tensor, Tensor]:
    """The true meshes (T, N, 3) mm, rotations (T, 3, 3) and translations (T, 3) mm in the gauge of every track."""
    return canonicalise(
        truth.vertices, truth.rotation, truth.translation, statistics.vertex_mean, statistics.rigid_vertices
    )


def fit_latent(face_model: FaceModel, vertices: Tensor, iterations: int) -> Tensor:
    """Latents (T, Z) whose decoded meshes come nearest to vertices (T, N, 3), squared error, from the lab's mean."""
    code = torch.zeros(len(vertices), len(face_model.latent_mean), requires_grad=True)
    optimizer = torch.optim.Adam([code], lr=0.15)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, iterations)
    for _ in range(iterations):
        decoded = face_model.decode_vertices(face_model.latent_mean + face_model.latent_std * code)
        error = (decoded - vertices).square().mean() + 1e-4 * code.square().mean()
        (code.grad,) = torch.autograd.grad(error, code)  # of the code alone: the decoder's own are not asked for
        optimizer.step()
        schedule.step()
    return (face_model.latent_mean + face_model.latent_std * code).detach()
