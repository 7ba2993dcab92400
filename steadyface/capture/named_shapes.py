"""A person's named expression shapes: ``shapes.npz`` beside a capture's ``regions.json``, an addition of ours.

The synthetic subject's capture has one. For a real head it can be made with any blend-shape transfer onto the
capture's topology.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from steadyface.errors import InputError
from steadyface.geometry.alignment import align_rigid
from steadyface.geometry.cameras import transform

_FIELDS = "names (E,) text, deltas (E, N, 3) and neutral (N, 3) in mm"
_REMEDY = "write it again, or name another with --shapes"


class NamedShapes(NamedTuple):
    """E shapes over a neutral face: ``neutral + sum(weight * delta)`` with weights in [0, 1].

    Shapes: deltas (E, N, 3) and neutral (N, 3), mm, in one head frame: OpenCV axes.
    """

    names: tuple[str, ...]
    deltas: Tensor
    neutral: Tensor

    def aligned(self, mean: Tensor, rigid_vertices: Tensor) -> NamedShapes:
        """The same shapes in a model's canonical head frame.

        Args:
            mean: (N, 3) mm, the model's mean mesh, which defines that frame.
            rigid_vertices: (K,) long, the vertices that no expression moves.
        """
        rotation, translation = align_rigid(self.neutral[None].double(), mean.double(), rigid_vertices)
        neutral = transform(self.neutral[None].double(), rotation, translation)[0]
        deltas = self.deltas.double() @ rotation[0].transpose(-1, -2)
        return NamedShapes(self.names, deltas.float(), neutral.float())


def write_named_shapes(path: Path, shapes: NamedShapes) -> None:
    """Write ``shapes.npz``: names as text, deltas and neutral as float32, mm."""
    path.parent.mkdir(parents=True, exist_ok=True)
    deltas, neutral = (values.float().numpy() for values in (shapes.deltas, shapes.neutral))
    names = np.array(shapes.names, dtype=np.str_)
    np.savez_compressed(path, names=names, deltas=deltas, neutral=neutral)  # packed, for most of a shape is 0


def read_named_shapes(path: Path, vertex_count: int) -> NamedShapes:
    """Read what ``write_named_shapes`` wrote.

    Raises:
        InputError: no such file, an unreadable one, a field that is missing or of another shape, another
            number of vertices than the model's, a name twice, or a number that is not finite.
    """
    if not path.is_file():
        raise InputError(path, f"a file of named shapes with {_FIELDS}", "no such file", _REMEDY)
    try:
        with np.load(path, allow_pickle=False) as stored:
            names = tuple(str(name) for name in stored["names"])
            deltas, neutral = (stored[name].astype(np.float32) for name in ("deltas", "neutral"))
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, OSError, EOFError) as error:
        raise InputError(path, _FIELDS, f"an unreadable file ({error})", _REMEDY) from None
    expected = ((len(names), vertex_count, 3), (vertex_count, 3))
    if (deltas.shape, neutral.shape) != expected or not names:
        got = f"{len(names)} names, deltas {deltas.shape}, neutral {neutral.shape}"
        raise InputError(path, f"{_FIELDS}, for a model of N = {vertex_count} vertices", got, _REMEDY)
    if len(set(names)) < len(names):
        raise InputError(path, "each name once", "a name twice", _REMEDY)
    if not (np.isfinite(deltas).all() and np.isfinite(neutral).all()):
        raise InputError(path, "finite numbers", "NaN or infinity", _REMEDY)
    return NamedShapes(names, torch.from_numpy(deltas), torch.from_numpy(neutral))
