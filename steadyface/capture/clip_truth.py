"""What a synthetic clip really shows. Only evaluation opens it: training and tracking never do."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from steadyface.errors import InputError

_REMEDY = "write the clip again with `steadyface studio OUT`"


@dataclass(frozen=True)
class ClipTruth:
    """The truth of T frames. Units: mm, seconds; OpenCV camera axes; pixels of the full frame.

    Shapes: vertices (T, N, 3) in the canonical head frame; rotation (T, 3, 3) and translation
    (T, 3) head -> camera; intrinsics (T, 3, 3); all float32. time_s (T,) float64.
    """

    vertices: Tensor
    rotation: Tensor
    translation: Tensor
    intrinsics: Tensor
    time_s: Tensor

    def save(self, path: Path) -> None:
        """Writes an npz; the name appears only once the file is whole."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        try:
            with part.open("wb") as file:
                np.savez(file, **{name: value.numpy() for name, value in vars(self).items()})
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path) -> ClipTruth:
        """Reads an npz. Raises InputError where it is missing, damaged, or its shapes disagree."""
        try:
            with np.load(path) as content:
                arrays = {name: torch.from_numpy(content[name]) for name in cls.__dataclass_fields__}
        except (OSError, ValueError, KeyError, BadZipFile, EOFError) as error:
            got = "no such file" if not path.exists() else f"unusable content ({error})"
            raise InputError(path, "the truth of a clip", got, _REMEDY) from None
        count = len(arrays["time_s"])
        if any(len(array) != count for array in arrays.values()):
            lengths = {name: len(array) for name, array in arrays.items()}
            raise InputError(path, "the same number of frames in each array", str(lengths), _REMEDY)
        return cls(**arrays)


def truth_path(clip: Path) -> Path:
    """Where the truth of a clip lies: ``NAME.mp4`` -> ``NAME.truth.npz`` beside it.

    >>> truth_path(Path("clips/adapt.mp4")).as_posix()
    'clips/adapt.truth.npz'
    """
    return clip.with_suffix(".truth.npz")
