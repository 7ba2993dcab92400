"""Tracks longer than memory: written as they are found, read a stretch at a time.

The file is the npz that ``Track.save`` writes. A head of 7,454 vertices takes 90 KB a frame, an hour at
30 frames a second 10 GB: nothing here ever holds more than a block of frames.
"""

from __future__ import annotations

import os
import shutil
import weakref
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steadyface.errors import InputError
from steadyface.tracking.track import STATE_FIELDS, Track, field_names, stored_type

BLOCK_FRAMES = 64
_REMEDY = "run `steadyface track` again"
_LOCAL_HEADER = 30  # bytes before the name, in a zip's local header; lengths of name and extra field at 26 and 28


class TrackWriter:
    """Writes a track a batch at a time; ``PATH`` appears once it is whole.

    Leaving the ``with`` block finishes the file, whether the clip ended or an error came: what was
    tracked so far is kept. Without a single frame there is no file.

    Args:
        path: the target, ``*.npz``; its folder is made where it is missing.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._parts = path, path.with_name(f".{path.name}.parts")
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._files: dict[str, IO[bytes]] = {}
        self._names: tuple[str, ...] = ()
        self._amended: dict[str, Tensor] = {}
        self.frames = 0

    def __enter__(self) -> TrackWriter:
        shutil.rmtree(self._parts, ignore_errors=True)
        self._parts.mkdir(parents=True)
        return self

    def append(self, part: Track) -> None:
        """The next frames. Raises ValueError where their fields have other shapes than those before."""
        shapes = {name: tuple(getattr(part, name).shape[1:]) for name in field_names()}
        if self.frames == 0:
            self._shapes, self._names = shapes, part.region_names
            self._files = {name: (self._parts / name).open("wb") for name in shapes}
        if shapes != self._shapes or part.region_names != self._names:
            raise ValueError(f"frames of shapes {shapes} after {self._shapes}")
        for name, file in self._files.items():
            values = getattr(part, name).detach().cpu().numpy().astype(stored_type(name))
            file.write(np.ascontiguousarray(values).data)
        self.frames += len(part)

    def amend(self, **values: Tensor) -> None:
        """What is known of every frame only at the end, in place of what was appended.

        Args:
            values: field -> a value a frame appended so far; ``found`` also makes the states of the frames
                where it is False absent, nan.

        Raises:
            ValueError: another number of frames.
        """
        for name, value in values.items():
            if value.shape != (self.frames, *self._shapes[name]):
                raise ValueError(f"{name} of shape {tuple(value.shape)} for {self.frames} frames")
        self._amended.update(values)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files.values():
            file.close()
        try:
            if self.frames:
                self._assemble()
        finally:
            shutil.rmtree(self._parts, ignore_errors=True)

    def _assemble(self) -> None:
        part = self._path.with_name(f".{self._path.name}.part")
        try:
            with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
                for name in field_names():
                    with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                        self._copy(name, stream)
                with archive.open("region_names.npy", "w") as stream:
                    np.lib.format.write_array(stream, np.array(self._names, dtype=np.str_))
            os.replace(part, self._path)
        finally:
            part.unlink(missing_ok=True)

    def _copy(self, name: str, stream: IO[bytes]) -> None:
        """One array, a block of frames at a time."""
        shape, kind = self._shapes[name], np.dtype(stored_type(name))
        header = {"descr": kind.str, "fortran_order": False, "shape": (self.frames, *shape)}
        np.lib.format.write_array_header_2_0(stream, header)
        if name in self._amended:
            stream.write(np.ascontiguousarray(self._amended[name].cpu().numpy().astype(kind)).data)
            return
        found = self._amended.get("found")
        size = int(np.prod(shape, dtype=np.int64))
        with (self._parts / name).open("rb") as file:
            for first in range(0, self.frames, BLOCK_FRAMES):
                count = min(BLOCK_FRAMES, self.frames - first)
                block = np.fromfile(file, kind, count * size).reshape(count, *shape)
                if found is not None and name in STATE_FIELDS:
                    block[~found[first : first + count].cpu().numpy()] = np.nan
                stream.write(block.data if block.size else b"")


class StoredArray(NamedTuple):
    """Where an array lies in a track's file: bytes before it, its type and shape, T values of the same size."""

    offset: int
    kind: np.dtype[Any]
    shape: tuple[int, ...]

    def read(self, file: IO[bytes], start: int, stop: int) -> NDArray[Any]:
        """Values start to stop - 1. Read, and not mapped: mapped pages would stay with the process."""
        size = int(np.prod(self.shape[1:], dtype=np.int64))
        file.seek(self.offset + start * size * self.kind.itemsize)
        return np.fromfile(file, self.kind, (stop - start) * size).reshape(stop - start, *self.shape[1:])


