"""The rigid motion between two meshes with the same vertices (Procrustes without scale)."""

from __future__ import annotations

from pytorch3d.ops import corresponding_points_alignment
from torch import Tensor


def align_rigid(source: Tensor, target: Tensor, index: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Least-squares rotation and translation with ``rotation @ source + translation ~ target``.

    Shapes: source (B, N, 3); target (B, N, 3) or (N, 3); index (K,) long picks the vertices that
    take part -> rotation (B, 3, 3), translation (B, 3), in double precision inside.
    """
    if target.dim() == 2:
        target = target.expand_as(source)
    if index is not None:
        source, target = source[:, index], target[:, index]
    found = corresponding_points_alignment(source.double(), target.double(), estimate_scale=False)
    return found.R.transpose(-1, -2).to(source.dtype), found.T.to(source.dtype)
