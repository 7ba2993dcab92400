"""The gauge: a decoded mesh may contain rigid motion, which belongs into the head pose."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from steadyface.geometry import alignment
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
    expression moves. Computed and returned in float64.

    Args:
        vertices: (B, N, 3) mm, head frame.
        rotation: (B, 3, 3) head -> camera.
        translation: (B, 3) mm.
        rigid: (K,) long, vertices that no expression moves (forehead, nose bridge).
        reference: (N, 3) mm, the mesh whose rigid vertices define the head frame.
    """
    return HeadFrameFace(
        *alignment.canonicalise(vertices.double(), rotation.double(), translation.double(), reference, rigid)
    )
