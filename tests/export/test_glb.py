"""The .glb read back by a small evaluator written from the glTF 2.0 specification alone."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.transform import Rotation

from steadyface.errors import InputError
from steadyface.export.glb import WrittenGlb, write_glb
from steadyface.tracking.track import Track

LOST, CUT = 20, 40  # conftest.py
COMPONENTS = {5126: "<f4", 5123: "<u2", 5125: "<u4"}
SIZES = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


class Evaluator:
    """A file with one mesh, one animation, and the head as its first node."""

    def __init__(self, path: Path) -> None:
        content = path.read_bytes()
        magic, version, length = struct.unpack_from("<4sII", content)
        assert (magic, version, length) == (b"glTF", 2, len(content))
        size, kind = struct.unpack_from("<I4s", content, 12)
        assert kind == b"JSON" and size % 4 == 0
        self.json: dict[str, Any] = json.loads(content[20 : 20 + size])
        binary, kind = struct.unpack_from("<I4s", content, 20 + size)
        assert kind == b"BIN\0" and 28 + size + binary == length
        self._binary = content[28 + size :]
        self.primitive = self.json["meshes"][0]["primitives"][0]

    def array(self, index: int) -> NDArray[Any]:
        accessor = self.json["accessors"][index]
        view, columns = self.json["bufferViews"][accessor["bufferView"]], SIZES[accessor["type"]]
        start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
        assert start % 4 == 0
        values = np.frombuffer(self._binary, COMPONENTS[accessor["componentType"]], accessor["count"] * columns, start)
        return values.reshape(-1, columns)

    def attribute(self, name: str) -> NDArray[Any]:
        return self.array(self.primitive["attributes"][name])

    def image(self) -> NDArray[np.uint8]:
        view = self.json["bufferViews"][self.json["images"][0]["bufferView"]]
        start = view.get("byteOffset", 0)
        return np.asarray(Image.open(io.BytesIO(self._binary[start : start + view["byteLength"]])))

    def channel(self, path: str) -> tuple[NDArray[Any], NDArray[Any], str]:
        """Times, values with a row a key, interpolation."""
        (animation,) = self.json["animations"]
        (channel,) = (one for one in animation["channels"] if one["target"]["path"] == path)
        sampler = animation["samplers"][channel["sampler"]]
        times = self.array(sampler["input"])[:, 0].astype(np.float64)
        return times, self.array(sampler["output"]).reshape(len(times), -1), sampler["interpolation"]

    def sample(self, path: str, time_s: float) -> NDArray[np.float64]:
        times, values, interpolation = self.channel(path)
        before = int(np.clip(np.searchsorted(times, time_s, side="right") - 1, 0, len(times) - 1))
        after = min(before + 1, len(times) - 1)
        if interpolation == "STEP" or after == before:
            return values[before].astype(np.float64)
        share = np.clip((time_s - times[before]) / (times[after] - times[before]), 0.0, 1.0)
        return (1.0 - share) * values[before].astype(np.float64) + share * values[after]

    def positions(self, time_s: float) -> NDArray[np.float64]:
        """World positions (V, 3) at a time."""
        local = self.attribute("POSITION").astype(np.float64)
        for weight, target in zip(self.sample("weights", time_s), self.primitive["targets"], strict=True):
            local = local + weight * self.array(target["POSITION"])
        local = local * self.sample("scale", time_s)
        return Rotation.from_quat(self.sample("rotation", time_s)).apply(local) + self.sample("translation", time_s)


@pytest.fixture(scope="module")
def written(exported, tmp_path_factory: pytest.TempPathFactory) -> tuple[Evaluator, WrittenGlb]:
    path = tmp_path_factory.mktemp("glb") / "track.glb"
    result = write_glb(exported.stored, exported.statistics, path, exported.statistics.texture_mean)
    assert result.size == path.stat().st_size
    return Evaluator(path), result


def seconds(track: Track, frame: int) -> float:
    """A frame's time in the file: the clip begins below 0, which glTF has not."""
    return float(np.float32(track.time_s[frame] - min(0.0, float(track.time_s[0]))))


def expected(track: Track, frame: int, vertex: NDArray[Any]) -> NDArray[np.float64]:
    placed = track.camera_vertices()[frame].double().numpy()[vertex]
    return placed * [1e-3, -1e-3, -1e-3]


def test_vertices_are_the_tracks_at_every_frame(exported, written) -> None:
    file, result = written
    vertex = file.attribute("_VERTEX")[:, 0].astype(int)
    assert set(vertex) == set(exported.statistics.faces.unique().tolist())
    assert result.error_max_mm <= 0.1 and result.shapes <= 64
    for frame in (0, 13, LOST - 1, LOST + 4, CUT - 1, CUT, 69):
        off = file.positions(seconds(exported.track, frame)) - expected(exported.track, frame, vertex)
        assert 1e3 * np.linalg.norm(off, axis=1).max() <= result.error_max_mm + 1e-3, frame


