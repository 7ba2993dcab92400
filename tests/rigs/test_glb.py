"""A .glb with several primitives, a sparse accessor, nodes and a skeleton; broken ones; the project's own export."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from steadyface.errors import InputError
from steadyface.export.glb import write_glb
from steadyface.rigs.enrolment import check_for_enrolment
from steadyface.rigs.glb_file import LARGEST_COUNT, GlbFile
from steadyface.rigs.open_rig import open_rig
from steadyface.tracking.track import Track
from steadyface.types import SubjectStatistics

Y_UP = np.array([1.0, -1.0, -1.0])
JAW = ((0.0, 80.0, -80.0), (0.0, 15.0, 3.0))
BLINK = ((31.0, -18.0, -85.0), (0.0, 6.0, 0.0))
TURN, SCALE, SHIFT = Rotation.from_rotvec([0.0, 0.7, 0.0]), 2.0, np.array([0.1, 1.7, -0.2])
Json = dict[str, Any]


class Writer:
    """A .glb written from the specification alone."""

    def __init__(self) -> None:
        self.binary = b""
        self.json: Json = {"asset": {"version": "2.0"}, "accessors": [], "bufferViews": [], "materials": []}

    def view(self, content: bytes) -> int:
        self.json["bufferViews"].append({"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(content)})
        self.binary += content + bytes(-len(content) % 4)
        return len(self.json["bufferViews"]) - 1

    def add(self, values: NDArray[Any], kind: int = 5126, sparse: bool = False, normalized: bool = False) -> int:
        dtype = {5126: "<f4", 5123: "<u2", 5125: "<u4"}[kind]
        columns = values.shape[1] if values.ndim == 2 else 1
        accessor: Json = {"componentType": kind, "count": len(values), "type": ["SCALAR", "VEC2", "VEC3"][columns - 1]}
        if sparse:
            index = np.nonzero(np.abs(values).sum(1) > 0)[0]
            accessor["sparse"] = {
                "count": len(index),
                "indices": {"bufferView": self.view(index.astype("<u2").tobytes()), "componentType": 5123},
                "values": {"bufferView": self.view(values[index].astype(dtype).tobytes())},
            }
        else:
            accessor["bufferView"] = self.view(values.astype(dtype).tobytes())
        if normalized:
            accessor["normalized"] = True
        self.json["accessors"].append(accessor)
        return len(self.json["accessors"]) - 1

    def save(self, path: Path) -> Path:
        self.json["buffers"] = [{"byteLength": len(self.binary)}]
        text = json.dumps(self.json).encode()
        text += b" " * (-len(text) % 4)
        total = 28 + len(text) + len(self.binary)
        head = struct.pack("<4sII", b"glTF", 2, total) + struct.pack("<I4s", len(text), b"JSON") + text
        path.write_bytes(head + struct.pack("<I4s", len(self.binary), b"BIN\0") + self.binary)
        return path


def local(points: NDArray[np.float64], direction: bool = False) -> NDArray[np.float64]:
    """From the head frame, mm, to the mesh node's own frame, whose parent is turned, scaled and moved."""
    world = points * Y_UP / 1000.0 - (0.0 if direction else SHIFT)
    return TURN.inv().apply(world) / SCALE


def written(tiny: Any) -> Writer:
    """One mesh with a primitive a material, corners of seams doubled, under two nodes; a skeleton beside it."""
    writer, primitives = Writer(), []
    for material in dict.fromkeys(tiny.names):
        chosen = np.array([name == material for name in tiny.names])
        pairs = np.stack([tiny.faces[chosen].reshape(-1), tiny.uv_faces[chosen].reshape(-1)], 1)
        unique, corner = np.unique(pairs, axis=0, return_inverse=True)
        vertex, uv = unique[:, 0], tiny.uv[unique[:, 1]] * [0.5, 1.0]
        targets = [
            {"POSITION": writer.add(local(tiny.bump(*move), direction=True)[vertex], sparse=name == "blink")}
            for name, move in (("jaw", JAW), ("blink", BLINK))
        ]
        attributes = {
            "POSITION": writer.add(local(tiny.neutral)[vertex]),
            "TEXCOORD_0": writer.add(
                np.round((uv * [1, -1] + [0, 1]) * 65535) if material == "M_Face" else uv * [1, -1] + [0, 1],
                5123 if material == "M_Face" else 5126, normalized=material == "M_Face",
            ),
        }  # fmt: skip
        writer.json["materials"].append({"name": material})
        primitives.append(
            {"attributes": attributes, "indices": writer.add(corner.reshape(-1), 5125), "targets": targets,
             "material": len(writer.json["materials"]) - 1}
        )  # fmt: skip
    writer.json["meshes"] = [{"primitives": primitives, "extras": {"targetNames": ["jawOpen", "eyeBlink_L"]}}]
    writer.json["nodes"] = [
        {"children": [1], "translation": SHIFT.tolist(), "rotation": TURN.as_quat().tolist()},
        {"mesh": 0, "scale": [SCALE] * 3}, {"name": "bone"},
    ]  # fmt: skip
    writer.json["scenes"], writer.json["scene"] = [{"nodes": [0, 2]}], 0
    return writer


