"""The synthetic subject's head as a rig: the mean of the generator's persons, and its parameters as identity modes.

Nothing is drawn: the neutral head is the one of all parameters at their mean, symmetric, and mode k is what one
standard deviation of parameter k does to it. The generator is not linear in them: of two persons drawn from it the sum
of modes was 0.06 and 0.4 mm off on average over the face, and up to 11 mm at single vertices.
"""

from __future__ import annotations

import math
from dataclasses import fields, replace
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steadyface.rigs.landmarks import MIRRORED, Landmarks
from steadyface.rigs.parts import FACE, HEAD, PART_NAMES
from steadyface.rigs.rig import ONE_DEVIATION, Rig
from steadyface.studio import layout, relief
from steadyface.studio.anatomy import Shape
from steadyface.studio.build import Body, Hair, build_body
from steadyface.studio.expressions import EXPRESSION_NAMES, effective_weights

Floats = NDArray[np.float64]

NAME = "own"
SPREAD, CLIP = 1.4, 1.5
"""How `Shape.draw` draws: a normal number, cut off at CLIP, times SPREAD."""
MEAN_HAIR = Hair(thickness=6.5, hairline_shift=0.5)
MODE_NAMES: tuple[str, ...] = tuple(field.name for field in fields(Shape))
"""The parameter of each identity mode."""

_FACE_BACK_Z = -30.0
"""Skin in front of this plane, mm, is the face; behind it are the ears' surroundings."""


def parameter_deviation() -> float:
    """The standard deviation of a parameter as `Shape.draw` draws it."""
    inside = math.erf(CLIP / math.sqrt(2.0))
    density = math.exp(-(CLIP**2) / 2.0) / math.sqrt(2.0 * math.pi)
    return SPREAD * math.sqrt(inside - 2.0 * CLIP * density + CLIP**2 * (1.0 - inside))


@cache
def own_head() -> Rig:
    """The rig; made once a process (about ten seconds: a head is modelled for each parameter)."""
    mean = _body(Shape())
    faces, uv, uv_faces = layout.build_topology()
    return Rig(
        NAME, torch.from_numpy(mean.neutral).float(), torch.from_numpy(faces), torch.from_numpy(uv).float(),
        torch.from_numpy(uv_faces), EXPRESSION_NAMES, _expressions(mean), identity_modes(mean.neutral),
        ONE_DEVIATION, Landmarks.at_vertices(landmark_vertices(mean.canonical)),
        _parts(mean.canonical, faces),
        notes=("lids are straight between open and shut, where the subject's own slide over the eyeball",),
    )  # fmt: skip


class _Symmetric(np.random.Generator):
    """Draws zeros: the asymmetry that tells a person's two sides apart is left out."""

    def normal(self, *args: Any, size: Any = None, **kwargs: Any) -> Any:
        return np.zeros(() if size is None else size)


def _body(shape: Shape) -> Body:
    return build_body(shape, MEAN_HAIR, _Symmetric(np.random.PCG64(0)))


def identity_modes(mean: Floats) -> Tensor:
    """What one standard deviation of each parameter does, (I, N, 3) mm: forward differences from the mean (N, 3)."""
    step = parameter_deviation()
    moved = [_body(replace(Shape(), **{name: step})).neutral - mean for name in MODE_NAMES]
    return torch.from_numpy(np.stack(moved)).float()


def _expressions(mean: Body) -> Tensor:
    """(E, N, 3) mm, as `Subject.expression_deltas` defines them; lids may touch the eyeball on the way."""
    weights = torch.eye(len(EXPRESSION_NAMES))
    without = torch.zeros_like(weights)
    jaw, close = (EXPRESSION_NAMES.index(name) for name in ("jawOpen", "mouthClose"))
    weights[close, jaw] = without[close, jaw] = 1.0
    share = effective_weights(weights) - effective_weights(without)
    shapes = torch.from_numpy(mean.shapes).float()
    return (share @ shapes.flatten(1)).view_as(shapes)


def _parts(canonical: Floats, faces: NDArray[np.int64]) -> Tensor:
    """(F,) part of each triangle: by chart, and on the head's chart by where it lies."""
    parts = np.full(len(faces), HEAD)
    charts = {layout.RIGHT_EYE: "eye_right", layout.LEFT_EYE: "eye_left", layout.MOUTH: "mouth"}
    for chart, part in charts.items():
        parts[np.isin(faces[:, 0], np.arange(chart.vertices.start, chart.vertices.stop))] = PART_NAMES.index(part)
    rows = layout.CROWN_ROWS, layout.CROWN_ROWS + len(layout.FACE_ROWS_Y) + 1
    row = np.arange(len(canonical)) // layout.COLUMNS
    face = (row >= rows[0]) & (row < rows[1]) & (canonical[:, 2] < _FACE_BACK_Z)
    face[layout.APEX_VERTEX :] = False
    parts[face[faces].all(axis=1)] = FACE
    return torch.from_numpy(parts)


