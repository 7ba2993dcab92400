"""The fewest shapes whose weighted sums hold every mesh of a track within an error: principal components.

The covariance of N vertices would be 3N x 3N; what is kept of it instead is its leading components, updated a block
of frames at a time (Levy and Lindenbaum, Sequential Karhunen-Loeve basis extraction, 2000). While the meshes have no
more dimensions than are kept, as those of a decoder hardly have, that is exact. In any case the error is measured
afterwards, over every frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steadyface.tracking.track import Track
from steadyface.tracking.track_file import StoredTrack, track_blocks

MOST_SHAPES = 64
ERROR_MM = 0.1
SHAPES_A_STEP = 4
"""Numbers of shapes are tried in these steps."""

_KEPT = 96  # components carried from block to block, more than are used, so that the last ones are true

Floats = NDArray[np.float64]


class MorphBasis(NamedTuple):
    """Meshes as ``base + weights @ shapes``, of the T frames with a face, in their order.

    Weights lie in [0, 1] and reach both ends: programs cut off what lies outside. So the base, at weights 0, is no
    face of the track; ``resting`` are the weights of its mean.

    Shapes: base (N, 3), shapes (K, N, 3) and mean (N, 3), mm, head frame, float32; weights (T, K) and resting (K,)
    float32. error_mean_mm and error_max_mm: distance of a vertex from the track's, over all vertices of all frames.
    """

    base: NDArray[np.float32]
    shapes: NDArray[np.float32]
    mean: NDArray[np.float32]
    weights: NDArray[np.float32]
    resting: NDArray[np.float32]
    error_mean_mm: float
    error_max_mm: float


def fit_morph_basis(
    track: Track | StoredTrack, error_mm: float = ERROR_MM, most_shapes: int = MOST_SHAPES
) -> MorphBasis:
    """The smallest basis with no vertex of any frame further than ``error_mm`` off, or ``most_shapes`` shapes.

    The track is read three times: mean, components, errors.

    Args:
        track: at least one frame has a face.
        error_mm: the largest distance that is wanted; the basis says what it came to.
    """
    mean = _mean(track)
    components = _components(track, mean)[:most_shapes]
    scores, means, maxima = _project(track, mean, components)
    good = [count for count, worst in maxima.items() if worst <= error_mm]
    count = min(good) if good else max(maxima)
    scores, components = scores[:, :count], components[:count]
    lowest = scores.min(axis=0)
    reach = scores.max(axis=0) - lowest
    reach[reach == 0.0] = 1.0
    base, shapes = mean + lowest @ components, components * reach[:, None]
    return MorphBasis(
        _meshes(base)[0], _meshes(shapes), _meshes(mean)[0], ((scores - lowest) / reach).astype(np.float32),
        (-lowest / reach).clip(0.0, 1.0).astype(np.float32), means[count], maxima[count],
    )  # fmt: skip


def _meshes(rows: Floats) -> NDArray[np.float32]:
    """Rows (k, 3N), or one, as meshes (k, N, 3)."""
    return np.atleast_2d(rows).reshape(-1, np.shape(rows)[-1] // 3, 3).astype(np.float32)


def _rows(track: Track | StoredTrack) -> Iterator[Floats]:
    """The meshes with a face, a block at a time, (t, 3N) mm."""
    for block in track_blocks(track):
        meshes = block.vertices[block.found].double().flatten(1).numpy()
        if len(meshes):
            yield meshes


def _mean(track: Track | StoredTrack) -> Floats:
    total, count = np.float64(0.0), 0
    for rows in _rows(track):
        total, count = total + rows.sum(0), count + len(rows)
    return np.asarray(total / count)


def _components(track: Track | StoredTrack, mean: Floats) -> Floats:
    """The leading directions of the meshes around their mean, (k, 3N), orthonormal, the widest first."""
    kept = np.zeros((0, len(mean)))
    for rows in _rows(track):
        kept = _leading(np.concatenate([kept, rows - mean]))[:_KEPT]
    return kept / np.linalg.norm(kept, axis=1, keepdims=True)


def _leading(rows: Floats) -> Floats:
    """Rows across each other with the same ``rows.T @ rows``, the longest first; those of no length left out."""
    values, vectors = np.linalg.eigh(rows @ rows.T)  # few rows: far smaller than their columns' covariance
    values, vectors = values[::-1], vectors[:, ::-1]
    real = values > values[0] * 1e-12 if len(values) and values[0] > 0 else np.zeros(len(values), dtype=bool)
    return vectors[:, real].T @ rows


def _project(
    track: Track | StoredTrack, mean: Floats, components: Floats
) -> tuple[Floats, dict[int, float], dict[int, float]]:
    """Scores (T, k) of every frame, and mean and maximum of the vertices' distances for numbers of shapes."""
    counts = sorted({*range(0, len(components), SHAPES_A_STEP), len(components)})
    sums, maxima = dict.fromkeys(counts, 0.0), dict.fromkeys(counts, 0.0)
    scores, vertices = [], 0
    for rows in _rows(track):
        rest = rows - mean
        scores.append(rest @ components.T)
        vertices += rest.size // 3
        for before, count in zip([0, *counts], counts, strict=False):
            rest -= scores[-1][:, before:count] @ components[before:count]
            distance = np.linalg.norm(rest.reshape(len(rest), -1, 3), axis=2)
            sums[count] += float(distance.sum())
            maxima[count] = max(maxima[count], float(distance.max()))
    return np.concatenate(scores), {count: total / vertices for count, total in sums.items()}, maxima
