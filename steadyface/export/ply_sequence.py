"""A binary PLY a frame, with the texture beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import Tensor

from steadyface.export.mesh_sequence import SequenceMesh, Space, write_sequence
from steadyface.export.texture_image import texture_png
from steadyface.tracking.track import Track
from steadyface.tracking.track_file import StoredTrack
from steadyface.types import SubjectStatistics

TEXTURE = "texture.png"
_FACE = np.dtype([("corners", "u1"), ("vertex", "<i4", 3), ("numbers", "u1"), ("uv", "<f4", 6)])


def write_ply_sequence(
    track: Track | StoredTrack, statistics: SubjectStatistics, folder: Path, space: Space = "camera",
    texture: Tensor | None = None,
) -> int:
    """Write ``folder/frame_NNNNNN.ply``, binary little-endian: vertices in mm, in the track's order.

    Texture coordinates lie in the faces (``list uchar float texcoord``, six numbers a triangle), as MeshLab writes
    them: a vertex on a seam has several.

    Args, returns: as `write_obj_sequence`.
    """
    faces = _faces(statistics)
    names = [f"comment TextureFile {TEXTURE}"] if texture is not None else []

    def write(mesh: SequenceMesh) -> None:
        header = [
            "ply", "format binary_little_endian 1.0", f"comment {mesh.facts(space)}", *names,
            f"element vertex {len(mesh.vertices)}", *(f"property float {axis}" for axis in "xyz"),
            f"element face {len(faces) // _FACE.itemsize}", "property list uchar int vertex_indices",
            "property list uchar float texcoord", "end_header\n",
        ]  # fmt: skip
        vertices = np.ascontiguousarray(mesh.vertices, dtype="<f4").tobytes()
        mesh.path.write_bytes("\n".join(header).encode("ascii") + vertices + faces)

    def finish(part: Path) -> None:
        if texture is not None:
            (part / TEXTURE).write_bytes(texture_png(texture))

    return write_sequence(track, folder, ".ply", space, write, finish)


def _faces(statistics: SubjectStatistics) -> bytes:
    """The face element, the same in every frame."""
    rows = np.zeros(len(statistics.faces), dtype=_FACE)
    rows["corners"], rows["numbers"] = 3, 6
    rows["vertex"] = statistics.faces.cpu().numpy()
    rows["uv"] = statistics.uv.cpu().numpy()[statistics.uv_faces.cpu().numpy()].reshape(-1, 6)
    return rows.tobytes()
