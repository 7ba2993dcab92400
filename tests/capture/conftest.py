"""A capture written by hand: text, struct-packed floats and PIL, none of the package's writers."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from PIL import Image

KRT = """400002
100 0 31.5
0 110 23.5
0 0 1
0 0 0 0 0
1 0 0 5
0 1 0 -6
0 0 1 700

400004
120 0 30
0 120 20
0 0 1
0.1 -0.02 0.001 0.002 0.003
0 0 1 1
0 1 0 2
-1 0 0 3

"""
VERTICES = [(0.0, 0.0, 0.0), (10.0, 0.0, 1.0), (0.0, 10.0, 2.0), (10.0, 10.0, 3.0)]
OBJ = """# a comment
v 0 0 0
v 10 0 1
v 0 10 2
v 10 10 3
vt 0 0
vt 1 0
vt 0 1
vt 1 1
f 1/1 2/2 3/3
f 2/2 4/4 3/3
"""
SEGMENTS = {"E001_Neutral": ("000010", "000011"), "EXP_free_face": ("000020",)}


def marked_texture(size: int = 16) -> Image.Image:
    """A grey texture file whose top-left corner is red: in the file the top row is v = 1, so u = 0, v = 1."""
    image = Image.new("RGB", (size, size), (90, 90, 90))
    image.putpixel((0, 0), (255, 0, 0))
    return image


def write_png(path: Path, image: Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


@pytest.fixture
def capture_folder(tmp_path: Path) -> Path:
    """Two segments, three frames, two cameras; everything there."""
    root = tmp_path / "m--20180227--0000--0000000--GHS"
    root.mkdir()
    (root / "KRT").write_text(KRT)
    packed = b"".join(struct.pack("<3f", *vertex) for vertex in VERTICES)
    lines = []
    for segment, frames in SEGMENTS.items():
        for frame in frames:
            lines.append(f"{segment} {frame}\n")
            for camera in ("400002", "400004"):
                write_png(root / "images" / segment / camera / f"{frame}.png", Image.new("RGB", (64, 48), (1, 2, 3)))
                write_png(root / "unwrapped_uv_1024" / segment / camera / f"{frame}.png", marked_texture())
            write_png(root / "unwrapped_uv_1024" / segment / "average" / f"{frame}.png", marked_texture())
            mesh = root / "tracked_mesh" / segment
            mesh.mkdir(parents=True, exist_ok=True)
            (mesh / f"{frame}.bin").write_bytes(packed)
            (mesh / f"{frame}.obj").write_text(OBJ)
            (mesh / f"{frame}_transform.txt").write_text("1 0 0 1.5\n0 0 -1 2.5\n0 1 0 3.5\n")
    (root / "frame_list.txt").write_text("".join(lines))
    write_png(root / "tex_mean.png", marked_texture())
    (root / "tex_var.txt").write_text("400.0\n")
    (root / "vert_mean.bin").write_bytes(packed)
    (root / "vert_var.txt").write_text("9.0\n")
    return root
