"""Other trackers' results, read from a file: meshes with the subject's topology, or landmarks.

The format is documented in docs/external-trackers.md. What cannot be scored is refused with what
was expected: a figure of half a clip, or of a mesh that was guessed to fit, would be worse than none.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steadyface.errors import InputError
from steadyface.tracking.landmark_track import LandmarkTrack
from steadyface.tracking.track import Track
from steadyface.tracking.tracker import canonical_track
from steadyface.types import FaceState, SubjectStatistics

FORMAT = "docs/external-trackers.md"
_REMEDY = f"save it as {FORMAT} shows"
_TIME_TOLERANCE_S = 1e-3
_ORTHOGONAL = 1e-3  # largest entry of R^T R - 1

# What an array may be: its trailing dimensions after the frames, None for any size.
_FLOATS: dict[str, tuple[int | None, ...]] = {
    "vertices": (None, 3),
    "landmarks": (None, 2),
    "rotation": (3, 3),
    "translation": (3,),
    "time_s": (),
}


@dataclass(frozen=True)
class ExternalResult:
    """What a file of another tracker holds, its shapes and numbers checked; float64, T frames.

    Shapes: vertices (T, N, 3) mm, in the head frame where rotation (T, 3, 3) and translation (T, 3)
    mm are there, else in the camera frame; or landmarks (T, L, 2) pixels of the full frame, all nan in
    frames without a face, with vertex_index (L,) long; time_s (T,).
    """

    path: Path
    vertices: Tensor | None = None
    landmarks: Tensor | None = None
    rotation: Tensor | None = None
    translation: Tensor | None = None
    vertex_index: Tensor | None = None
    time_s: Tensor | None = None


def read_external(path: Path) -> ExternalResult:
    """Read a file and check what needs no clip.

    Raises:
        InputError: for a file that is missing, no npz, or pickled; for neither or both of vertices and
            landmarks; for wrong shapes or types, differing numbers of frames, and nan or infinite values
            but for landmarks that are all nan in a frame, which has no face then.
    """
    arrays = _read_arrays(path)
    given = [name for name in ("vertices", "landmarks") if name in arrays]
    if len(given) != 1:
        got = "both" if given else f"the arrays {', '.join(sorted(arrays)) or 'of an empty file'}"
        raise InputError(path, "either vertices (T, N, 3) or landmarks (T, L, 2)", got, _REMEDY)
    floats = {name: _checked(path, name, arrays[name]) for name in _FLOATS if name in arrays}
    frames = {name: len(values) for name, values in floats.items()}
    if len(set(frames.values())) > 1:
        raise InputError(path, "the same number of frames in each array", str(frames), _REMEDY)
    if ("rotation" in floats) != ("translation" in floats):
        raise InputError(path, "rotation and translation, or neither", "one of them", _REMEDY)
    if "rotation" in floats:
        _check_rotations(path, floats["rotation"])
    index = _checked_index(path, arrays["vertex_index"]) if "vertex_index" in arrays else None
    if index is not None and "landmarks" in floats and len(index) != floats["landmarks"].shape[1]:
        expected = f"vertex_index of the {floats['landmarks'].shape[1]} landmarks"
        raise InputError(path, expected, f"{len(index)} numbers", _REMEDY)
    return ExternalResult(path, vertex_index=index, **floats)


def external_track(
    result: ExternalResult, statistics: SubjectStatistics, time_s: Tensor, intrinsics: Tensor
) -> Track | LandmarkTrack:
    """The result as a track of a clip; meshes in the canonical gauge of every other row, without latents.

    Args:
        result: of the same clip.
        statistics: of the subject.
        time_s: (T,) of the clip's frames.
        intrinsics: (3, 3) of the full frame.

    Raises:
        InputError: another number of frames or other time stamps than the clip's, or another topology.
    """
    _check_clip(result, time_s)
    if result.landmarks is not None:
        if result.vertex_index is not None:
            _check_vertices(result.path, int(result.vertex_index.max()) + 1, statistics, at_most=True)
        return LandmarkTrack(result.landmarks, time_s, result.vertex_index)
    assert result.vertices is not None  # `read_external` lets in one of the two
    _check_vertices(result.path, result.vertices.shape[1], statistics, at_most=False)
    count = len(time_s)
    rotation = torch.eye(3).double().expand(count, 3, 3) if result.rotation is None else result.rotation
    translation = torch.zeros(count, 3).double() if result.translation is None else result.translation
    state = FaceState(torch.empty(count, 0), rotation, translation)
    return canonical_track(
        statistics, state, result.vertices, time_s, intrinsics, torch.full((count,), torch.nan)
    )


def _read_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    if not path.is_file():
        raise InputError(path, "another tracker's result (.npz)", "no such file", "correct --external NAME=FILE.npz")
    try:
        stored = np.load(path, allow_pickle=False)
        if isinstance(stored, np.ndarray):
            raise InputError(path, "an npz file of named arrays", "a single array", _REMEDY)
        with stored:
            return {name: stored[name] for name in stored.files}
    except (zipfile.BadZipFile, ValueError, OSError, EOFError) as error:
        pickled = "allow_pickle" in str(error)
        got = "pickled objects, which are not opened" if pickled else f"an unreadable file ({error})"
        raise InputError(path, "an npz file of plain arrays", got, _REMEDY) from None


def _checked(path: Path, name: str, values: NDArray[np.generic]) -> Tensor:
    """One array of floats, (T, ...) -> float64."""
    trailing = _FLOATS[name]
    shape = f"({', '.join(['T', *('any' if size is None else str(size) for size in trailing)])})"
    fits = values.ndim == 1 + len(trailing) and all(
        size is None or size == found for size, found in zip(trailing, values.shape[1:], strict=True)
    )
    if not fits or 0 in values.shape:
        raise InputError(path, f"{name} of shape {shape}", str(values.shape), _REMEDY)
    if values.dtype.kind not in "fiu":
        raise InputError(path, f"{name} as floating-point numbers", str(values.dtype), _REMEDY)
    numbers = np.asarray(values, dtype=np.float64)
    bad = np.asarray(~np.isfinite(numbers).reshape(len(numbers), -1).all(axis=1))
    if name == "landmarks":
        lost = np.isnan(numbers).reshape(len(numbers), -1).all(axis=1)
        if lost.all():
            raise InputError(path, "landmarks in some frame", "nan in all of them", "track a clip that shows a face")
        bad &= ~lost
    if bad.any():
        got = f"nan or infinite values in {int(bad.sum())} of {len(bad)} frames, the first of them {int(bad.argmax())}"
        if name == "landmarks":
            remedy = "write nan for all landmarks of a frame without a face"
            raise InputError(path, "landmarks that are all finite or all nan in a frame", got, remedy)
        raise InputError(path, f"finite {name} in every frame", got, "track the clip without gaps")
    return torch.from_numpy(numbers)


def _checked_index(path: Path, values: NDArray[np.generic]) -> Tensor:
    if values.ndim != 1 or values.dtype.kind not in "iu" or not len(values) or int(values.min()) < 0:
        got = f"{values.dtype} of shape {values.shape}"
        raise InputError(path, "vertex_index (L,) of whole numbers from 0", got, _REMEDY)
    return torch.from_numpy(values.astype(np.int64))


def _check_rotations(path: Path, rotation: Tensor) -> None:
    apart = (rotation.mT @ rotation - torch.eye(3)).abs().flatten(1).amax(1)
    wrong = (apart > _ORTHOGONAL) | (torch.linalg.det(rotation) < 0)
    if bool(wrong.any()):
        got = f"other matrices in {int(wrong.sum())} frames, the first of them {int(wrong.int().argmax())}"
        raise InputError(path, "rotation matrices in rotation", got, "keep scale and reflection out of them")


def _check_clip(result: ExternalResult, time_s: Tensor) -> None:
    values = result.vertices if result.vertices is not None else result.landmarks
    assert values is not None  # `read_external` lets in one of the two
    if len(values) != len(time_s):
        raise InputError(
            result.path, f"{len(time_s)} frames, one for each of the clip's", f"{len(values)}", "track the whole clip"
        )
    if result.time_s is not None:
        apart = float((result.time_s - time_s).abs().max())
        if apart > _TIME_TOLERANCE_S:
            got = f"time stamps up to {1000 * apart:.1f} ms apart"
            raise InputError(result.path, "the clip's time stamps in time_s", got, "track every frame, or leave it out")


def _check_vertices(path: Path, count: int, statistics: SubjectStatistics, at_most: bool) -> None:
    own = statistics.vertex_count
    if count == own or (at_most and count < own):
        return
    got = f"vertex {count - 1}" if at_most else f"{count} vertices"
    remedy = "fit the subject's mesh to them first, or give landmarks"
    raise InputError(path, f"the subject's topology of {own} vertices", got, remedy)