def test_a_lost_face_shrinks_to_nothing_and_comes_back(exported, written) -> None:
    file, _ = written
    times, _, interpolation = file.channel("scale")
    assert interpolation == "STEP" and len(times) == 3
    for frame in range(len(exported.track)):
        scale = file.sample("scale", seconds(exported.track, frame))
        assert scale.tolist() == [float(exported.track.found[frame])] * 3, frame


@pytest.mark.parametrize("last", [LOST - 1, CUT - 1])
def test_nothing_glides_into_a_cut_or_a_loss(exported, written, last: int) -> None:
    file, _ = written
    start, end = seconds(exported.track, last), seconds(exported.track, last + 1)
    for path in ("translation", "rotation", "weights"):
        held = file.sample(path, start + 0.9 * (end - start))
        assert np.abs(held - file.sample(path, start)).max() < 1e-6, path


def test_key_times_rise_and_quaternions_keep_their_side(written) -> None:
    file, _ = written
    times, quaternions, _ = file.channel("rotation")
    assert times[0] >= 0.0 and (np.diff(times) > 0).all()
    assert np.abs(np.linalg.norm(quaternions, axis=1) - 1).max() < 1e-6
    assert ((quaternions[1:] * quaternions[:-1]).sum(1) > 0).all() and quaternions[:, 3].min() < -0.5  # one whole turn
    _, weights, _ = file.channel("weights")
    assert weights.min() >= 0.0 and weights.max() <= 1.0  # Blender cuts off what lies outside


def test_texture_lies_where_the_model_has_it(exported, written) -> None:
    file, statistics = written[0], exported.statistics
    corners = file.array(file.primitive["indices"])[:, 0].reshape(-1, 3)
    vertex = file.attribute("_VERTEX")[:, 0].astype(int)
    assert np.array_equal(vertex[corners], statistics.faces.numpy())
    uv = file.attribute("TEXCOORD_0")[corners] * [1, -1] + [0, 1]
    assert np.abs(uv - statistics.uv[statistics.uv_faces].numpy()).max() < 1e-6
    linear = statistics.texture_mean.double().numpy()
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    # glTF's v counts from the first row, ours from the last: the texel at v = 0 is the last row's
    assert np.abs(file.image()[::-1].transpose(2, 0, 1) / 255.0 - srgb).max() < 0.5 / 255 + 1e-4


def test_normals_point_out_of_the_head(written) -> None:
    file, _ = written
    normals, positions = file.attribute("NORMAL"), file.attribute("POSITION")
    assert np.abs(np.linalg.norm(normals, axis=1) - 1).max() < 1e-5
    front = positions[:, 2] > np.quantile(positions[:, 2], 0.95)
    assert (normals[front, 2] > 0).mean() > 0.9  # a face looks along +z


def test_bounds_are_those_of_the_values(written) -> None:
    file, _ = written
    with_bounds = [index for index, accessor in enumerate(file.json["accessors"]) if "min" in accessor]
    assert len(with_bounds) >= 3 + len(file.primitive["targets"])
    for index in with_bounds:
        accessor, values = file.json["accessors"][index], file.array(index)
        assert np.array_equal(np.float32(accessor["min"]), values.min(0))
        assert np.array_equal(np.float32(accessor["max"]), values.max(0))


def test_the_camera_sees_the_pictures_height(written) -> None:
    lens = written[0].json["cameras"][0]["perspective"]
    assert lens["yfov"] == pytest.approx(2 * np.arctan(320 / 620)) and lens["aspectRatio"] == pytest.approx(0.75)


def test_a_track_in_memory_gives_the_same_bytes(exported, written, tmp_path: Path) -> None:
    write_glb(exported.track, exported.statistics, tmp_path / "a.glb", exported.statistics.texture_mean)
    write_glb(exported.stored, exported.statistics, tmp_path / "b.glb", exported.statistics.texture_mean)
    assert (tmp_path / "a.glb").read_bytes() == (tmp_path / "b.glb").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.glb", "b.glb"]


def test_a_single_frame_is_a_still_file(exported, tmp_path: Path) -> None:
    result = write_glb(exported.track[5:6], exported.statistics, tmp_path / "one.glb", exported.statistics.texture_mean)
    file = Evaluator(tmp_path / "one.glb")
    assert result.shapes == 0 and "targets" not in file.primitive


def test_a_track_without_a_face_is_refused(exported, tmp_path: Path) -> None:
    lost = exported.track[torch.arange(LOST, LOST + 3)]
    with pytest.raises(InputError, match="a frame with a face"):
        write_glb(lost, exported.statistics, tmp_path / "none.glb", exported.statistics.texture_mean)
    assert list(tmp_path.iterdir()) == []