# The right half's places, mm in the head frame of anatomy.py: (x, y) on the front of the face.
_JAW_PLACES = (
    (-72.0, -15.0, -34.0), (-71.0, 6.0, -35.0), (-67.0, 26.0, -40.0), (-62.0, 45.0, -46.0), (-54.0, 63.0, -56.0),
    (-43.0, 80.0, -66.0), (-31.0, 90.0, -80.0), (-15.0, 95.0, -94.0), (0.0, 98.0, -98.0),
)  # fmt: skip
_BROW_X = (-46.0, -38.0, -29.0, -19.0, -10.0)
_NOSE_Y = (-12.0, -1.0, 10.0, 21.0)
_NOSE_BASE = ((-12.0, 30.0), (-6.0, 32.0), (0.0, 34.0))


def landmark_vertices(canonical: Floats) -> Tensor:
    """The 68 points by their anatomical places on the canonical head (N, 3) mm: (68,) long vertices.

    The right half and the middle are looked for; the left half is their mirror image in the grid's columns.
    """
    found: dict[int, int] = dict(enumerate(_nearest(canonical, np.array(place)) for place in _JAW_PLACES))
    found.update(enumerate((_front(canonical, x, _brow_y(x)) for x in _BROW_X), start=17))
    found.update(enumerate((_front(canonical, 0.0, y) for y in _NOSE_Y), start=27))
    found.update(enumerate((_front(canonical, x, y) for x, y in _NOSE_BASE), start=31))
    found.update(_right_lids())
    found.update(_right_lips(canonical))
    mirrored = {MIRRORED[number]: mirror_vertex(vertex) for number, vertex in found.items()}
    return torch.tensor([{**mirrored, **found}[number] for number in range(len(MIRRORED))])


def mirror_vertex(vertex: int) -> int:
    """The vertex of the head's chart on the other side."""
    row, column = divmod(vertex, layout.COLUMNS)
    return row * layout.COLUMNS + (layout.COLUMNS - column) % layout.COLUMNS


def _nearest(canonical: Floats, place: Floats) -> int:
    return int(((canonical[layout.HEAD.vertices] - place) ** 2).sum(1).argmin())


def _front(canonical: Floats, x: float, y: float, rows: slice = slice(0, layout.ROWS)) -> int:
    """The vertex of the face's front nearest to (x, y), of some rows of the head's chart."""
    skin = canonical[layout.HEAD.vertices].reshape(layout.ROWS, layout.COLUMNS, 3)[rows]
    distance = (skin[..., 0] - x) ** 2 + (skin[..., 1] - y) ** 2 + np.where(skin[..., 2] < -45.0, 0.0, 1e6)
    return rows.start * layout.COLUMNS + int(distance.argmin())


def _brow_y(x: float) -> float:
    """The middle of the painted brow."""
    along = (abs(x) - 8.0) / 40.0
    return float(-33.0 - 6.6 * np.sin(np.clip(along, 0, 1) * 2.25) + 12.8 * np.clip(along - 0.55, 0, None))


def _at(row: int, x: float) -> int:
    """The vertex of a row of the head's chart in the front column at x."""
    column = layout.FIRST_FRONT_COLUMN + int(np.abs(layout.FRONT_COLUMNS_X - x).argmin())
    return row * layout.COLUMNS + column


def _right_lids() -> dict[int, int]:
    """36 outer corner, 37 and 38 upper lid, 39 inner corner, 40 and 41 lower lid, of the right eye."""
    upper, lower = layout.EYE_SLIT_ROW, layout.EYE_SLIT_ROW + 3
    inner, outer = (-corner for corner in layout.EYE_CORNERS_X)
    third = (inner - outer) / 3.0
    return {
        36: _at(upper, outer), 37: _at(upper, outer + third), 38: _at(upper, inner - third),
        39: _at(upper, inner), 40: _at(lower, inner - third), 41: _at(lower, outer + third),
    }  # fmt: skip


def _right_lips(canonical: Floats) -> dict[int, int]:
    """The right half of both borders: 48-51 and 57-59 of the outer one, 60-62, 66 and 67 of the inner one."""
    shape, contact = Shape(), (layout.MOUTH_SLIT_ROW, layout.MOUTH_SLIT_ROW + 3)
    above, below = slice(0, contact[0]), slice(contact[1] + 1, layout.ROWS)
    found = {48: _at(contact[0], -layout.MOUTH_CORNER_X), 60: _at(contact[0], -22.0)}
    for number, x in ((49, -16.0), (50, -6.0), (51, 0.0)):
        found[number] = _front(canonical, x, float(relief.upper_border_y(np.array(x), shape)), above)
    for number, x in ((59, -17.0), (58, -8.0), (57, 0.0)):
        found[number] = _front(canonical, x, float(relief.lower_border_y(np.array(x), shape)), below)
    for number, x, row in ((61, -8.0, 0), (62, 0.0, 0), (67, -8.0, 1), (66, 0.0, 1)):
        found[number] = _at(contact[row], x)
    return found
