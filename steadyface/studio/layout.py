"""The charts of the subject's mesh: vertices, triangles and texture coordinates, the same for every identity.

Each chart is a rectangular grid of vertices and a rectangle of the texture, so the texture layout has no
overlap by construction. Columns grow to the right of the picture, rows grow downwards, as u and v do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CROWN_ELEVATIONS_DEG: Floats = np.linspace(83.0, 7.0, 10)
"""Elevation of the rays of the crown's rows above the forehead's pivot."""

FACE_ROWS_Y: Floats = np.concatenate(
    [
        np.linspace(-62.0, -40.0, 6, endpoint=False),  # forehead
        np.linspace(-40.0, -17.0, 10, endpoint=False),  # brow and upper lid
        np.array([-17.0, -15.0, -13.0, -11.0]),  # the eye slit: margin, tuck, tuck, margin
        np.linspace(-9.0, 4.0, 6, endpoint=False),  # lower lid
        np.linspace(4.0, 22.0, 6, endpoint=False),  # cheek
        np.linspace(22.0, 36.0, 8, endpoint=False),  # underside of the nose
        np.linspace(36.0, 50.0, 7, endpoint=False),  # philtrum and upper lip
        np.array([50.0, 51.33, 52.67, 54.0]),  # the mouth slit: contact, inner, inner, contact
        np.linspace(55.7, 70.0, 8, endpoint=False),  # lower lip
        np.linspace(70.0, 97.0, 7),  # chin
    ]
)
"""Height (mm) of the rows of the face before they bend around lids and lips."""

CROWN_ROWS = len(CROWN_ELEVATIONS_DEG)
SUBMENTAL_ROWS = 3
NECK_ROWS_Y: Floats = np.array([114.0, 128.0, 144.0])
ROWS = CROWN_ROWS + len(FACE_ROWS_Y) + SUBMENTAL_ROWS + len(NECK_ROWS_Y)

BACK_COLUMNS_X: Floats = np.array([16.0, 33.0, 50.0])
FAN_COLUMNS = 13
FRONT_COLUMNS_X: Floats = np.linspace(-50.0, 50.0, 51)
COLUMNS = 1 + 2 * len(BACK_COLUMNS_X) + 2 * FAN_COLUMNS + len(FRONT_COLUMNS_X)
FIRST_FRONT_COLUMN = 1 + len(BACK_COLUMNS_X) + FAN_COLUMNS

EYE_SLIT_ROW = CROWN_ROWS + 16
"""Row of the upper lid's margin; the next is its tuck, then the lower lid's tuck and margin."""
MOUTH_SLIT_ROW = CROWN_ROWS + 47
"""Row of the upper lip's contact line; then its inner side, the lower lip's inner side, its contact line."""
EYE_CORNERS_X = (18.0, 44.0)
MOUTH_CORNER_X = 26.0


@dataclass(frozen=True)
class Chart:
    """A grid of rows x columns vertices, from vertex ``first`` on, in the texture rectangle ``box``.

    ``box`` is (u0, v0, u1, v1). A chart that wraps shares its first column of vertices with the end of
    its last column of triangles.
    """

    name: str
    rows: int
    columns: int
    first: int
    box: tuple[float, float, float, float]
    wraps: bool = False

    @property
    def uv_columns(self) -> int:
        """Columns of texture coordinates."""
        return self.columns + int(self.wraps)

    @property
    def count(self) -> int:
        """Vertices of the grid."""
        return self.rows * self.columns

    @property
    def vertices(self) -> slice:
        """Where the grid's vertices lie in the mesh."""
        return slice(self.first, self.first + self.count)

    def index(self) -> Ints:
        """(rows, uv_columns) vertex index at each grid point."""
        grid = self.first + np.arange(self.count).reshape(self.rows, self.columns)
        return np.concatenate([grid, grid[:, :1]], axis=1) if self.wraps else grid

    def uv(self) -> Floats:
        """(rows, uv_columns, 2) texture coordinates."""
        u = np.linspace(self.box[0], self.box[2], self.uv_columns)
        v = np.linspace(self.box[1], self.box[3], self.rows)
        return np.stack(np.meshgrid(u, v), axis=-1)


APEX_VERTEX = ROWS * COLUMNS
"""The vertex that closes the crown, above the first row of the head chart."""
APEX_V = 0.003

