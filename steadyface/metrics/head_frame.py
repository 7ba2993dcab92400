"""The gauge: a decoded mesh may contain rigid motion, which belongs into the head pose."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from steadyface.geometry.alignment import align_rigid
from steadyface.geometry.cameras import transform


class HeadFrameFace(NamedTuple):
    """B meshes in the canonical head frame, with the poses that put them where they were.

    Shapes: vertices (B, N, 3) mm; rotation (B, 3, 3) and translation (B, 3) mm, head -> camera.
    """

    vertices: Tensor
    rotation: Tensor
    translation: Tensor

    def in_camera(self) -> Tensor:
        """The vertices in the camera frame, (B, N, 3) mm."""
        return transform(self.vertices, self.rotation, self.translation)


def canonicalise(
    vertices: Tensor, rotation: Tensor, translation: Tensor, rigid: Tensor, reference: Tensor
) -> HeadFrameFace:
    """Align every mesh to ``reference`` on its rigid vertices and fold the inverse into its pose.

    The camera-frame vertices stay as they were; only what is called pose and what is called
    expression moves. Computed in float64.

    Args:
        vertices: (B, N, 3) mm, head frame.
        rotation: (B, 3, 3) head -> camera.
        translation: (B, 3) mm.
        rigid: (K,) long, vertices that no expression moves (forehead, nose bridge).
        reference: (N, 3) mm, the mesh whose rigid vertices define the head frame.
    """
    vertices, rotation, translation = vertices.double(), rotation.double(), translation.double()
    turn, shift = align_rigid(vertices, reference.double(), rigid)
    # x = turn^T (c - shift), so R x + t = (R turn^T) c + t - R turn^T shift
    new_rotation = rotation @ turn.transpose(-1, -2)
    return HeadFrameFace(
        vertices=vertices @ turn.transpose(-1, -2) + shift[:, None],
        rotation=new_rotation,
        translation=translation - (new_rotation @ shift[..., None])[..., 0],
    )
