"""From a clip's crops to a track: encoder, decoder, canonical head frame, residual."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from steadyface.geometry.alignment import canonicalise
from steadyface.networks.encoder import Encoder
from steadyface.networks.face_model import FaceModel
from steadyface.tracking.residual import sampled_residuals
from steadyface.tracking.track import Track
from steadyface.tracking.track_file import StoredTrack
from steadyface.types import ClipBatch, FaceState, SubjectStatistics

FOREIGN_RESIDUAL = 0.9
"""A clip whose median residual exceeds this share of the 95th percentile of single lab views is taken for
somebody else. Below 1, because a median does not reach into the tail that the lab's turned views make.
Measured on one subject, with 0.89 as that percentile: the own clips 0.70 before adapting and 0.61 after,
two clips of another person 0.87 and 0.88 before."""


@torch.no_grad()
def track_clip(
    statistics: SubjectStatistics, face_model: FaceModel, encoder: Encoder, batches: Iterable[ClipBatch],
    intrinsics: Tensor,
) -> Track:
    """Track one clip.

    Args:
        statistics, face_model, encoder: of the subject, in evaluation mode, on one device.
        batches: the clip's frames in order.
        intrinsics: (3, 3) of the full frame.

    Returns:
        the track, on the CPU, its vertices canonical on the rigid subset of the mean mesh.
    """
    device = next(encoder.parameters()).device
    states, residuals, times = [], [], []
    for batch in batches:
        image, crop_intrinsics = batch.image.flatten(0, 1).to(device), batch.intrinsics.flatten(0, 1).to(device)
        state = encoder(image, crop_intrinsics)
        number = batch.frame.flatten().to(device)
        residuals.append(sampled_residuals(face_model, statistics, image, crop_intrinsics, state, number).cpu())
        states.append(FaceState(*(part.cpu() for part in state)))
        times.append(batch.time_s.flatten().cpu().double())
    joined = FaceState(*(torch.cat(parts) for parts in zip(*states, strict=False)))
    vertices = face_model.decode_vertices(joined.latent.to(device)).cpu()
    return canonical_track(statistics, joined, vertices, torch.cat(times), intrinsics, torch.cat(residuals))


def canonical_track(
    statistics: SubjectStatistics, state: FaceState, vertices: Tensor, time_s: Tensor, intrinsics: Tensor,
    residual: Tensor,
) -> Track:
    """Move the rigid motion that the decoded meshes (T, N, 3) hold into the pose: the gauge is then one."""
    mean, rigid = statistics.vertex_mean.cpu(), statistics.rigid_vertices.cpu()
    vertices, rotation, translation = canonicalise(vertices, state.rotation, state.translation, mean, rigid)
    return Track(
        time_s=time_s, latent=state.latent, rotation=rotation, translation=translation,
        vertices=vertices, intrinsics=intrinsics.cpu().expand(len(time_s), 3, 3).clone(),
        texture_residual=residual,
    )


def shows_somebody_else(encoder: Encoder, track: Track | StoredTrack) -> bool:
    """Whether the track's texture residual lies outside the lab's range: the face is not the model's."""
    limit = float(encoder.lab_residual[1]) * FOREIGN_RESIDUAL
    residual = track.texture_residual[torch.isfinite(track.texture_residual)]
    return len(residual) == 0 or float(residual.median()) > limit > 0