HEAD = Chart("head", ROWS, COLUMNS, 0, (0.004, 0.012, 0.996, 0.85), wraps=True)
RIGHT_EYE = Chart("right_eye", 9, 11, APEX_VERTEX + 1, (0.01, 0.868, 0.20, 0.992))
LEFT_EYE = Chart("left_eye", 9, 11, RIGHT_EYE.vertices.stop, (0.22, 0.868, 0.41, 0.992))
MOUTH = Chart("mouth", 11, 13, LEFT_EYE.vertices.stop, (0.43, 0.868, 0.64, 0.992))
RIGHT_EAR = Chart("right_ear", 7, 16, MOUTH.vertices.stop, (0.66, 0.868, 0.815, 0.992), wraps=True)
LEFT_EAR = Chart("left_ear", 7, 16, RIGHT_EAR.vertices.stop, (0.835, 0.868, 0.99, 0.992), wraps=True)
CHARTS = (HEAD, RIGHT_EYE, LEFT_EYE, MOUTH, RIGHT_EAR, LEFT_EAR)
VERTEX_COUNT = LEFT_EAR.vertices.stop


def front_columns(left: float, right: float) -> Ints:
    """Columns of the head chart whose nominal x lies in [left, right] mm."""
    half = (right - left) / 2 + 1e-6
    return FIRST_FRONT_COLUMN + np.nonzero(np.abs(FRONT_COLUMNS_X - (left + right) / 2) <= half)[0]


def _open_quads() -> NDArray[np.bool_]:
    """(ROWS - 1, COLUMNS) quads of the head chart left out: between the lids and between the lips."""
    holes = np.zeros((ROWS - 1, COLUMNS), dtype=bool)
    inner, outer = EYE_CORNERS_X
    holes[EYE_SLIT_ROW + 1, front_columns(inner, outer - 1)] = True
    holes[EYE_SLIT_ROW + 1, front_columns(-outer, -inner - 1)] = True
    holes[MOUTH_SLIT_ROW + 1, front_columns(-MOUTH_CORNER_X, MOUTH_CORNER_X - 1)] = True
    return holes


def _rising_quads() -> NDArray[np.bool_]:
    """(ROWS - 1, COLUMNS) quads of the head chart whose diagonal rises, to follow lid and lip lines."""
    rising = np.zeros((ROWS - 1, COLUMNS), dtype=bool)
    eye = sum(EYE_CORNERS_X) / 2
    for slit, centre, reach in (
        (EYE_SLIT_ROW, eye, 16.0),
        (EYE_SLIT_ROW, -eye, 16.0),
        (MOUTH_SLIT_ROW, 0.0, 30.0),
    ):
        rising[slit - 7 : slit + 1, front_columns(centre - reach, centre - 1)] = True
        rising[slit + 2 : slit + 11, front_columns(centre, centre + reach)] = True
    return rising


def _quads_to_triangles(grid: Ints, kept: NDArray[np.bool_], rising: NDArray[np.bool_]) -> Ints:
    """Two triangles a kept quad, so that their normals (geometry.normals) point to the viewer's side."""
    a, b, c, d = grid[:-1, :-1], grid[:-1, 1:], grid[1:, :-1], grid[1:, 1:]
    fall = np.stack([np.stack([a, c, d], -1), np.stack([a, d, b], -1)], axis=2)
    rise = np.stack([np.stack([a, c, b], -1), np.stack([b, c, d], -1)], axis=2)
    return np.where(rising[..., None, None], rise, fall)[kept].reshape(-1, 3)


def build_topology() -> tuple[Ints, Floats, Ints]:
    """Triangles of the whole mesh.

    Returns:
        faces (F, 3) vertex indices, uv (M, 2) in [0, 1], uv_faces (F, 3) indices into uv. The first
        triangles are the head chart's.
    """
    faces, uv_faces, uv = [], [], []
    first_uv = 0
    for chart in CHARTS:
        plain = np.zeros((chart.rows - 1, chart.uv_columns - 1), dtype=bool)
        holes, rising = (_open_quads(), _rising_quads()) if chart is HEAD else (plain, plain)
        uv_grid = first_uv + np.arange(chart.rows * chart.uv_columns).reshape(chart.rows, -1)
        faces.append(_quads_to_triangles(chart.index(), ~holes, rising))
        uv_faces.append(_quads_to_triangles(uv_grid, ~holes, rising))
        uv.append(chart.uv().reshape(-1, 2))
        first_uv += uv_grid.size
    crown_faces, crown_uv_faces, crown_uv = _crown(first_uv)
    return (
        np.concatenate([*faces, crown_faces]),
        np.concatenate([*uv, crown_uv]),
        np.concatenate([*uv_faces, crown_uv_faces]),
    )


def _crown(first_uv: int) -> tuple[Ints, Ints, Floats]:
    """The fan of triangles between the apex and the first row; the apex has one uv a triangle."""
    ring, u = HEAD.index()[0], HEAD.uv()[0, :, 0]
    column = np.arange(COLUMNS)
    faces = np.stack([np.full(COLUMNS, APEX_VERTEX), ring[:-1], ring[1:]], axis=-1)
    uv_faces = np.stack([first_uv + column, column, column + 1], axis=-1)
    uv = np.stack([(u[:-1] + u[1:]) / 2, np.full(COLUMNS, APEX_V)], axis=-1)
    return faces, uv_faces, uv
