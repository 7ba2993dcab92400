"""OBJ and PLY sequences, read back, and a folder that is whole or absent."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from steadyface.capture.obj import read_obj
from steadyface.errors import InputError
from steadyface.export import mesh_sequence
from steadyface.export.mesh_sequence import SequenceMesh, write_sequence
from steadyface.export.obj_sequence import write_obj_sequence
from steadyface.export.ply_sequence import write_ply_sequence

LOST = range(20, 24)  # conftest.py
PART = slice(14, 28)


@pytest.fixture(scope="module")
def part(exported):
    """Fourteen of its frames, with the lost ones."""
    return exported.track[PART]


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "frames.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def read_ply(path: Path):
    """Vertices (N, 3), faces (F, 3) and texture coordinates (F, 3, 2), by the header's own words."""
    head, _, body = path.read_bytes().partition(b"end_header\n")
    lines = head.decode("ascii").splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    counts = {line.split()[1]: int(line.split()[2]) for line in lines if line.startswith("element")}
    assert [line.split()[1:] for line in lines if line.startswith("property")] == [
        ["float", "x"], ["float", "y"], ["float", "z"],
        ["list", "uchar", "int", "vertex_indices"], ["list", "uchar", "float", "texcoord"],
    ]  # fmt: skip
    vertices = np.frombuffer(body, "<f4", 3 * counts["vertex"]).reshape(-1, 3)
    faces, uv, place = [], [], vertices.nbytes
    for _ in range(counts["face"]):
        assert body[place] == 3 and body[place + 13] == 6
        faces.append(np.frombuffer(body, "<i4", 3, place + 1))
        uv.append(np.frombuffer(body, "<f4", 6, place + 14))
        place += 38
    assert place == len(body)
    return vertices, np.array(faces), np.array(uv).reshape(-1, 3, 2)


@pytest.mark.parametrize("space", ["camera", "head"])
def test_obj_meshes_are_the_tracks(exported, part, space: str, tmp_path: Path) -> None:
    count = write_obj_sequence(part, exported.statistics, tmp_path / "obj", space, exported.statistics.texture_mean)
    assert count == len(part) - len(LOST)
    where = part.camera_vertices() if space == "camera" else part.vertices
    for frame in (0, 13):
        path = tmp_path / "obj" / f"frame_{frame:06d}.obj"
        mesh = read_obj(path)
        assert np.abs(mesh.vertices - where[frame].double().numpy()).max() < 1e-5
        assert np.array_equal(mesh.faces, exported.statistics.faces.numpy())
        corners = exported.statistics.uv[exported.statistics.uv_faces].numpy()
        assert np.abs(mesh.uv[mesh.uv_faces] - corners).max() < 1e-6
        head = path.read_text().splitlines()[:3]
        assert f"frame {frame}, {float(part.time_s[frame]):.6f} s, mm, {space} frame" in head[0]
        assert head[1:] == ["mtllib face.mtl", "usemtl face"]
    assert "map_Kd texture.png" in (tmp_path / "obj" / "face.mtl").read_text()
    assert Image.open(tmp_path / "obj" / "texture.png").size == (16, 16)


def test_ply_meshes_are_the_tracks(exported, part, tmp_path: Path) -> None:
    write_ply_sequence(part, exported.statistics, tmp_path / "ply")
    vertices, faces, uv = read_ply(tmp_path / "ply" / "frame_000013.ply")
    assert np.array_equal(vertices, part.camera_vertices()[13].numpy())
    assert np.array_equal(faces, exported.statistics.faces.numpy())
    assert np.array_equal(uv, exported.statistics.uv[exported.statistics.uv_faces].numpy())
    assert not (tmp_path / "ply" / "texture.png").exists()


def test_every_frame_has_a_row_and_only_those_with_a_face_a_file(exported, tmp_path: Path) -> None:
    names = []
    write_sequence(exported.stored, tmp_path / "meshes", ".txt", "head", lambda mesh: names.append(_touch(mesh)))
    rows = rows_of(tmp_path / "meshes")
    assert [int(row["frame"]) for row in rows] == list(range(len(exported.track)))
    assert np.abs(np.array([float(row["time_s"]) for row in rows]) - exported.track.time_s.numpy()).max() < 1e-6
    assert [int(row["shot"]) for row in rows] == exported.track.shot.tolist()
    assert float(rows[-1]["confidence"]) == 1.0
    assert [row["file"] for row in rows if row["file"]] == names
    assert [int(row["frame"]) for row in rows if not row["file"]] == list(LOST)
    assert sorted(path.name for path in (tmp_path / "meshes").iterdir()) == sorted([*names, "frames.csv"])


def _touch(mesh: SequenceMesh) -> str:
    mesh.path.touch()
    return mesh.path.name


def test_an_error_on_the_way_leaves_the_earlier_folder_as_it_was(exported, part, tmp_path: Path) -> None:
    def fail_late(mesh: SequenceMesh) -> None:
        _touch(mesh)
        if mesh.frame == 5:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_sequence(part, tmp_path / "meshes", ".txt", "head", fail_late)
    assert list(tmp_path.iterdir()) == []
    write_ply_sequence(part, exported.statistics, tmp_path / "meshes")
    with pytest.raises(OSError, match="disk full"):
        write_sequence(part[:8], tmp_path / "meshes", ".txt", "head", fail_late)
    assert len(rows_of(tmp_path / "meshes")) == len(part) and [p.name for p in tmp_path.iterdir()] == ["meshes"]
    write_sequence(part[:3], tmp_path / "meshes", ".txt", "head", _touch)  # and one that succeeds replaces it
    assert len(list((tmp_path / "meshes").iterdir())) == 4


def test_what_somebody_else_put_there_is_never_replaced(part, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "keep.txt").write_text("keep")
    (tmp_path / "file").write_text("keep")
    for name in ("mine", "file"):
        with pytest.raises(InputError, match="earlier export"):
            write_sequence(part, tmp_path / name, ".txt", "head", _touch)
    assert (tmp_path / "mine" / "keep.txt").exists() and len(list(tmp_path.iterdir())) == 2


def test_a_confidence_that_was_not_estimated_is_empty(part, tmp_path: Path) -> None:
    unknown = part[:2]
    unknown.confidence = torch.full((2,), math.nan)
    write_sequence(unknown, tmp_path / "meshes", ".txt", "head", _touch)
    assert [row["confidence"] for row in rows_of(tmp_path / "meshes")] == ["", ""]


def test_the_track_is_read_in_blocks(exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    whole = mesh_sequence.track_blocks

    def watched(track):
        for block in whole(track):
            sizes.append(len(block))
            yield block

    monkeypatch.setattr(mesh_sequence, "track_blocks", watched)
    write_sequence(exported.stored, tmp_path / "meshes", ".txt", "camera", _touch)
    assert len(sizes) > 1 and sum(sizes) == len(exported.track)
