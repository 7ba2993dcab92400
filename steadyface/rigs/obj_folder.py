"""A folder of OBJ files: ``neutral.obj``, one file an expression shape, named as ARKit names it.

Beside them, all optional: ``identity000.obj`` and on as identity modes, ``landmarks.json``, ``parts.json``.
"""

from __future__ import annotations

from pathlib import Path

import torch

from steadyface.capture.arkit_names import ARKIT_NAMES
from steadyface.capture.obj import read_obj
from steadyface.errors import InputError
from steadyface.rigs.arkit import arkit_name
from steadyface.rigs.frame import landmark_positions, place
from steadyface.rigs.landmarks import read_landmarks
from steadyface.rigs.obj_parts import read_deltas, require_size, triangle_names, without_see_through
from steadyface.rigs.parts import FACE
from steadyface.rigs.parts_file import decide_parts
from steadyface.rigs.rig import UNKNOWN_UNIT, Rig
from steadyface.rigs.uv_tiles import fit_uv

LANDMARKS, PARTS = "landmarks.json", "parts.json"
_NEUTRAL_WORDS = ("neutral", "basis", "base", "rest")


def recognises(path: Path) -> bool:
    """Whether a path is a folder with an OBJ file."""
    return path.is_dir() and any(path.glob("*.obj"))


def read_obj_folder(path: Path) -> Rig:
    """Read the folder.

    The topology, texture coordinates and names are the neutral mesh's; of the others the vertices are read alone.

    Raises:
        InputError: no neutral mesh or several, a mesh of another topology, or a file that cannot be read.
    """
    neutral_path = find_neutral(path)
    require_size(neutral_path)
    mesh = read_obj(neutral_path)
    landmarks = read_landmarks(path / LANDMARKS, len(mesh.vertices))
    placement = place(str(neutral_path), mesh.vertices, landmarks)
    neutral, raw = placement.points(mesh.vertices), mesh.vertices
    mesh, names, left_out = without_see_through(mesh, triangle_names(neutral_path))
    parts = decide_parts(path / PARTS, names, neutral, mesh.faces, landmark_positions(neutral, landmarks))
    packed, notes = fit_uv(mesh.uv, mesh.uv_faces, parts, FACE)
    files = [file for file in sorted(path.glob("*.obj")) if file != neutral_path]
    shapes = [file for file in files if not file.stem.startswith("identity")]
    modes = [file for file in files if file.stem.startswith("identity")]
    own = [file.stem for file in shapes if arkit_name(file.stem) not in ARKIT_NAMES]
    kept = (f"shapes that are none of ARKit's: {', '.join(own)}",) if own else ()
    return Rig(
        str(path), torch.from_numpy(neutral).float(), torch.from_numpy(mesh.faces),
        torch.from_numpy(packed.uv).float(), torch.from_numpy(packed.uv_faces),
        tuple(arkit_name(file.stem) for file in shapes), read_deltas(shapes, raw, placement.scale),
        read_deltas(modes, raw, placement.scale), UNKNOWN_UNIT, landmarks, torch.from_numpy(parts),
        (*placement.notes, *left_out, *notes, *kept),
    )  # fmt: skip


def find_neutral(path: Path) -> Path:
    """The neutral mesh of a folder: the only OBJ file with ``neutral``, ``basis``, ``base`` or ``rest`` in its name.

    Raises:
        InputError: none or several.
    """
    files = sorted(path.glob("*.obj"))
    for word in _NEUTRAL_WORDS:
        exact = [file for file in files if file.stem.lower() == word]
        found = exact or [file for file in files if word in file.stem.lower()]
        if len(found) == 1:
            return found[0]
        if found:
            got = ", ".join(file.name for file in found[:4])
            raise InputError(path, "one neutral mesh", got, "call the right one neutral.obj")
    got = ", ".join(file.name for file in files[:4]) or "no OBJ files"
    raise InputError(path, "a neutral mesh, neutral.obj", got, "put the face at rest there under that name")
