"""A tiny head of our own, 700 vertices, that the tests write in every format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Place = tuple[float, float, float]

ROWS, COLUMNS = 25, 32

# Where the 68 points lie on the front, mm: the right half and the middle; the rest is their mirror image.
RIGHT = {
    0: (-70, -14), 1: (-70, 4), 2: (-66, 24), 3: (-62, 44), 4: (-54, 62), 5: (-44, 78), 6: (-30, 88), 7: (-16, 94),
    8: (0, 97), 17: (-46, -33), 18: (-38, -38), 19: (-30, -40), 20: (-20, -38), 21: (-10, -33), 27: (0, -13),
    28: (0, 0), 29: (0, 10), 30: (0, 22), 31: (-12, 31), 32: (-6, 32), 33: (0, 34), 36: (-44, -15), 37: (-36, -19),
    38: (-26, -19), 39: (-18, -13), 40: (-26, -10), 41: (-36, -10), 48: (-26, 53), 49: (-16, 47), 50: (-6, 45),
    51: (0, 44), 59: (-18, 59), 58: (-8, 61), 57: (0, 60), 60: (-22, 53), 61: (-8, 52), 62: (0, 51), 67: (-8, 53),
    66: (0, 54),
}  # fmt: skip


@dataclass(frozen=True)
class TinyHead:
    """Shapes: neutral (N, 3) mm, head frame; faces and uv_faces (F, 3); uv (M, 2); names F; landmarks 68 vertices."""

    neutral: Floats
    faces: Ints
    uv: Floats
    uv_faces: Ints
    names: list[str]
    landmarks: list[int]

    def bump(self, centre: Place, move: Place, radius: float = 30.0) -> Floats:
        """A displacement (N, 3) mm around a place."""
        share = np.exp(-((self.neutral - np.array(centre)) ** 2).sum(1) / radius**2)
        return share[:, None] * np.array(move)

    def write_obj(self, path: Path, vertices: Floats) -> None:
        """An OBJ file with materials, as modelling programs write it."""
        lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in vertices]
        lines += [f"vt {u:.6f} {v:.6f}" for u, v in self.uv]
        material = ""
        for name, corners, uv_corners in zip(self.names, self.faces + 1, self.uv_faces + 1, strict=True):
            if name != material:
                lines.append(f"usemtl {name}")
                material = name
            lines.append("f " + " ".join(f"{a}/{b}/{a}" for a, b in zip(corners, uv_corners, strict=True)))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="ascii")


def _ball(centre: Place, radii: Place, rows: int, columns: int) -> Floats:
    turn = np.linspace(-np.pi, np.pi, columns, endpoint=False)[None, :]
    height = np.linspace(-0.47, 0.47, rows)[:, None] * np.pi
    level = np.cos(height)
    unit = np.stack(np.broadcast_arrays(np.sin(turn) * level, np.sin(height), -np.cos(turn) * level), -1)
    return np.array(centre) + (unit * np.array(radii)).reshape(-1, 3)


def _grid_faces(rows: int, columns: int) -> Ints:
    """Triangles of a closed band, counter-clockwise from outside."""
    row, column = np.meshgrid(np.arange(rows - 1), np.arange(columns), indexing="ij")
    a, right = row * columns + column, row * columns + (column + 1) % columns
    b, c, d = right, a + columns, right + columns
    return np.stack([np.stack([a, c, d], -1), np.stack([a, d, b], -1)], 2).reshape(-1, 3)


@pytest.fixture(scope="session")
def tiny() -> TinyHead:
    skin = _ball((0.0, 0.0, 0.0), (74.0, 115.0, 95.0), ROWS, COLUMNS)
    skin += np.exp(-((skin - [0, 22, -93]) ** 2).sum(1) / 14**2)[:, None] * np.array([0.0, 0.0, -20.0])
    eyes = [_ball((side * 31.0, -14.0, -78.0), (10.0, 10.0, 10.0), 5, 6) for side in (1.0, -1.0)]
    lash = np.array([[20.0, -22.0, -95.0], [30.0, -22.0, -95.0], [30.0, -18.0, -95.0]])
    neutral = np.concatenate([skin, *eyes, lash])
    head, ball = _grid_faces(ROWS, COLUMNS), _grid_faces(5, 6)
    first = [len(skin), len(skin) + 30, len(skin) + 60]
    faces = np.concatenate([head, ball + first[0], ball + first[1], [[first[2], first[2] + 2, first[2] + 1]]])
    back = (skin[head][..., 2] > 0).any(axis=1)
    names = ["M_BackHead" if flag else "M_Face" for flag in back]
    names += ["M_ScleraLeft"] * len(ball) + ["M_ScleraRight"] * len(ball) + ["M_EyeLashes"]
    uv_faces = np.arange(3 * len(faces)).reshape(-1, 3)
    corners = neutral[faces].reshape(-1, 3)
    uv = np.clip(np.stack([0.5 + corners[:, 0] / 150.0, 0.5 - corners[:, 1] / 240.0], 1), 0.0, 1.0)
    uv[:, 0] += np.repeat([name == "M_BackHead" for name in names], 3)  # a tile of its own
    return TinyHead(neutral, faces, uv, uv_faces, names, _landmarks(skin))


def _landmarks(skin: Floats) -> list[int]:
    front = np.where(skin[:, 2] < 5.0, 0.0, 1e6)
    mirror = {0: 16, 17: 26, 31: 35, 36: 45, 48: 54, 60: 64}
    pairs = {1: 15, 2: 14, 3: 13, 4: 12, 5: 11, 6: 10, 7: 9, 18: 25, 19: 24, 20: 23, 21: 22, 32: 34, 37: 44, 38: 43,
             39: 42, 40: 47, 41: 46, 49: 53, 50: 52, 59: 55, 58: 56, 61: 63, 67: 65, **mirror}  # fmt: skip
    places = {**RIGHT, **{left: (-RIGHT[right][0], RIGHT[right][1]) for right, left in pairs.items()}}
    return [
        int((((skin[:, :2] - np.array(places[number])) ** 2).sum(1) + front).argmin()) for number in range(68)
    ]