@pytest.fixture
def path(tiny: Any, tmp_path: Path) -> Path:
    return written(tiny).save(tmp_path / "head.glb")


def nearest(points: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.array([int(((points - place) ** 2).sum(1).argmin()) for place in places])


def test_the_head_is_found_again(path: Path, tiny: Any) -> None:
    rig = open_rig(path)
    middle = (tiny.neutral.min(0) + tiny.neutral.max(0)) / 2.0
    assert rig.vertex_count == len(tiny.neutral)  # seams are joined
    found = nearest(rig.neutral.numpy().astype(float), tiny.neutral - middle)
    assert len(set(found)) == len(tiny.neutral)
    np.testing.assert_allclose(rig.neutral[found], tiny.neutral - middle, atol=1e-3)
    assert rig.expression_names == ("jawOpen", "eyeBlinkLeft")
    for index, move in enumerate((JAW, BLINK)):
        np.testing.assert_allclose(rig.expressions[index, found], tiny.bump(*move), atol=1e-3)
    assert set(rig.eyes) == {"eye_left", "eye_right"}
    assert "M_EyeLashes" in " ".join(rig.notes)
    assert rig.identity.shape[0] == 0


def test_triangles_and_texture_coordinates_stay_together(path: Path, tiny: Any) -> None:
    rig = open_rig(path)
    middle = (tiny.neutral.min(0) + tiny.neutral.max(0)) / 2.0
    kept = np.array([name != "M_EyeLashes" for name in tiny.names])
    corners = {tuple(np.round((tiny.neutral[f] - middle).reshape(-1)).astype(int)) for f in tiny.faces[kept]}
    assert {tuple(np.round(rig.neutral[f].numpy().reshape(-1)).astype(int)) for f in rig.faces} == corners
    # the tracked tile holds the front, v upwards: higher on the head is more
    tracked = rig.tracked_faces
    y, v = rig.neutral[rig.faces[tracked], 1].flatten(), rig.uv[rig.uv_faces[tracked], 1].flatten()
    assert torch.corrcoef(torch.stack([y, v]))[0, 1] < -0.99


def test_landmarks_beside_it(path: Path, tiny: Any) -> None:
    with pytest.raises(InputError, match=r"landmarks\.json"):
        check_for_enrolment(open_rig(path))
    raw = np.concatenate([GlbFile.read(path).array(p["attributes"]["POSITION"]) for p in primitives(path)])
    index = nearest(raw, local(tiny.neutral)[tiny.landmarks])
    path.with_suffix(".landmarks.json").write_text(json.dumps({"68": index.tolist()}))
    rig = open_rig(path)
    check_for_enrolment(rig)
    middle = (tiny.neutral.min(0) + tiny.neutral.max(0)) / 2.0
    points = rig.landmark_points(rig.neutral[None])[0]
    np.testing.assert_allclose(points, tiny.neutral[tiny.landmarks] - middle, atol=1e-3)


def primitives(path: Path) -> list[Json]:
    found: list[Json] = GlbFile.read(path).json["meshes"][0]["primitives"]
    return found


def test_a_skinned_mesh_is_taken_at_rest(tiny: Any, tmp_path: Path) -> None:
    writer = written(tiny)
    writer.json["nodes"][1]["skin"] = 0
    writer.json["skins"] = [{"joints": [2]}]
    rig = open_rig(writer.save(tmp_path / "a.glb"))
    assert "skeleton" in " ".join(rig.notes)
    size = np.ptp(local(tiny.neutral), axis=0)
    np.testing.assert_allclose(np.ptp(rig.neutral.numpy(), axis=0), size * 1000, rtol=1e-3)


def change(tiny: Any, tmp_path: Path, what: str) -> Path:
    writer = written(tiny)
    mesh, accessors = writer.json["meshes"][0], writer.json["accessors"]
    position = mesh["primitives"][0]["attributes"]["POSITION"]
    if what == "names":
        del mesh["extras"]
    elif what == "count":
        accessors[position]["count"] = LARGEST_COUNT + 1
    elif what == "beyond":
        accessors[position]["count"] += 10**5
    elif what == "index":
        writer.json["bufferViews"][accessors[mesh["primitives"][0]["indices"]]["bufferView"]]["byteOffset"] = 0
    elif what == "sparse":
        accessors[mesh["primitives"][0]["targets"][1]["POSITION"]]["sparse"]["count"] = 10**6
    elif what == "draco":
        writer.json["extensionsRequired"] = ["KHR_draco_mesh_compression"]
    elif what == "cycle":
        writer.json["nodes"][1]["children"] = [0]
    elif what == "no mesh":
        del writer.json["nodes"][1]["mesh"]
    elif what == "accessor":
        mesh["primitives"][0]["attributes"]["POSITION"] = 999
    elif what == "lists":
        writer.json["nodes"] = {"a": 1}
    saved = writer.save(tmp_path / "broken.glb")
    if what == "cut":
        saved.write_bytes(saved.read_bytes()[:-1000])
    elif what == "text":
        saved.write_text("solid")
    return saved


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("names", "targetNames"), ("count", "accessor of 1 to"), ("beyond", "beyond"),
        ("index", "triangles of vertices"),
        ("sparse", "sparse"), ("draco", "draco"), ("cycle", "its own child"), ("no mesh", "mesh of triangles"),
        ("accessor", "one of"), ("lists", "list of nodes"), ("cut", "whole"), ("text", "binary glTF"),
    ],
)  # fmt: skip
def test_broken_files_are_one_clear_line(tiny: Any, tmp_path: Path, what: str, said: str) -> None:
    with pytest.raises(InputError, match=r"broken\.glb: expected") as error:
        open_rig(change(tiny, tmp_path, what))
    assert said in str(error.value)


