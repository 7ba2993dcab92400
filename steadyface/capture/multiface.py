"""The files of the Multiface layout, one reader and one writer each (the cameras are in ``krt``).

Texture files are stored upside down against the v axis (row 0 is v = 1). ``read_texture`` and
``write_texture`` flip, so that in memory rows grow with v; nobody else may flip.
Layout: github.com/facebookresearch/multiface; any image, texture and vertex size is accepted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from steadyface.capture.krt import is_rotation
from steadyface.errors import InputError

_AGAIN = "copy that file again, or delete it: a missing file is passed over"
AVERAGE = "average"
"""The name that stands for a camera in the folder of the textures averaged over cameras."""

_FAST_PNG = 1  # zlib level: a third of the default's time for a tenth more bytes


class FrameId(NamedTuple):
    """An instant of a capture: its segment and its six-digit frame number, as in the file names."""

    segment: str
    frame: str


@dataclass(frozen=True)
class CaptureLayout:
    """Where each file of a capture lies below ``root``."""

    root: Path

    @property
    def krt(self) -> Path:
        return self.root / "KRT"

    @property
    def frame_list(self) -> Path:
        return self.root / "frame_list.txt"

    @property
    def texture_mean(self) -> Path:
        return self.root / "tex_mean.png"

    @property
    def texture_variance(self) -> Path:
        return self.root / "tex_var.txt"

    @property
    def vertex_mean(self) -> Path:
        return self.root / "vert_mean.bin"

    @property
    def vertex_variance(self) -> Path:
        return self.root / "vert_var.txt"

    @property
    def regions(self) -> Path:
        """Named vertex regions: an addition of ours to the layout, optional."""
        return self.root / "regions.json"

    @property
    def shapes(self) -> Path:
        """Named expression shapes: likewise (`named_shapes`)."""
        return self.root / "shapes.npz"

    @property
    def meshes(self) -> Path:
        return self.root / "tracked_mesh"

    @property
    def textures(self) -> Path:
        return self.root / "unwrapped_uv_1024"

    def image(self, instant: FrameId, camera: str) -> Path:
        return self.root / "images" / instant.segment / camera / f"{instant.frame}.png"

    def texture(self, instant: FrameId, camera: str) -> Path:
        return self.textures / instant.segment / camera / f"{instant.frame}.png"

    def average(self, instant: FrameId) -> Path:
        return self.texture(instant, AVERAGE)

    def mesh_bin(self, instant: FrameId) -> Path:
        return self.meshes / instant.segment / f"{instant.frame}.bin"

    def mesh_obj(self, instant: FrameId) -> Path:
        return self.meshes / instant.segment / f"{instant.frame}.obj"

    def transform(self, instant: FrameId) -> Path:
        return self.meshes / instant.segment / f"{instant.frame}_transform.txt"


class CaptureStatistics(NamedTuple):
    """Means and variances over a capture.

    texture_mean (U, U, 3) uint8, rows growing with v; texture_variance of 0..255 values;
    vertex_mean (N, 3) mm; vertex_variance mm^2.
    """

    texture_mean: NDArray[np.uint8]
    texture_variance: float
    vertex_mean: NDArray[np.float32]
    vertex_variance: float


def write_image_png(path: Path, image: NDArray[np.uint8]) -> None:
    """Writes an (H, W, 3) uint8 RGB image, lossless and with little compression."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.ascontiguousarray(image)).save(path, compress_level=_FAST_PNG)


