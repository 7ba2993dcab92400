"""``parts.json`` beside a rig: its user's word on what is face, eyes, teeth and so on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steadyface.errors import InputError
from steadyface.rigs.landmarks import read_json
from steadyface.rigs.parts import PART_NAMES, narrow_to_face, parts_by_names

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_EXPECTED = '{"names": {material or group: part}, "vertices": {part: [vertex, ...]}}, either may be left out'


def decide_parts(path: Path, names: list[str], neutral: Floats, faces: Ints, points: dict[int, Floats]) -> Ints:
    """The part of each triangle, (F,) indices into PART_NAMES.

    By ``parts.json`` where there is one: first by name, then by its lists of vertices, which claim the triangles with
    all corners in them. What it does not speak of is by name, and, where it says nothing of the face, narrowed to the
    face by the landmarks.

    Args:
        path: the file, which may be missing; names: F; neutral: (N, 3) mm, head frame; faces: (F, 3);
        points: number -> (3,) of the landmarks.

    Raises:
        InputError: an unreadable file, an unknown part, name or vertex.
    """
    stored = read_json(path) if path.exists() else {}
    by_name, by_vertex = _checked(path, stored, set(names), len(neutral))
    parts = parts_by_names([by_name.get(name, name) for name in names], neutral, faces)
    for part, vertices in by_vertex.items():
        member = np.zeros(len(neutral), dtype=bool)
        member[vertices] = True
        parts[member[faces].all(axis=1)] = PART_NAMES.index(part)
    said = "face" in by_vertex or "face" in by_name.values()
    return parts if said else narrow_to_face(parts, neutral, faces, points)


def _checked(path: Path, stored: Any, names: set[str], count: int) -> tuple[dict[str, str], dict[str, list[int]]]:
    remedy = f"the parts are {', '.join(PART_NAMES)}; see docs/rigs.md"
    if not isinstance(stored, dict) or not set(stored) <= {"names", "vertices"}:
        raise InputError(path, _EXPECTED, "something else", remedy)
    by_name, by_vertex = stored.get("names", {}), stored.get("vertices", {})
    if not (isinstance(by_name, dict) and isinstance(by_vertex, dict)):
        raise InputError(path, _EXPECTED, "something else", remedy)
    for part in (*by_name.values(), *by_vertex):
        if part not in PART_NAMES:
            raise InputError(path, "one of the parts", repr(part), remedy)
    for name in by_name:
        if name not in names:
            raise InputError(path, f"names of the mesh ({', '.join(sorted(names)[:6])})", repr(name), remedy)
    for part, vertices in by_vertex.items():
        whole = isinstance(vertices, list) and all(type(v) is int and 0 <= v < count for v in vertices)
        if not whole:
            raise InputError(path, f"vertices 0..{count - 1} of {part}", "something else", remedy)
    return by_name, by_vertex
