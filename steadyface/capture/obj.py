"""Wavefront OBJ meshes with texture coordinates: ``v``, ``vt`` and ``f a/b c/d e/f``."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steadyface.errors import InputError

_REMEDY = "export the mesh again with v, vt and f a/b c/d e/f lines"


class ObjMesh(NamedTuple):
    """A textured mesh; indices count from 0 in memory and from 1 in the file.

    Shapes: vertices (N, 3) float64, mm in a capture; uv (M, 2) float64; faces and uv_faces (F, 3)
    int64, into vertices and uv.
    """

    vertices: NDArray[np.float64]
    uv: NDArray[np.float64]
    faces: NDArray[np.int64]
    uv_faces: NDArray[np.int64]


def write_obj(path: Path, mesh: ObjMesh) -> None:
    """Writes ``mesh`` with six decimals."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(vertex_text(mesh.vertices) + topology_text(*mesh[1:]), encoding="ascii")


def vertex_text(vertices: NDArray[np.float64]) -> str:
    """The ``v`` lines of vertices (N, 3), with six decimals."""
    return ("v %.6f %.6f %.6f\n" * len(vertices)) % tuple(vertices.reshape(-1).tolist())  # one call: twice as fast


def topology_text(uv: NDArray[np.float64], faces: NDArray[np.int64], uv_faces: NDArray[np.int64]) -> str:
    """The ``vt`` and ``f`` lines, which all meshes of one topology share; shapes as in ``ObjMesh``."""
    lines = [f"vt {u:.6f} {v:.6f}\n" for u, v in uv]
    for corners, uv_corners in zip(faces + 1, uv_faces + 1, strict=True):
        lines.append("f " + " ".join(f"{a}/{b}" for a, b in zip(corners, uv_corners, strict=True)) + "\n")
    return "".join(lines)


def read_obj(path: Path) -> ObjMesh:
    """Reads a mesh; a polygon of more than three corners becomes a fan of triangles.

    Raises:
        InputError: no such file, a line that cannot be read (its number is named), a face without
            texture coordinates, or an index beyond what the file holds.
    """
    vertices: list[list[float]] = []
    uv: list[list[float]] = []
    corners: list[list[tuple[int, int]]] = []
    for number, line in enumerate(_lines(path), start=1):
        words = line.split()
        if not words or words[0] not in ("v", "vt", "f"):
            continue
        try:
            if words[0] == "v":
                vertices.append([float(word) for word in words[1:4]])
            elif words[0] == "vt":
                uv.append([float(word) for word in words[1:3]])
            else:
                corners += _fan([_corner(word) for word in words[1:]])
            _require_full(words)
        except ValueError:
            raise InputError(
                f"{path}, line {number}", "v x y z, vt u v or f a/b c/d e/f", repr(line.strip()[:60]), _REMEDY
            ) from None
    if not vertices or not corners:
        raise InputError(
            path,
            "a mesh with vertices and faces",
            f"{len(vertices)} vertices and {len(corners)} faces",
            _REMEDY,
        )
    return _checked(path, vertices, uv, corners)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError as error:
        raise InputError(path, "a readable OBJ file", error.strerror or "an error", _REMEDY) from None


def _require_full(words: list[str]) -> None:
    """A line cut short, as a copy that was interrupted leaves it."""
    if len(words) < {"v": 4, "vt": 3, "f": 4}[words[0]]:
        raise ValueError


def _corner(word: str) -> tuple[int, int]:
    vertex, uv = word.split("/")[:2]
    return int(vertex) - 1, int(uv) - 1


def _fan(corners: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    return [[corners[0], corners[i], corners[i + 1]] for i in range(1, len(corners) - 1)]


def _checked(
    path: Path, vertices: list[list[float]], uv: list[list[float]], corners: list[list[tuple[int, int]]]
) -> ObjMesh:
    index = np.asarray(corners, dtype=np.int64)
    mesh = ObjMesh(
        np.asarray(vertices, dtype=np.float64),
        np.asarray(uv, dtype=np.float64).reshape(-1, 2),
        index[..., 0],
        index[..., 1],
    )
    for name, values, count in (("vertex", mesh.faces, len(vertices)), ("vt", mesh.uv_faces, len(uv))):
        if values.min() < 0 or values.max() >= count:
            raise InputError(
                path,
                f"face indices into 1..{count} ({name})",
                f"{values.min() + 1}..{values.max() + 1}",
                _REMEDY,
            )
    if not (np.isfinite(mesh.vertices).all() and np.isfinite(mesh.uv).all()):
        raise InputError(path, "finite coordinates", "NaN or infinity", _REMEDY)
    return mesh
