"""What the tracker found in one clip, frame by frame, and its file (docs/track-files.md)."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
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
    "found": (),
    "shot": (),
    "confidence": (),
    "region_confidence": (None,),
}
_DTYPES: dict[str, type[np.generic]] = {"time_s": np.float64, "found": np.bool_, "shot": np.int64}  # others float32
_ADDED = ("found", "shot", "confidence", "region_confidence", "region_names")  # a file of an older version has none
STATE_FIELDS = ("latent", "rotation", "translation", "vertices")
"""Fields that are nan in a frame without the face."""


def _none() -> Tensor:
    return torch.empty(0)


@dataclass
class Track:
    """The tracked face of T frames of a clip.

    ``x_camera = rotation @ x_head + translation`` and ``pixel = intrinsics @ x_camera``, with pixel
    centres at integer coordinates of the full frame. In a frame where the face was not found its
    state is nan: absent, not invented.

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
    found: Tensor = field(default_factory=_none)  # (T,) bool; left out: all True
    shot: Tensor = field(default_factory=_none)  # (T,) long, one more after each cut; left out: one shot
    confidence: Tensor = field(default_factory=_none)  # (T,) in [0, 1], that the frame is right; nan: not estimated
    region_confidence: Tensor = field(default_factory=_none)  # (T, R), the same of each region
    region_names: tuple[str, ...] = ()  # the R regions

    def __post_init__(self) -> None:
        frames = self.time_s.shape[0] if self.time_s.ndim else 0
        self._fill_in(frames)
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
        if self.region_confidence.shape[1] != len(self.region_names):
            got = f"{len(self.region_names)} names"
            raise InputError("track field 'region_confidence'", "a column a region name", got, "track the clip again")

    def _fill_in(self, frames: int) -> None:
        """What a track from before loss and cuts were detected leaves out."""
        if frames == 0:
            self.region_confidence = self.region_confidence.view(0, len(self.region_names))
        if self.found.numel() == 0:
            self.found = torch.ones(frames, dtype=torch.bool)
        if self.shot.numel() == 0:
            self.shot = torch.zeros(frames, dtype=torch.long)
        if self.confidence.numel() == 0:
            self.confidence = torch.full((frames,), torch.nan)
        if self.region_confidence.numel() == 0:
            self.region_confidence = torch.full((frames, len(self.region_names)), torch.nan)

    def __len__(self) -> int:
        """The number of frames T."""
        return int(self.time_s.shape[0])

    def __getitem__(self, frames: slice | Tensor) -> Track:
        """Some of the frames, in the order given: a slice, or an index or mask tensor."""
        cut = {name: getattr(self, name)[frames] for name in _SHAPES}
        return Track(**cut, region_names=self.region_names)

    def camera_vertices(self) -> Tensor:
        """The vertices in the camera frame, (T, N, 3) mm; nan where the face was not found."""
        return self.vertices @ self.rotation.transpose(-1, -2) + self.translation[:, None]

    def runs(self, shortest: int = 1) -> Iterator[slice]:
        """Stretches of neighbouring frames of one shot with a face in each: motion exists only inside them.

        Args:
            shortest: frames; shorter stretches are left out.
        """
        yield from runs_of(self.found, self.shot, shortest)

    def save(self, path: str | Path) -> None:
        """Write an npz file; the name appears only once the file is whole.

        Args:
            path: the target, ``*.npz``; its folder is made where it is missing.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = {name: _as_stored(name, getattr(self, name)) for name in _SHAPES}
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as stream:
                # noise in the last digits: packing gains a tenth and takes a second
                names = np.array(self.region_names, dtype=np.str_)
                np.savez(stream, region_names=names, **arrays)  # type: ignore[arg-type]
            os.chmod(temporary, 0o644)  # mkstemp's files are private; a result is to be shared
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    @classmethod
    def load(cls, path: str | Path) -> Track:
        """Read what ``save`` or a ``TrackWriter`` wrote, whole into memory (``track_file.open_track`` does not).

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
        return cls.from_arrays(arrays, path)

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]], path: Path) -> Track:
        """A track of a file's arrays. Raises InputError, which names ``path``, where one is missing."""
        missing = sorted(set(_SHAPES) - set(arrays) - set(_ADDED))
        if missing:
            remedy = "run `steadyface track` again"
            raise InputError(path, f"the fields {', '.join(_SHAPES)}", f"none of {missing}", remedy)
        names = tuple(str(name) for name in arrays.get("region_names", ()))
        return cls(**{name: torch.from_numpy(arrays[name]) for name in _SHAPES if name in arrays}, region_names=names)


def without_faces(track: Track, absent: Tensor) -> Track:
    """A track whose states in the frames where absent (T,) is True are nan."""
    if not bool(absent.any()):
        return track
    states = {name: getattr(track, name).clone() for name in (*STATE_FIELDS, "texture_residual")}
    for values in states.values():
        values[absent] = torch.nan
    return replace(track, found=track.found & ~absent, **states)


def runs_of(found: Tensor, shot: Tensor, shortest: int = 1) -> Iterator[slice]:
    """Stretches of neighbouring frames, all found and of one shot.

    Args:
        found: (T,) bool.
        shot: (T,) long.
        shortest: frames; shorter stretches are left out.

    >>> list(runs_of(torch.tensor([True, True, False, True, True]), torch.tensor([0, 0, 0, 0, 1])))
    [slice(0, 2, None), slice(3, 4, None), slice(4, 5, None)]
    """
    start = None
    inside, number = found.tolist(), shot.tolist()
    for frame in range(len(inside) + 1):
        ends = frame == len(inside) or not inside[frame] or (frame > 0 and number[frame] != number[frame - 1])
        if start is not None and ends:
            if frame - start >= shortest:
                yield slice(start, frame)
            start = None
        if start is None and frame < len(inside) and inside[frame]:
            start = frame


def _as_stored(name: str, values: Tensor) -> NDArray[Any]:
    return np.ascontiguousarray(values.detach().cpu().numpy(), dtype=_DTYPES.get(name, np.float32))


def stored_type(name: str) -> type[np.generic]:
    """The numpy type in which a field is stored."""
    return _DTYPES.get(name, np.float32)


def field_names() -> tuple[str, ...]:
    """The fields with a value a frame, in the order of the file."""
    return tuple(f.name for f in fields(Track) if f.name in _SHAPES)
