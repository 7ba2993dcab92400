from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from steadyface.capture.obj import ObjMesh, read_obj, write_obj
from steadyface.errors import InputError


def test_reads_a_file_written_by_hand_and_fans_polygons(tmp_path: Path) -> None:
    path = tmp_path / "quad.obj"
    path.write_text(
        "mtllib a.mtl\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 -2.5\nvt 0 0\nvt .5 1\nvn 0 0 1\nf 1/1/1 2/2/1 3/1/1 4/2/1\n"
    )
    mesh = read_obj(path)
    assert mesh.vertices[3].tolist() == [0, 1, -2.5]
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert mesh.uv_faces.tolist() == [[0, 1, 0], [0, 0, 1]]


def test_writes_indices_from_one(tmp_path: Path) -> None:
    mesh = ObjMesh(np.eye(3), np.array([[0.0, 0.25], [1, 0], [0, 1]]), np.array([[0, 1, 2]]), np.array([[2, 0, 1]]))
    write_obj(tmp_path / "sub" / "a.obj", mesh)
    lines = (tmp_path / "sub" / "a.obj").read_text().splitlines()
    assert lines[-1] == "f 1/3 2/1 3/2" and lines[3] == "vt 0.000000 0.250000"
    again = read_obj(tmp_path / "sub" / "a.obj")
    assert all(np.array_equal(a, b) for a, b in zip(again, mesh, strict=True))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v 0 0\n", "line 1"),
        ("v 0 0 0\nvt 0 0\nf 1/1 1/1\n", "line 3"),
        ("v 0 0 0\nvt 0 0\nf 1 1 1\n", "line 3"),
        ("v 0 0 0\nvt 0 0\nf 1/1 1/1 2/1\n", "face indices into 1..1"),
        ("v 0 0 nan\nvt 0 0\nf 1/1 1/1 1/1\n", "finite"),
        ("", "vertices and faces"),
    ],
)
def test_faults_are_named(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "bad.obj"
    path.write_text(text)
    with pytest.raises(InputError, match=expected):
        read_obj(path)
