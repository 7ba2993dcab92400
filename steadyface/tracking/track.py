"""What the tracker found in one clip, frame by frame, and its file."""

from __future__ import annotations

import os
import tempfile
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from steadyface.errors import InputError

# Trailing dimensions of every field after the T frames; None stands for any size.
_SHAPES: dict[str, tuple[int | None, ...]] = {
    "time_s": (),
    "latent": (None,),
    "rotation": (3, 3),
    "translation": (3,),
    "vertices": (None, 3),
    "intrinsics": (3, 3),
    "texture_residual": (),
}


@dataclass
class Track:
    """The tracked face of T frames of a clip.

    ``x_camera = rotation @ x_head + translation`` and ``pixel = intrinsics @ x_camera``, with pixel
    centres at integer coordinates of the full frame.

    Raises:
        InputError: a field's shape does not fit, or the fields disagree about T.
    """

    time_s: Tensor  # (T,) float64, presentation time stamps
    latent: Tensor  # (T, Z)
    rotation: Tensor  # (T, 3, 3) head -> camera
    translation: Tensor  # (T, 3) mm
    vertices: Tensor  # (T, N, 3) mm, canonical head frame
    intrinsics: Tensor  # (T, 3, 3) of the full frame, in its pixels
    texture_residual: Tensor  # (T,) masked L1 of contrast-normalised textures; nan where not measured

    def __post_init__(self) -> None:
        frames = self.time_s.shape[0] if self.time_s.ndim else 0
        for name, trailing in _SHAPES.items():
            shape = tuple(getattr(self, name).shape)
            expected = (frames, *trailing)
            fits = len(shape) == len(expected) and all(
                e is None or e == s for e, s in zip(expected, shape, strict=True)
            )
            if not fits:
                raise InputError(
                    f"track field {name!r}", f"shape {expected}", f"{shape}", "track the clip again"
                )

    def __len__(self) -> int:
        """The number of frames T."""
        return int(self.time_s.shape[0])

    def camera_vertices(self) -> Tensor:
        """The vertices in the camera frame, (T, N, 3) mm."""
        return self.vertices @ self.rotation.transpose(-1, -2) + self.translation[:, None]

    def save(self, path: str | Path) -> None:
        """Write an npz file; the name appears only once the file is whole.

        Args:
            path: the target, ``*.npz``; its folder is made where it is missing.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = {
            f.name: getattr(self, f.name)
            .detach()
            .cpu()
            .numpy()
            .astype(np.float64 if f.name == "time_s" else np.float32)
            for f in fields(self)
        }
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as stream:
                np.savez(stream, **arrays)  # noise in the last digits: packing gains a tenth and takes a second
            os.chmod(temporary, 0o644)  # mkstemp's files are private; a result is to be shared
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    @classmethod
    def load(cls, path: str | Path) -> Track:
        """Read what ``save`` wrote.

        Raises:
            InputError: the file is missing, truncated, or lacks a field.
        """
        path = Path(path)
        remedy = "run `steadyface track` again"
        if not path.is_file():
            raise InputError(path, "a track (.npz)", "no such file", remedy)
        try:
            with np.load(path, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
        except (zipfile.BadZipFile, ValueError, OSError, EOFError) as error:
            raise InputError(path, "a track (.npz)", f"an unreadable file ({error})", remedy) from error
        missing = sorted(set(_SHAPES) - set(arrays))
        if missing:
            raise InputError(path, f"the fields {', '.join(_SHAPES)}", f"none of {missing}", remedy)
        return cls(**{name: torch.from_numpy(arrays[name]) for name in _SHAPES})
