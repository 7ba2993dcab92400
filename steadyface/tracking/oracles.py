"""Half an oracle each: what a source's track lacks in pose, and what it lacks in expression.

Beside `floor.decoder_floor`, which knows both. Rows for evaluation only: they are made from the truth.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from steadyface.capture.clip_truth import ClipTruth
from steadyface.tracking.floor import canonical_truth
from steadyface.tracking.track import Track
from steadyface.types import SubjectStatistics


def oracle_pose(statistics: SubjectStatistics, source: Track, truth: ClipTruth) -> Track:
    """The true head pose and camera with the source's expression.

    Args:
        statistics: of the subject, on the CPU.
        source: the source network's track of the clip.
        truth: of the clip.
    """
    _, rotation, translation = canonical_truth(statistics, truth)
    return replace(
        source, rotation=rotation, translation=translation, intrinsics=truth.intrinsics.expand(len(source), 3, 3),
        texture_residual=torch.full_like(source.texture_residual, torch.nan),
    )


def oracle_latent(source: Track, floor: Track) -> Track:
    """The expression fitted to the true mesh with the source's head pose and camera.

    Args:
        source: the source network's track of the clip.
        floor: the same clip's `decoder_floor`, whose latents were fitted.
    """
    return replace(
        source, latent=floor.latent, vertices=floor.vertices,
        texture_residual=torch.full_like(source.texture_residual, torch.nan),
    )
