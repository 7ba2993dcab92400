"""FLAME as ``.npz``: the model's arrays, converted by a user from a licensed file (docs/rigs.md shows how).

T. Li et al., Learning a model of facial shape and expression from 4D scans, SIGGRAPH Asia 2017. Nothing is unpickled.
Metres, y up, looking along +z. A rig is linear, FLAME is not: its jaw and its eyeballs become shapes, the straight line
to one turn, so that between 0 and 1 the chin cuts the corner of its arc by up to ``r (1 - cos(angle / 2))``: 1.5 mm at
a chin 100 mm from the hinge, and at an opening half as wide as the shape's a quarter of that.
The hinge stays where the mean head has it.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from steadyface.errors import InputError
from steadyface.rigs.frame import Y_UP, landmark_positions
from steadyface.rigs.landmarks import COUNT, INNER, Landmarks, embedded
from steadyface.rigs.obj_parts import require_size
from steadyface.rigs.parts import FACE, PART_NAMES, narrow_to_face
from steadyface.rigs.rig import ONE_DEVIATION, Rig
from steadyface.rigs.skinning import Turn, turn_deltas
from steadyface.rigs.uv_tiles import UvMap, cylindrical, fit_uv, pack_tiles, tiles_of_parts

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

IDENTITY_MODES = 300
JAW, LEFT_EYE, RIGHT_EYE = 2, 3, 4
MM_PER_UNIT = 1000.0
TURNS: tuple[Turn, ...] = (
    Turn("jawOpen", JAW, (0.35, 0.0, 0.0)), Turn("jawLeft", JAW, (0.0, 0.08, 0.0)),
    Turn("jawRight", JAW, (0.0, -0.08, 0.0)),
    Turn("eyeLookDownLeft", LEFT_EYE, (0.45, 0.0, 0.0)), Turn("eyeLookUpLeft", LEFT_EYE, (-0.42, 0.0, 0.0)),
    Turn("eyeLookOutLeft", LEFT_EYE, (0.0, 0.52, 0.0)), Turn("eyeLookInLeft", LEFT_EYE, (0.0, -0.49, 0.0)),
    Turn("eyeLookDownRight", RIGHT_EYE, (0.45, 0.0, 0.0)), Turn("eyeLookUpRight", RIGHT_EYE, (-0.42, 0.0, 0.0)),
    Turn("eyeLookOutRight", RIGHT_EYE, (0.0, -0.52, 0.0)), Turn("eyeLookInRight", RIGHT_EYE, (0.0, 0.49, 0.0)),
)  # fmt: skip
"""Turned by hand to what ARKit's shapes look like on a person; x to the subject's left, y up, z ahead."""

_OTHER_NAMES = {
    "weights": "lbs_weights", "faces": "f",
    "full_lmk_faces_idx": "lmk_faces_idx", "full_lmk_bary_coords": "lmk_bary_coords",
    "lmk_face_idx": "lmk_faces_idx", "lmk_b_coords": "lmk_bary_coords",
}  # fmt: skip
_NEEDED = ("v_template", "shapedirs", "J_regressor", "lbs_weights", "f")
_REMEDY = "convert your FLAME file as docs/rigs.md shows"


class Flame(NamedTuple):
    """The arrays of a file, checked.

    Shapes: template (N, 3) m; shapes (N, 3, K); regressor (J, N); weights (N, J); faces (F, 3); correctives
    (N, 3, 9 (J - 1)) or None; identity, how many of the K are identity modes.
    """

    template: Floats
    shapes: Floats
    regressor: Floats
    weights: Floats
    faces: Ints
    correctives: Floats | None
    identity: int


def recognises(path: Path) -> bool:
    """Whether a path is called an .npz."""
    return path.suffix.lower() == ".npz"


def read_flame(path: Path) -> Rig:
    """Read the file; landmarks from it, or from ``landmarks.npz`` beside it.

    FLAME's expression modes keep their numbers as names, for they are not ARKit's; one unit of them is one standard
    deviation, as of the identity modes. Eyeballs are what the eyes' joints move alone, the face what lies within the
    landmarks. Without ``vt`` and ``ft``, texture coordinates are laid round the head.

    Raises:
        InputError: no such file, one that would have to be unpickled, an array that is missing or of another shape.
    """
    arrays = read_arrays(path)
    flame = _checked(path, arrays)
    landmarks = _landmarks(path, arrays, flame.faces)
    neutral = flame.template * Y_UP * MM_PER_UNIT
    parts = _parts(flame, neutral, landmarks)
    packed, notes = _uv(path, arrays, flame.faces, neutral, parts)
    modes = np.moveaxis(flame.shapes, 2, 0)
    joints = flame.regressor @ flame.template
    turns = tuple(turn for turn in TURNS if turn.joint < len(joints))
    turned = turn_deltas(turns, flame.template, joints, flame.weights, flame.correctives)
    own = [f"flame_{index:03d}" for index in range(len(modes) - flame.identity)]
    scale = Y_UP * MM_PER_UNIT
    return Rig(
        str(path), torch.from_numpy(neutral).float(), torch.from_numpy(flame.faces),
        torch.from_numpy(packed.uv).float(), torch.from_numpy(packed.uv_faces),
        (*(turn.name for turn in turns), *own),
        torch.from_numpy(np.concatenate([turned, modes[flame.identity :]]) * scale).float(),
        torch.from_numpy(modes[: flame.identity] * scale).float(), ONE_DEVIATION, landmarks,
        torch.from_numpy(parts), ("jaw and eyeballs are straight lines to one turn", *notes),
    )  # fmt: skip


def read_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """The arrays of an .npz under one set of names.

    Raises:
        InputError: no such file, not an .npz, or an array of Python objects, which would have to be unpickled.
    """
    require_size(path)
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {_OTHER_NAMES.get(name, name): stored[name] for name in stored.files}
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, KeyError, TypeError, AttributeError) as error:
        got = f"an unreadable file ({error})"
        raise InputError(path, "an .npz of plain arrays", got, _REMEDY) from None


def _checked(path: Path, arrays: dict[str, NDArray[np.generic]]) -> Flame:
    missing = [name for name in _NEEDED if name not in arrays]
    if missing:
        raise InputError(path, f"FLAME's arrays {', '.join(_NEEDED)}", f"no {', '.join(missing)}", _REMEDY)
    template, shapes, regressor, weights = (_numbers(path, arrays, name) for name in _NEEDED[:4])
    faces = _numbers(path, arrays, "f").astype(np.int64)
    n, joints = len(template), len(regressor)
    correctives = _numbers(path, arrays, "posedirs") if "posedirs" in arrays else None
    right = template.shape == (n, 3) and shapes.shape[:2] == (n, 3) and shapes.ndim == 3
    right = right and regressor.shape == (joints, n) and weights.shape == (n, joints) and joints > JAW
    right = right and faces.ndim == 2 and faces.shape[1] == 3
    right = right and (correctives is None or correctives.shape == (n, 3, 9 * (joints - 1)))
    if not right:
        got = ", ".join(f"{name} {arrays[name].shape}" for name in (*_NEEDED, "posedirs") if name in arrays)
        raise InputError(path, "arrays of one model of at least three joints", got, _REMEDY)
    if faces.size == 0 or faces.min() < 0 or faces.max() >= n:
        raise InputError(path, f"faces of vertices 0..{n - 1}", "others", _REMEDY)
    identity = int(_numbers(path, arrays, "n_identity")) if "n_identity" in arrays else IDENTITY_MODES
    if not 0 <= identity <= shapes.shape[2]:
        got = f"{shapes.shape[2]} in shapedirs"
        remedy = "add n_identity, the number of identity modes, to the .npz"
        raise InputError(path, f"at least {identity} modes, which are identity", got, remedy)
    return Flame(template, shapes, regressor, weights, faces, correctives, identity)


def _numbers(path: Path, arrays: dict[str, NDArray[np.generic]], name: str) -> Floats:
    """An array as float64, finite."""
    values = arrays[name]
    if values.dtype.kind not in "fiu":
        raise InputError(path, f"numbers in {name}", str(values.dtype), _REMEDY)
    numbers = values.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise InputError(path, f"finite numbers in {name}", "NaN or infinity", _REMEDY)
    return numbers


def _landmarks(path: Path, arrays: dict[str, NDArray[np.generic]], faces: Ints) -> Landmarks:
    """The static embedding, of 68 points or of the 51 without the jaw; none where there is no file of it."""
    beside = path.with_name("landmarks.npz")
    if "lmk_faces_idx" not in arrays and beside.is_file() and beside != path:
        path, arrays = beside, read_arrays(beside)
    if not {"lmk_faces_idx", "lmk_bary_coords"} <= set(arrays):
        return Landmarks.none()
    index = _numbers(path, arrays, "lmk_faces_idx").astype(np.int64).reshape(-1)
    weights = _numbers(path, arrays, "lmk_bary_coords").reshape(-1, 3)
    expected = f"{COUNT} landmarks, or the {len(INNER)} without the jaw, on faces 0..{len(faces) - 1}"
    if len(index) not in (COUNT, len(INNER)) or index.min() < 0 or index.max() >= len(faces):
        raise InputError(path, expected, f"{len(index)} on {index.min(initial=0)}..{index.max(initial=0)}", _REMEDY)
    numbers = tuple(range(COUNT)) if len(index) == COUNT else INNER
    try:
        return embedded(torch.from_numpy(faces[index]), torch.from_numpy(weights).float(), numbers)
    except ValueError as error:
        raise InputError(path, expected, f"{error}", _REMEDY) from None


def _parts(flame: Flame, neutral: Floats, landmarks: Landmarks) -> Ints:
    """(F,) part of each triangle."""
    parts = np.full(len(flame.faces), FACE)
    parts = narrow_to_face(parts, neutral, flame.faces, landmark_positions(neutral, landmarks))
    for joint, part in ((LEFT_EYE, "eye_left"), (RIGHT_EYE, "eye_right")):
        if joint < flame.weights.shape[1]:
            eyeball = (flame.weights[:, joint] > 0.5)[flame.faces].all(axis=1)
            parts[eyeball] = PART_NAMES.index(part)
    return parts


def _uv(
    path: Path, arrays: dict[str, NDArray[np.generic]], faces: Ints, neutral: Floats, parts: Ints
) -> tuple[UvMap, tuple[str, ...]]:
    """The file's own texture coordinates, or such as are laid round the head, the eyeballs apart."""
    if {"vt", "ft"} <= set(arrays):
        uv, uv_faces = _numbers(path, arrays, "vt"), _numbers(path, arrays, "ft").astype(np.int64)
        if uv.shape != (len(uv), 2) or uv_faces.shape != faces.shape or uv_faces.max() >= len(uv) or uv_faces.min() < 0:
            raise InputError(path, "vt (M, 2) and ft (F, 3) into it", f"vt {uv.shape}, ft {uv_faces.shape}", _REMEDY)
        return fit_uv(uv, uv_faces, parts, FACE)
    laid = cylindrical(neutral, faces)
    eyes = np.isin(parts, [PART_NAMES.index(name) for name in ("eye_left", "eye_right")])
    tiles = tiles_of_parts(np.where(eyes, parts, FACE), FACE)
    note = "without texture coordinates: laid round the head, where lips and nostrils fold two places share a texel"
    return pack_tiles(laid.uv, laid.uv_faces, tiles), (note,)
