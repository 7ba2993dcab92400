"""The crops of a clip as one tensor: in memory while they are few, in a file that has no name when they are many."""

from __future__ import annotations

import tempfile
from typing import IO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

KEPT_BYTES = 512 * 2**20
"""A clip whose crops take more is kept in a file: 6 minutes at 30 frames a second and 128 pixels."""


class CropStack:
    """Collects crops (S, S, 3) uint8 and gives them as one tensor.

    The file lies in the system's temporary folder (TMPDIR), has no name, and is gone with the process,
    however it ends; the tensor reads what is asked for.

    Args:
        size: S.
        kept_bytes: what may stay in memory.
    """

    def __init__(self, size: int, kept_bytes: int = KEPT_BYTES) -> None:
        self._size, self._kept_bytes = size, kept_bytes
        self._kept: list[NDArray[np.uint8]] = []
        self._file: IO[bytes] | None = None
        self._count = 0

    def append(self, crop: NDArray[np.uint8]) -> None:
        """The next frame's crop."""
        self._count += 1
        self._kept.append(crop)
        if self._file is not None or len(self._kept) * crop.size > self._kept_bytes:
            self._spill()

    def _spill(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="steadyface-crops-")  # noqa: SIM115  # as long as the tensor
        for crop in self._kept:
            self._file.write(np.ascontiguousarray(crop).data)
        self._kept.clear()

    def tensor(self) -> Tensor:
        """All crops, (F, S, S, 3) uint8."""
        shape = (self._count, self._size, self._size, 3)
        if self._file is None:
            return torch.from_numpy(np.stack(self._kept)) if self._kept else torch.empty(shape, dtype=torch.uint8)
        self._file.flush()
        # copy-on-write: torch wants memory that it could write to, and nothing ever reaches the file
        return torch.from_numpy(np.memmap(self._file, np.uint8, "c", 0, shape))
