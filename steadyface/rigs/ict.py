"""ICT-FaceKit's folder: ``FaceXModel/*.obj`` and ``vertex_indices.json``.

MIT, USC Institute for Creative Technologies.
A user downloads it: nothing of it is part of this project. Centimetres, y up, looking along +z; 57 expression shapes,
100 identity modes of light-stage scans, 68 landmark vertices. R. Li et al., Learning Formation of Physically-Based
Face Attributes, CVPR 2020.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steadyface.capture.obj import ObjMesh, read_obj
from steadyface.errors import InputError
from steadyface.rigs.arkit import HALVES, arkit_name
from steadyface.rigs.frame import Y_UP, landmark_positions
from steadyface.rigs.landmarks import COUNT, Landmarks, landmarks_of, read_json
from steadyface.rigs.obj_parts import read_deltas, require_size, triangle_names, without_see_through
from steadyface.rigs.parts import FACE, narrow_to_face, parts_by_names
from steadyface.rigs.rig import ONE_DEVIATION, Rig
from steadyface.rigs.uv_tiles import pack_tiles, tiles_of_parts

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NEUTRAL, INDICES = "generic_neutral_mesh.obj", "vertex_indices.json"
MM_PER_UNIT = 10.0
_REMEDY = "download ICT-FaceKit and name its folder, or the FaceXModel folder in it"


def folder_of(path: Path) -> Path | None:
    """The folder with the meshes, in ``path`` or its ``FaceXModel``; None where there is none."""
    return next((folder for folder in (path, path / "FaceXModel") if (folder / NEUTRAL).is_file()), None)


def recognises(path: Path) -> bool:
    """Whether a folder is ICT-FaceKit's."""
    return folder_of(path) is not None and not (path / "neutral.obj").exists()


def read_ict(path: Path, most_modes: int | None = None) -> Rig:
    """Read the folder; some seconds for all 157 meshes. Nothing is kept on disk.

    Vertices keep ICT's numbers. The tracked face is what of its face material lies in front of the ears and above the
    neck; lashes, tear film, eye blend and eye occlusion are seen through and left out. ``browInnerUp`` and
    ``cheekPuff`` are the sums of ICT's halves; what is none of ARKit's keeps ICT's name.

    Args:
        path: the repository's folder, or ``FaceXModel`` in it.
        most_modes: read only the first identity modes, the strongest ones.

    Raises:
        InputError: a file that is missing or unreadable, or meshes of different topologies.
    """
    folder = folder_of(path)
    if folder is None:
        raise InputError(path, f"ICT-FaceKit's folder with {NEUTRAL}", "no such file in it", _REMEDY)
    index = _landmarks(folder)  # what is missing is said before the meshes are read
    require_size(folder / NEUTRAL)
    mesh = read_obj(folder / NEUTRAL)
    landmarks = landmarks_of(folder / INDICES, {"68": index}, len(mesh.vertices))
    names, expressions = _expressions(folder, mesh.vertices)
    identity = read_deltas(sorted(folder.glob("identity*.obj"))[:most_modes], mesh.vertices, Y_UP * MM_PER_UNIT)
    neutral = mesh.vertices * Y_UP * MM_PER_UNIT
    mesh, parts, notes = _parted(mesh, triangle_names(folder / NEUTRAL), neutral, landmarks)
    packed = pack_tiles(mesh.uv, mesh.uv_faces, tiles_of_parts(parts, FACE))
    return Rig(
        str(path), torch.from_numpy(neutral).float(), torch.from_numpy(mesh.faces),
        torch.from_numpy(packed.uv).float(), torch.from_numpy(packed.uv_faces), names, expressions, identity,
        ONE_DEVIATION, landmarks, torch.from_numpy(parts), notes,
    )  # fmt: skip


def _landmarks(folder: Path) -> list[int]:
    """ICT's 68 vertices.

    Raises:
        InputError: the file of indices is missing, or has not 68 of them.
    """
    path = folder / INDICES
    if not path.is_file():
        raise InputError(path, "ICT-FaceKit's landmark vertices", "no such file", _REMEDY)
    stored = read_json(path)
    index = stored.get("idx_to_landmark_verts") if isinstance(stored, dict) else None
    if not isinstance(index, list) or len(index) != COUNT:
        got = f"{len(index)}" if isinstance(index, list) else "none"
        raise InputError(path, f"{COUNT} vertices in idx_to_landmark_verts", got, _REMEDY)
    return index


def _expressions(folder: Path, neutral: Floats) -> tuple[tuple[str, ...], Tensor]:
    """Names and deltas (E, N, 3) mm, head frame."""
    files = [p for p in sorted(folder.glob("*.obj")) if p.name != NEUTRAL and not p.stem.startswith("identity")]
    if not files:
        raise InputError(folder, "expression meshes, as jawOpen.obj", "none", _REMEDY)
    return join_halves([path.stem for path in files], read_deltas(files, neutral, Y_UP * MM_PER_UNIT))


def join_halves(stems: list[str], deltas: Tensor) -> tuple[tuple[str, ...], Tensor]:
    """ARKit's names, and ARKit's whole shapes from ICT's halves: stems and deltas (E', N, 3) -> E of both."""
    halves = {half: whole for whole, pair in HALVES.items() if set(pair) <= set(stems) for half in pair}
    found: dict[str, Tensor] = {}
    for stem, delta in zip(stems, deltas, strict=True):
        name = halves.get(stem, arkit_name(stem))
        found[name] = found[name] + delta if name in found and stem in halves else delta
    return tuple(found), torch.stack(list(found.values())) if found else deltas


def _parted(
    mesh: ObjMesh, names: list[str], neutral: Floats, landmarks: Landmarks
) -> tuple[ObjMesh, Ints, tuple[str, ...]]:
    """The mesh without what is seen through, the part of each of its triangles, and what was left out."""
    mesh, names, notes = without_see_through(mesh, names)
    parts = parts_by_names(names, neutral, mesh.faces)
    return mesh, narrow_to_face(parts, neutral, mesh.faces, landmark_positions(neutral, landmarks)), notes
