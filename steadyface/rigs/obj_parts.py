"""What `steadyface.capture.obj` leaves out of an OBJ file: the vertices alone, fast, and the name of each triangle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steadyface.capture.obj import ObjMesh
from steadyface.errors import InputError
from steadyface.rigs.parts import is_see_through

LARGEST_BYTES = 512 * 1024**2


def require_size(path: Path, largest: int = LARGEST_BYTES) -> None:
    """Refuse a file before it is read.

    Raises:
        InputError: no such file, or one larger than ``largest`` bytes.
    """
    if not path.is_file():
        raise InputError(path, "a file", "no such file", "name another, or put it there")
    size = path.stat().st_size
    if size > largest:
        got = f"{size / 1024**2:.0f} MB"
        raise InputError(path, f"at most {largest // 1024**2} MB", got, "reduce the mesh, or leave its textures out")


def read_vertices(path: Path, count: int) -> NDArray[np.float64]:
    """The ``v`` lines alone, (count, 3): a shape of a topology that is known already.

    Raises:
        InputError: an unreadable file, another number of vertices, or a number that is none.
    """
    require_size(path)
    expected = f"{count} lines v x y z, as in the neutral mesh"
    remedy = "export every shape from the same mesh, with its vertices in the same order"
    try:
        lines = [line[2:] for line in path.read_bytes().split(b"\n") if line.startswith(b"v ")]
        if len(lines) != count:
            raise InputError(path, expected, f"{len(lines)} of them", remedy)
        values = np.array(b" ".join(lines).split(), dtype=np.float64).reshape(count, -1)[:, :3]
    except ValueError as error:
        raise InputError(path, expected, f"something else ({error})", remedy) from None
    except OSError as error:
        raise InputError(path, "a readable OBJ file", error.strerror or "an error", remedy) from None
    if values.shape[1] != 3 or not np.isfinite(values).all():
        raise InputError(path, expected, "a line with less, or a number that is not finite", remedy)
    return values


def read_deltas(files: Sequence[Path], neutral: NDArray[np.float64], scale: NDArray[np.float64]) -> Tensor:
    """What each mesh adds to the neutral one (N, 3), times ``scale`` (3,) or one number: (K, N, 3) float32.

    Raises:
        InputError: as `read_vertices`.
    """
    deltas = torch.zeros(len(files), *neutral.shape)
    for index, path in enumerate(files):
        deltas[index] = torch.from_numpy((read_vertices(path, len(neutral)) - neutral) * scale).float()
    return deltas


def triangle_names(path: Path) -> list[str]:
    """The name of each triangle that `steadyface.capture.obj.read_obj` gives: its material, or else its group.

    A mesh of several objects is named by ``usemtl``, where there is one, and by ``o`` or ``g`` where there is none.
    """
    names: list[str] = []
    material = group = ""
    for line in path.read_text(encoding="ascii", errors="replace").splitlines():
        word, _, rest = line.partition(" ")
        if word == "usemtl":
            material = rest.strip()
        elif word in ("o", "g"):
            group = rest.strip()
        elif word == "f":
            names += [material or group] * max(len(rest.split()) - 2, 0)
    return names


def without_see_through(mesh: ObjMesh, names: list[str]) -> tuple[ObjMesh, list[str], tuple[str, ...]]:
    """A mesh without the triangles of layers that are seen through; its vertices stay, and so their numbers.

    Args:
        names: of each of its triangles.

    Returns:
        the mesh, the names of the triangles that are left, a note for the user where some are not.
    """
    kept = np.array([not is_see_through(name) for name in names], dtype=bool)
    if kept.all():
        return mesh, names, ()
    mesh = mesh._replace(faces=mesh.faces[kept], uv_faces=mesh.uv_faces[kept])
    layers = sorted({name for name in names if is_see_through(name)})
    note = f"{int((~kept).sum())} triangles are left out, for they are seen through: {', '.join(layers)}"
    return mesh, [name for name in names if not is_see_through(name)], (note,)