class StoredTrack:
    """A track's file, of which only the frames asked for are read; ``len``, and slices as of a ``Track``.

    Attributes:
        time_s, found, shot, confidence, texture_residual: (T,), in memory, as in ``Track``.

    Raises:
        InputError: the file is missing, truncated, packed, or lacks a field.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise InputError(path, "a track (.npz)", "no such file", _REMEDY)
        self._file = path.open("rb")  # the file that was there at first, whatever takes its name later
        weakref.finalize(self, self._file.close)
        try:
            self._arrays = _find_arrays(self._file)
            names = self._arrays.pop("region_names", None)
            self.region_names = tuple(map(str, names.read(self._file, 0, names.shape[0]))) if names else ()
            self._frames = self._arrays["time_s"].shape[0] if "time_s" in self._arrays else 0
            self[:0]  # are they all there?
            one_each = [self._whole(name) for name in ("time_s", "found", "shot", "confidence", "texture_residual")]
        except (zipfile.BadZipFile, ValueError, OSError, EOFError, KeyError) as error:
            raise InputError(path, "a track (.npz)", f"an unreadable file ({error})", _REMEDY) from None
        self.time_s, self.found, self.shot, self.confidence, self.texture_residual = one_each

    def __len__(self) -> int:
        return self._frames

    def __getitem__(self, frames: slice) -> Track:
        """Some consecutive frames, read now."""
        start, stop, step = frames.indices(self._frames)
        cut = {name: array.read(self._file, start, max(start, stop))[::step] for name, array in self._arrays.items()}
        return Track.from_arrays({**cut, "region_names": np.array(self.region_names)}, self.path)

    def blocks(self, frames: int = BLOCK_FRAMES) -> Iterator[Track]:
        """The whole track in order, a block of frames at a time."""
        for first in range(0, len(self), frames):
            yield self[first : first + frames]

    def _whole(self, name: str) -> Tensor:
        if name in self._arrays:
            return torch.from_numpy(self._arrays[name].read(self._file, 0, self._frames))
        value = getattr(self[:1], name)  # an older file: one value for every frame
        return value[:1].expand(self._frames).clone()


def track_blocks(track: Track | StoredTrack, frames: int = BLOCK_FRAMES) -> Iterator[Track]:
    """A track in order, a block of frames at a time, wherever it lies."""
    for first in range(0, len(track), frames):
        yield track[first : first + frames]


def _find_arrays(file: IO[bytes]) -> dict[str, StoredArray]:
    """The arrays of an unpacked npz. Raises ValueError for others, and KeyError, OSError, BadZipFile for no npz."""
    arrays = {}
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy")
            if member.compress_type != zipfile.ZIP_STORED:
                raise ValueError("a packed npz: write it with Track.save")
            file.seek(member.header_offset + 26)
            lengths = int.from_bytes(file.read(2), "little") + int.from_bytes(file.read(2), "little")
            file.seek(member.header_offset + _LOCAL_HEADER + lengths)
            shape, fortran, kind = _read_header(file)
            if (fortran and len(shape) > 1) or kind.hasobject:
                raise ValueError(f"{name}: not a plain array in C order")
            arrays[name] = StoredArray(file.tell(), kind, shape)
    return arrays


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)
