"""The binary part of a glTF file: arrays in, buffer views and accessors out (glTF 2.0, section 3.6)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pygltflib  # type: ignore[import-untyped]
from numpy.typing import NDArray

_COMPONENTS = {"f4": pygltflib.FLOAT, "u2": pygltflib.UNSIGNED_SHORT, "u4": pygltflib.UNSIGNED_INT}
_TYPES = {(): "SCALAR", (2,): "VEC2", (3,): "VEC3", (4,): "VEC4"}


class GltfBuffer:
    """Collects what a file's one buffer holds; the views and accessors go into ``gltf``."""

    def __init__(self, gltf: pygltflib.GLTF2) -> None:
        self._gltf = gltf
        self._parts: list[bytes] = []
        self._length = 0

    def add_view(self, content: bytes, target: int | None = None) -> int:
        """Append bytes; returns the index of their buffer view.

        Args:
            target: ``pygltflib.ARRAY_BUFFER`` or ``ELEMENT_ARRAY_BUFFER`` for what a GPU draws.
        """
        self._gltf.bufferViews.append(
            pygltflib.BufferView(buffer=0, byteOffset=self._length, byteLength=len(content), target=target)
        )
        content += bytes(-len(content) % 4)  # every view starts at a multiple of 4
        self._parts.append(content)
        self._length += len(content)
        return len(self._gltf.bufferViews) - 1

    def add_array(self, values: NDArray[Any], target: int | None = None, bounds: bool = False) -> int:
        """Append an array (n,), (n, 2), (n, 3) or (n, 4) of float32, uint16 or uint32; returns its accessor's index.

        Args:
            bounds: also say the smallest and largest value of each column, as glTF asks for positions and times.
        """
        stored = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"), copy=False)
        columns = stored.reshape(len(stored), -1)
        self._gltf.accessors.append(
            pygltflib.Accessor(
                bufferView=self.add_view(stored.tobytes(), target), byteOffset=0, count=len(stored),
                componentType=_COMPONENTS[stored.dtype.str[1:]], type=_TYPES[stored.shape[1:]],
                min=columns.min(0).tolist() if bounds else None, max=columns.max(0).tolist() if bounds else None,
            )
        )  # fmt: skip
        return len(self._gltf.accessors) - 1

    def content(self) -> bytes:
        """The whole buffer."""
        return b"".join(self._parts)