def read_image_png(path: Path) -> NDArray[np.uint8]:
    """An (H, W, 3) uint8 RGB image. Raises InputError where it is missing, cut short or no image."""
    try:
        with Image.open(path) as image:
            return np.array(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:  # PIL raises all three on damaged files
        got = "no such file" if not path.exists() else f"a file that cannot be decoded ({error})"
        raise InputError(path, "a PNG image", got, _AGAIN) from None


def write_texture(path: Path, texture: NDArray[np.uint8]) -> None:
    """Writes a (U, U, 3) uint8 texture whose rows grow with v; the file is upside down to that."""
    write_image_png(path, texture[::-1])


def read_texture(path: Path, size: int | None = None) -> NDArray[np.uint8]:
    """A (U, U, 3) uint8 texture with rows growing with v; InputError unless square (and ``size``)."""
    texture = read_image_png(path)
    height, width = texture.shape[:2]
    if height != width or (size is not None and width != size):
        side = "the same width and height" if size is None else f"{size} x {size} texels, as tex_mean.png has"
        raise InputError(path, f"a texture of {side}", f"{width} x {height}", _AGAIN)
    return np.ascontiguousarray(texture[::-1])


def write_mesh_bin(path: Path, vertices: NDArray[np.floating]) -> None:
    """Writes (N, 3) vertices, mm, as little-endian float32."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(np.ascontiguousarray(vertices, dtype="<f4").tobytes())


def read_mesh_bin(path: Path, vertex_count: int | None = None) -> NDArray[np.float32]:
    """(N, 3) float32 vertices, mm. Raises InputError on another vertex count, a cut file or NaN."""
    content = _bytes(path)
    if len(content) == 0 or len(content) % 12:
        raise InputError(
            path, "float32 x, y, z of each vertex (a multiple of 12 bytes)", f"{len(content)} bytes", _AGAIN
        )
    vertices = np.frombuffer(content, dtype="<f4").astype(np.float32).reshape(-1, 3)
    if vertex_count is not None and len(vertices) != vertex_count:
        raise InputError(
            path,
            f"{vertex_count} vertices, as the capture's other meshes have",
            f"{len(vertices)}",
            "use meshes of one topology, or delete this one",
        )
    if not np.isfinite(vertices).all():
        raise InputError(path, "finite coordinates", "NaN or infinity", _AGAIN)
    return vertices


def write_transform(path: Path, rotation: NDArray[np.floating], translation: NDArray[np.floating]) -> None:
    """Writes a head pose, head -> world: rotation (3, 3), translation (3,) in mm, as 3 lines of 4."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = np.concatenate([rotation, np.asarray(translation)[:, None]], axis=1)
    path.write_text("".join(" ".join(f"{v:.9g}" for v in row) + "\n" for row in rows), encoding="ascii")


def read_transform(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rotation (3, 3) and translation (3,) in mm, head -> world. Raises InputError on NaN or no rotation."""
    words = _bytes(path).decode("ascii", errors="replace").split()
    try:
        values = np.asarray([float(word) for word in words], dtype=np.float64)
    except ValueError:
        values = np.empty(0)
    if values.size != 12:
        raise InputError(path, "3 lines of 4 numbers, [R t]", f"{len(words)} words", _AGAIN)
    if not np.isfinite(values).all():
        raise InputError(path, "finite numbers", "NaN or infinity", _AGAIN)
    matrix = values.reshape(3, 4)
    if not is_rotation(matrix[:, :3]):
        raise InputError(path, "a rotation in the first three columns", str(matrix[:, :3].tolist()), _AGAIN)
    return matrix[:, :3], matrix[:, 3]


def write_frame_list(path: Path, instants: Iterable[FrameId]) -> None:
    """Writes ``SEGMENT FRAME``, a line an instant."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{segment} {frame}\n" for segment, frame in instants), encoding="utf-8")


def read_frame_list(path: Path) -> list[FrameId]:
    """The instants in the file's order. Raises InputError (with the line's number) on any other line."""
    instants = []
    for number, line in enumerate(_bytes(path).decode("utf-8", errors="replace").splitlines(), start=1):
        words = line.split()
        if len(words) == 2 and words[1].isdigit():
            instants.append(FrameId(words[0], words[1].zfill(6)))
        elif words:
            raise InputError(f"{path}, line {number}", "SEGMENT FRAME", repr(line[:60]), "repair that line")
    return instants


def write_statistics(layout: CaptureLayout, statistics: CaptureStatistics) -> None:
    """Writes tex_mean.png, tex_var.txt, vert_mean.bin and vert_var.txt."""
    write_texture(layout.texture_mean, statistics.texture_mean)
    write_mesh_bin(layout.vertex_mean, statistics.vertex_mean)
    layout.texture_variance.write_text(f"{statistics.texture_variance:.9g}\n", encoding="ascii")
    layout.vertex_variance.write_text(f"{statistics.vertex_variance:.9g}\n", encoding="ascii")


def read_statistics(layout: CaptureLayout) -> CaptureStatistics:
    """The four files of means and variances. Raises InputError where one is missing or unusable."""
    return CaptureStatistics(
        read_texture(layout.texture_mean),
        _positive(layout.texture_variance),
        read_mesh_bin(layout.vertex_mean),
        _positive(layout.vertex_variance),
    )


def write_regions(path: Path, regions: Mapping[str, Sequence[int]]) -> None:
    """Writes named vertex regions, name -> vertex indices from 0."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({name: [int(i) for i in index] for name, index in regions.items()}))


def read_regions(path: Path, vertex_count: int) -> dict[str, NDArray[np.int64]]:
    """Named vertex regions. Raises InputError unless each is a list of indices below ``vertex_count``."""
    expected = f"{{name: [vertex indices below {vertex_count}]}}"
    try:
        content = json.loads(_bytes(path))
        regions = {str(name): np.asarray(index, dtype=np.int64) for name, index in content.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(path, expected, str(error), "repair or delete it: it is optional") from None
    for name, index in regions.items():
        if index.ndim != 1 or index.size == 0 or index.min() < 0 or index.max() >= vertex_count:
            raise InputError(path, expected, f"a bad list for {name!r}", "repair or delete it: it is optional")
    return regions


def _positive(path: Path) -> float:
    text = _bytes(path).decode("ascii", errors="replace").strip()
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not (np.isfinite(value) and value > 0):
        raise InputError(path, "one positive variance", repr(text[:40]), _AGAIN)
    return value


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(path, "a readable file", error.strerror or "an error", _AGAIN) from None
