"""The ``KRT`` file of a lab capture: one block of eight lines a camera.

A block: the camera's name; three lines of K; one line of five distortion values (k1 k2 p1 p2 k3,
OpenCV's order); three lines of [R t], world -> camera in mm; an empty line.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steadyface.errors import InputError

_REMEDY = "repair that line, or fetch the capture's KRT again"
_BLOCK = (
    (3, "three values of K"),
    (3, "three values of K"),
    (3, "three values of K"),
    (5, "five distortion values"),
    (4, "four values of [R t]"),
    (4, "four values of [R t]"),
    (4, "four values of [R t]"),
)
ROTATION_TOLERANCE = 1e-2  # of R R^T - 1: catches a wrong line, lets a rounded text file pass


class Camera(NamedTuple):
    """A calibrated camera: ``pixel ~ K distort(R world + t)``, pixel centres at integers.

    Shapes: intrinsics (3, 3) in pixels of the whole image; distortion (5,) k1 k2 p1 p2 k3;
    rotation (3, 3) and translation (3,) in mm, world -> camera. All float64.
    """

    name: str
    intrinsics: NDArray[np.float64]
    distortion: NDArray[np.float64]
    rotation: NDArray[np.float64]
    translation: NDArray[np.float64]


def write_krt(path: Path, cameras: Iterable[Camera]) -> None:
    """Writes the cameras in the given order, nine significant digits a value."""
    lines: list[str] = []
    for camera in cameras:
        extrinsics = np.concatenate([camera.rotation, camera.translation[:, None]], axis=1)
        rows = [*camera.intrinsics, camera.distortion, *extrinsics]
        lines += [camera.name, *(" ".join(f"{value:.9g}" for value in row) for row in rows), ""]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


def read_krt(path: Path) -> dict[str, Camera]:
    """The cameras by name, in the file's order.

    Raises:
        InputError: no such file, no camera, or a line that is not what the block wants there; the
            line's number is named.
    """
    try:
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError as error:
        raise InputError(
            path,
            "a readable KRT file",
            error.strerror or "an error",
            "point to a capture folder that has one",
        ) from None
    cameras: dict[str, Camera] = {}
    at = 0
    while at < len(lines):
        if not lines[at].strip():
            at += 1
            continue
        camera = _block(path, lines, at)
        if camera.name in cameras:
            raise InputError(f"{path}, line {at + 1}", "a camera's name that is new", f"{camera.name!r} again", _REMEDY)
        cameras[camera.name] = camera
        at += 1 + len(_BLOCK)
    if not cameras:
        raise InputError(path, "at least one camera", "none", _REMEDY)
    return cameras


def _block(path: Path, lines: list[str], start: int) -> Camera:
    name = lines[start].split()
    if len(name) != 1:
        raise InputError(f"{path}, line {start + 1}", "a camera's name alone", repr(lines[start][:60]), _REMEDY)
    rows = [_row(path, lines, start + 1 + i, count, what) for i, (count, what) in enumerate(_BLOCK)]
    intrinsics, extrinsics = np.stack(rows[:3]), np.stack(rows[4:])
    if not (np.array_equal(intrinsics[2], (0.0, 0.0, 1.0)) and intrinsics[0, 0] > 0 < intrinsics[1, 1]):
        raise InputError(
            f"{path}, line {start + 2}",
            "K with positive focal lengths and a last line 0 0 1",
            str(intrinsics.tolist()),
            _REMEDY,
        )
    if not is_rotation(extrinsics[:, :3]):
        raise InputError(
            f"{path}, line {start + 6}",
            "a rotation in the first three columns of [R t]",
            str(extrinsics[:, :3].tolist()),
            _REMEDY,
        )
    return Camera(name[0], intrinsics, rows[3], extrinsics[:, :3], extrinsics[:, 3])


def _row(path: Path, lines: list[str], at: int, count: int, what: str) -> NDArray[np.float64]:
    text = lines[at] if at < len(lines) else ""
    try:
        row = np.asarray([float(word) for word in text.split()], dtype=np.float64)
    except ValueError:
        row = np.empty(0)
    if len(row) != count or not np.isfinite(row).all():
        got = repr(text[:60]) if at < len(lines) else "the end of the file"
        raise InputError(f"{path}, line {at + 1}", what, got, _REMEDY)
    return row


def is_rotation(matrix: NDArray[np.float64]) -> bool:
    """Whether a (3, 3) matrix is a proper rotation, up to what a text file rounds."""
    error = np.abs(matrix @ matrix.T - np.eye(3)).max()
    return bool(error < ROTATION_TOLERANCE and np.linalg.det(matrix) > 0)
