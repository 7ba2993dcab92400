"""An OBJ a frame, with the texture beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import Tensor

from steadyface.capture.obj import topology_text, vertex_text
from steadyface.export.mesh_sequence import SequenceMesh, Space, write_sequence
from steadyface.export.texture_image import texture_png
from steadyface.tracking.track import Track
from steadyface.tracking.track_file import StoredTrack
from steadyface.types import SubjectStatistics

MATERIAL = "face.mtl"
TEXTURE = "texture.png"


def write_obj_sequence(
    track: Track | StoredTrack, statistics: SubjectStatistics, folder: Path, space: Space = "camera",
    texture: Tensor | None = None,
) -> int:
    """Write ``folder/frame_NNNNNN.obj``: v in mm, vt, and f a/b; vertices in the track's order.

    Args:
        statistics: faces and texture coordinates.
        space: ``camera`` with the head pose applied, or ``head``.
        texture: (3, U, U) linear; left out, the meshes name no material.

    Returns:
        the number of meshes; frames without a face have none (`write_sequence`).
    """
    uv = statistics.uv.cpu().double().numpy()
    topology = topology_text(uv, statistics.faces.cpu().numpy(), statistics.uv_faces.cpu().numpy())
    material = f"mtllib {MATERIAL}\nusemtl face\n" if texture is not None else ""

    def write(mesh: SequenceMesh) -> None:
        head = f"# {mesh.facts(space)}\n{material}"
        mesh.path.write_text(head + vertex_text(mesh.vertices.astype(np.float64)) + topology, encoding="ascii")

    def finish(part: Path) -> None:
        if texture is not None:
            (part / TEXTURE).write_bytes(texture_png(texture))
            (part / MATERIAL).write_text(f"newmtl face\nKd 1 1 1\nKs 0 0 0\nmap_Kd {TEXTURE}\n", encoding="ascii")

    return write_sequence(track, folder, ".obj", space, write, finish)
