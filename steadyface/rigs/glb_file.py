"""The container of a .glb and its accessors, read with bounds checked before anything is decoded.

glTF 2.0 (Khronos, ISO/IEC 12113), sections 3.6 and 4.4. What a rig does not need is not read: pictures, materials but
for their names, animations, cameras.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steadyface.errors import InputError
from steadyface.rigs.obj_parts import require_size

Floats = NDArray[np.float64]
Json = dict[str, Any]

LARGEST_JSON_BYTES = 64 * 1024**2
LARGEST_COUNT = 4_000_000
"""Elements of one accessor."""
_KINDS: dict[int, tuple[str, float]] = {
    5120: ("<i1", 127.0), 5121: ("<u1", 255.0), 5122: ("<i2", 32767.0), 5123: ("<u2", 65535.0), 5125: ("<u4", 1.0),
    5126: ("<f4", 1.0),
}  # fmt: skip
_COLUMNS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
_REMEDY = "export it again as a binary glTF 2.0 file, .glb, without compression"
_WELL_KNOWN = {"KHR_draco_mesh_compression", "EXT_meshopt_compression", "KHR_meshopt_compression"}


class GlbFile:
    """A .glb in memory.

    Attributes:
        path: for messages; json: the file's description.
    """

    def __init__(self, path: Path, description: Json, binary: memoryview) -> None:
        self.path, self.json, self._binary = path, description, binary

    @classmethod
    def read(cls, path: Path) -> GlbFile:
        """Read a file.

        Raises:
            InputError: no such file, too large a one, not a .glb, cut short, or compressed.
        """
        require_size(path)
        content = path.read_bytes()
        description, binary = _chunks(path, content)
        needed = set(description.get("extensionsRequired", ())) & _WELL_KNOWN
        if needed:
            raise InputError(path, "a mesh without compression", ", ".join(sorted(needed)), _REMEDY)
        return cls(path, description, binary)

    def items(self, name: str) -> list[Json]:
        """A list of the description, empty where there is none.

        Raises:
            InputError: not a list of objects.
        """
        values = self.json.get(name, [])
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            raise self.fault(f"a list of {name}", "something else")
        return values

    def count(self, accessor: int) -> int:
        """The number of an accessor's elements, without decoding them.

        Raises:
            InputError: no such accessor, or more than LARGEST_COUNT.
        """
        count = self._item("accessors", accessor).get("count")
        if type(count) is not int or not 0 < count <= LARGEST_COUNT:
            raise self.fault(f"an accessor of 1 to {LARGEST_COUNT} elements", repr(count))
        return count

    def array(self, accessor: int) -> Floats:
        """An accessor's values, (count, columns) float64, normalised integers as the numbers they stand for.

        Raises:
            InputError: it reaches beyond the file, or is of an unknown kind.
        """
        stored = self._item("accessors", accessor)
        count = self.count(accessor)
        if stored.get("componentType") not in _KINDS or stored.get("type") not in _COLUMNS:
            raise self.fault("an accessor of numbers", f"{stored.get('componentType')}, {stored.get('type')}")
        columns = _COLUMNS[stored["type"]]
        values = np.zeros((count, columns))
        if "bufferView" in stored:
            values = self._view(stored, stored["componentType"], count, columns)
        if "sparse" in stored:
            self._lay_sparse(stored, values)
        if stored.get("normalized"):
            values = np.maximum(values / _KINDS[stored["componentType"]][1], -1.0)
        return values

    def _lay_sparse(self, stored: Json, values: Floats) -> None:
        """The elements that differ from the rest, in place."""
        sparse = stored["sparse"]
        try:
            count, where, what = sparse["count"], sparse["indices"], sparse["values"]
        except (KeyError, TypeError):
            raise self.fault("a sparse accessor with count, indices and values", repr(sparse)) from None
        if type(count) is not int or not 0 <= count <= len(values) or where.get("componentType") not in _KINDS:
            raise self.fault(f"at most {len(values)} sparse elements", repr(count))
        if count == 0:
            return
        index = self._view(where, where["componentType"], count, 1)[:, 0].astype(np.int64)
        if index.min() < 0 or index.max() >= len(values):
            raise self.fault(f"sparse indices 0..{len(values) - 1}", f"{index.min()}..{index.max()}")
        values[index] = self._view(what, stored["componentType"], count, values.shape[1])

    def _view(self, stored: Json, kind: int, count: int, columns: int) -> Floats:
        """Elements of a buffer view, at their stride."""
        view = self._item("bufferViews", stored.get("bufferView", -1))
        number = np.dtype(_KINDS[kind][0])
        size = number.itemsize * columns
        try:
            begin, length = int(view.get("byteOffset", 0)), int(view["byteLength"])
            offset, stride = int(stored.get("byteOffset", 0)), int(view.get("byteStride", size))
        except (KeyError, TypeError, ValueError):
            raise self.fault("a buffer view with its length", repr(view)[:60]) from None
        last = offset + stride * (count - 1) + size
        whole = view.get("buffer", 0) == 0 and begin >= 0 and begin + length <= len(self._binary)
        if not whole or offset < 0 or stride < size or last > length:
            raise self.fault(f"buffer views inside the file's {len(self._binary)} bytes", "one that reaches beyond")
        found = np.ndarray((count, columns), number, self._binary, begin + offset, (stride, number.itemsize))
        return found.astype(np.float64)

    def _item(self, name: str, index: Any) -> Json:
        items = self.items(name)
        if type(index) is not int or not 0 <= index < len(items):
            raise self.fault(f"one of {len(items)} {name}", repr(index))
        return items[index]

    def fault(self, expected: str, got: str) -> InputError:
        """What is wrong with this file."""
        return InputError(self.path, expected, got, _REMEDY)


def _chunks(path: Path, content: bytes) -> tuple[Json, memoryview]:
    """The description and the binary part of a .glb."""
    if len(content) < 20 or content[:4] != b"glTF":
        raise InputError(path, "a binary glTF file", "something else", _REMEDY)
    version, length, size, kind = struct.unpack_from("<II I4s", content, 4)
    if version != 2 or length > len(content) or kind != b"JSON" or size > min(len(content) - 20, LARGEST_JSON_BYTES):
        raise InputError(path, "a whole glTF 2 file", f"version {version}, {len(content)} of {length} bytes", _REMEDY)
    try:
        description = json.loads(content[20 : 20 + size])
    except (ValueError, RecursionError) as error:
        raise InputError(path, "a glTF description in JSON", f"{error}", _REMEDY) from None
    if not isinstance(description, dict):
        raise InputError(path, "a glTF description", "something else", _REMEDY)
    start = 20 + size
    if len(content) < start + 8:
        return description, memoryview(b"")
    binary, kind = struct.unpack_from("<I4s", content, start)
    if kind != b"BIN\0" or start + 8 + binary > len(content):
        raise InputError(path, "a whole binary part", "one that is cut short", _REMEDY)
    return description, memoryview(content)[start + 8 : start + 8 + binary]