def test_too_much_is_refused_before_it_is_decoded(tiny: Any, tmp_path: Path) -> None:
    """A small file may claim many shapes of the same bytes."""
    writer = written(tiny)
    mesh = writer.json["meshes"][0]
    for primitive in mesh["primitives"]:
        primitive["targets"] = primitive["targets"][:1] * 40000
    mesh["extras"]["targetNames"] = [f"s{k}" for k in range(40000)]
    with pytest.raises(InputError, match="at most 2048 MB"):
        open_rig(writer.save(tmp_path / "large.glb"))


def test_the_projects_own_export_comes_back(tiny: Any, tmp_path: Path) -> None:
    frames = 6
    weights = torch.linspace(0.0, 1.0, frames)[:, None, None]
    meshes = torch.from_numpy(tiny.neutral).float() + weights * torch.from_numpy(tiny.bump(*JAW)).float()
    eye = torch.eye(3).repeat(frames, 1, 1)
    track = Track(
        time_s=torch.arange(frames, dtype=torch.float64) / 30, latent=torch.zeros(frames, 2), rotation=eye,
        translation=torch.tensor([0.0, 0.0, 500.0]).repeat(frames, 1), vertices=meshes,
        intrinsics=torch.tensor([[600.0, 0, 240], [0, 600, 320], [0, 0, 1]]).repeat(frames, 1, 1),
        texture_residual=torch.zeros(frames),
    )  # fmt: skip
    uv = torch.from_numpy(tiny.uv % 1.0).float()
    faces, uv_faces = torch.from_numpy(tiny.faces), torch.from_numpy(tiny.uv_faces)
    statistics = SubjectStatistics(
        faces, uv, uv_faces, meshes[0], 1.0, torch.zeros(3, 8, 8), 1.0, torch.arange(9), {}, ("a",)
    )
    write_glb(track, statistics, tmp_path / "own.glb", torch.rand(3, 8, 8))
    rig = open_rig(tmp_path / "own.glb")
    mean = meshes.mean(0)  # the file rests at the track's mean
    middle = (mean.amin(0) + mean.amax(0)) / 2.0
    found = nearest(rig.neutral.numpy().astype(float), (mean - middle).numpy())
    np.testing.assert_allclose(rig.neutral[found], mean - middle, atol=0.12)
    (opening,) = rig.expressions.flatten(1).norm(dim=1).topk(1).indices.tolist()
    along = rig.expressions[opening, found].flatten() @ torch.from_numpy(tiny.bump(*JAW)).float().flatten()
    length = rig.expressions[opening].norm() * float(np.linalg.norm(tiny.bump(*JAW)))
    assert abs(along) > 0.99 * length
    assert "component 00" in " ".join(rig.notes)
