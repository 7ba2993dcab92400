"""Formats that keep one texture coordinate a vertex: vertices on a seam are doubled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steadyface.types import SubjectStatistics


class SplitMesh(NamedTuple):
    """A topology with one texture coordinate a vertex.

    Shapes: vertex (V,) int64, the vertex of the track that each one is; uv (V, 2); faces (F, 3) int64. A vertex
    of the track that no triangle uses has none.
    """

    vertex: NDArray[np.int64]
    uv: NDArray[np.float64]
    faces: NDArray[np.int64]


def split_at_seams(statistics: SubjectStatistics) -> SplitMesh:
    """A vertex for each pair of vertex and texture coordinate that meets in a triangle's corner, in their order."""
    faces, uv_faces = statistics.faces.cpu().numpy(), statistics.uv_faces.cpu().numpy()
    pairs = np.stack([faces.reshape(-1), uv_faces.reshape(-1)], axis=1)
    unique, corner = np.unique(pairs, axis=0, return_inverse=True)
    uv = statistics.uv.cpu().double().numpy()[unique[:, 1]]
    return SplitMesh(unique[:, 0], uv, corner.reshape(-1, 3))
