"""The 52 curves of ARKit's face: bounded ridge least squares of the tracked meshes on a person's named shapes.

Of each frame's mesh ``v`` the weights ``w`` in [0, 1] minimise
``sum |neutral + sum(w_i delta_i) - v|^2 + ridge * s * sum(w_i^2)``, with ``s`` the mean over the shapes of
``sum |delta_i|^2``. Every frame stands for itself: nothing is smoothed.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steadyface.capture.arkit_names import ARKIT_NAMES
from steadyface.capture.named_shapes import NamedShapes
from steadyface.errors import InputError
from steadyface.export.axes import gltf_rotations
from steadyface.export.bounded_least_squares import bounded_least_squares
from steadyface.export.mesh_sequence import numbered_blocks, require_face
from steadyface.tracking.track import Track
from steadyface.tracking.track_file import StoredTrack
from steadyface.types import SubjectStatistics

RIDGE = 1e-4

HEAD_COLUMNS = ("headYaw_deg", "headPitch_deg", "headRoll_deg")
RESIDUAL = "residual_mm"


class WrittenCurves(NamedTuple):
    """What was written: rows with a face, the names that the shapes lack, and the mean of ``residual_mm``."""

    frames: int
    missing: tuple[str, ...]
    residual_mm: float


class ShapeSolver:
    """The weights of meshes under E shapes, a block of frames at a time.

    Args:
        shapes: in the frame of the meshes.
        ridge: share of a shape's mean square; more draws the weights of shapes that resemble each other together.
    """

    def __init__(self, shapes: NamedShapes, ridge: float = RIDGE) -> None:
        self._deltas = shapes.deltas.double().flatten(1).numpy()
        self._neutral = shapes.neutral.double().flatten().numpy()
        gram = self._deltas @ self._deltas.T
        self._normal = gram + ridge * np.trace(gram) / len(gram) * np.eye(len(gram))

    def solve(self, meshes: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Meshes (T, N, 3) mm -> weights (T, E) in [0, 1] and root mean square distance that is left, (T,) mm."""
        offset = meshes.reshape(len(meshes), -1) - self._neutral
        weights = bounded_least_squares(self._normal, offset @ self._deltas.T)
        rest = (offset - weights @ self._deltas).reshape(len(meshes), -1, 3)
        return weights, np.sqrt((rest**2).sum(2).mean(1))


def usable_shapes(shapes: NamedShapes, statistics: SubjectStatistics) -> NamedShapes:
    """The shapes with a name of ARKit's that move something, in ARKit's order and the model's head frame.

    Raises:
        InputError: there is none.
    """
    moving = shapes.deltas.flatten(1).abs().amax(1) > 0
    chosen = [shapes.names.index(n) for n in ARKIT_NAMES if n in shapes.names and moving[shapes.names.index(n)]]
    if not chosen:
        got = f"{', '.join(shapes.names[:4])}, ..."
        raise InputError("named shapes", f"names of ARKit's, as {ARKIT_NAMES[0]}", got, "rename them as ARKit does")
    kept = NamedShapes(tuple(shapes.names[i] for i in chosen), shapes.deltas[chosen], shapes.neutral)
    return kept.aligned(statistics.vertex_mean.cpu(), statistics.rigid_vertices.cpu())


def write_arkit_curves(
    track: Track | StoredTrack, statistics: SubjectStatistics, shapes: NamedShapes, path: Path,
    ridge: float = RIDGE,
) -> WrittenCurves:
    """Write the curves as csv, and beside them a .json that says what they are made of.

    A row a frame of the clip: ``frame``, ``time_s``, the 52 names, the head's turn in degrees, and the root mean
    square distance in mm of the mesh from what the curves say. In a frame without a face everything but ``frame`` and
    ``time_s`` is empty; a name that the shapes lack is 0 throughout, and listed in the .json.

    Raises:
        InputError: no frame has a face, or no shape a name of ARKit's.
    """
    require_face(track)
    fitted = usable_shapes(shapes, statistics)
    solver, columns = ShapeSolver(fitted, ridge), [ARKIT_NAMES.index(name) for name in fitted.names]
    missing = tuple(name for name in ARKIT_NAMES if name not in fitted.names)
    path.parent.mkdir(parents=True, exist_ok=True)
    part, frames, total = path.with_name(f".{path.name}.part"), 0, 0.0
    try:
        with part.open("w", newline="", encoding="utf-8") as stream:
            table = csv.writer(stream, lineterminator="\n")
            table.writerow(("frame", "time_s", *ARKIT_NAMES, *HEAD_COLUMNS, RESIDUAL))
            for first, block in numbered_blocks(track):
                weights, residual = solver.solve(block.vertices[block.found].double().numpy())
                frames, total = frames + len(residual), total + float(residual.sum())
                for row in _rows(first, block, columns, weights, residual):
                    table.writerow(row)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    written = WrittenCurves(frames, missing, total / frames)
    facts = {"shapes_missing_written_as_0": missing, "ridge": ridge, "smoothing": "none", "frames_with_face": frames,
             "residual_mean_mm": round(written.residual_mm, 4)}  # fmt: skip
    path.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return written


def head_turn(rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Yaw, pitch and roll, (T, 3) degrees, of head poses (T, 3, 3), OpenCV axes, head -> camera.

    In glTF's axes the head is rolled about z first, then pitched about x, then turned about y, each by the right
    hand: 0, 0, 0 looks into the camera, a positive yaw to the right side of the picture, a positive pitch down,
    and a positive roll tips the head's top to the picture's left.

    >>> head_turn(np.eye(3)[None]).round(3).tolist()
    [[0.0, 0.0, 0.0]]
    """
    from scipy.spatial.transform import Rotation

    return np.asarray(Rotation.from_matrix(gltf_rotations(rotation)).as_euler("YXZ", degrees=True))


def _rows(
    first: int, block: Track, columns: Sequence[int], weights: NDArray[np.float64], residual: NDArray[np.float64]
) -> list[list[str]]:
    """A block's rows as text."""
    values = np.zeros((len(weights), len(ARKIT_NAMES)))
    values[:, columns] = weights
    turns = head_turn(block.rotation[block.found].double().numpy()) if len(weights) else np.zeros((0, 3))
    rows, face = [], 0
    for index in range(len(block)):
        row = [str(first + index), f"{float(block.time_s[index]):.6f}"]
        if bool(block.found[index]):
            row += [f"{value:.5f}" for value in values[face]]
            row += [f"{value:.3f}" for value in turns[face]] + [f"{residual[face]:.4f}"]
            face += 1
        else:
            row += [""] * (len(ARKIT_NAMES) + len(HEAD_COLUMNS) + 1)
        rows.append(row)
    return rows
