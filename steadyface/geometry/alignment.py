"""The rigid motion between two meshes with the same vertices (Procrustes without scale)."""

from __future__ import annotations

from pytorch3d.ops import corresponding_points_alignment
from torch import Tensor

from steadyface.geometry.cameras import transform


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


def canonicalise(
    vertices: Tensor, rotation: Tensor, translation: Tensor, reference: Tensor, index: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Aligns each mesh to ``reference`` and folds the inverse motion into its pose: every vertex stays in place.

    With ``v' = A v + a`` the aligned vertices, ``R v + t = R' v' + t'`` for ``R' = R A^T`` and ``t' = t - R' a``.

    Args:
        vertices: (B, N, 3) mm, head frame.
        rotation, translation: (B, 3, 3) and (B, 3) mm, head -> camera or world.
        reference: (N, 3) or (B, N, 3) mm, the mesh that defines the head frame.
        index: (K,) long, the vertices that no expression moves; all where it is None.

    Returns:
        vertices, rotation and translation in the shapes and types they came in; in double precision inside.
    """
    exact = vertices.double()
    turn, shift = align_rigid(exact, reference.double(), index)
    new_rotation = rotation.double() @ turn.transpose(-1, -2)
    new_translation = translation.double() - (new_rotation @ shift.unsqueeze(-1)).squeeze(-1)
    aligned = transform(exact, turn, shift)
    return aligned.to(vertices.dtype), new_rotation.to(rotation.dtype), new_translation.to(translation.dtype)
