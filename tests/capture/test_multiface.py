from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from steadyface.capture import multiface
from steadyface.capture.multiface import CaptureLayout, CaptureStatistics, FrameId
from steadyface.errors import InputError

NEUTRAL = FrameId("E001_Neutral", "000010")


def test_a_marked_corner_comes_back_the_right_way_up(capture_folder: Path) -> None:
    """The file's top-left texel is u = 0, v = 1: in memory rows grow with v, so it is the last row."""
    layout = CaptureLayout(capture_folder)
    for texture in (
        multiface.read_texture(layout.texture(NEUTRAL, "400002")),
        multiface.read_texture(layout.average(NEUTRAL)),
        multiface.read_statistics(layout).texture_mean,
    ):
        red = np.argwhere((texture == (255, 0, 0)).all(-1)).tolist()
        assert red == [[15, 0]]


def test_a_written_texture_is_upside_down_in_the_file(tmp_path: Path) -> None:
    texture = np.zeros((8, 8, 3), np.uint8)
    texture[7, 2] = (0, 255, 0)  # large v
    multiface.write_texture(tmp_path / "a.png", texture)
    with Image.open(tmp_path / "a.png") as file:
        assert file.getpixel((2, 0)) == (0, 255, 0)
    assert np.array_equal(multiface.read_texture(tmp_path / "a.png", 8), texture)


def test_images_are_not_flipped(tmp_path: Path) -> None:
    Image.new("RGB", (6, 4), (9, 8, 7)).save(tmp_path / "a.png")
    image = multiface.read_image_png(tmp_path / "a.png")
    assert image.shape == (4, 6, 3)
    image[0, 5] = (1, 2, 3)
    multiface.write_image_png(tmp_path / "b.png", image)
    with Image.open(tmp_path / "b.png") as file:
        assert file.getpixel((5, 0)) == (1, 2, 3)


def test_mesh_and_transform_bytes(capture_folder: Path, tmp_path: Path) -> None:
    layout = CaptureLayout(capture_folder)
    vertices = multiface.read_mesh_bin(layout.mesh_bin(NEUTRAL), 4)
    assert vertices[3].tolist() == [10, 10, 3]
    multiface.write_mesh_bin(tmp_path / "a.bin", vertices.astype(np.float64))
    assert struct.unpack("<3f", (tmp_path / "a.bin").read_bytes()[12:24]) == (10, 0, 1)
    rotation, translation = multiface.read_transform(layout.transform(NEUTRAL))
    assert rotation.tolist() == [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    assert translation.tolist() == [1.5, 2.5, 3.5]
    multiface.write_transform(tmp_path / "a_transform.txt", rotation, translation)
    assert (tmp_path / "a_transform.txt").read_text() == "1 0 0 1.5\n0 0 -1 2.5\n0 1 0 3.5\n"


def test_frame_list_and_regions(tmp_path: Path) -> None:
    multiface.write_frame_list(tmp_path / "frame_list.txt", [NEUTRAL])
    assert (tmp_path / "frame_list.txt").read_text() == "E001_Neutral 000010\n"
    (tmp_path / "frame_list.txt").write_text("A 7\n\nB 000008\n")
    assert multiface.read_frame_list(tmp_path / "frame_list.txt") == [("A", "000007"), ("B", "000008")]
    multiface.write_regions(tmp_path / "regions.json", {"lips": [3, 1]})
    assert multiface.read_regions(tmp_path / "regions.json", 4)["lips"].tolist() == [3, 1]


def test_statistics_round_trip(tmp_path: Path) -> None:
    layout = CaptureLayout(tmp_path)
    texture = np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    multiface.write_statistics(layout, CaptureStatistics(texture, 123.5, np.ones((4, 3), np.float32), 0.25))
    again = multiface.read_statistics(layout)
    assert np.array_equal(again.texture_mean, texture)
    assert (again.texture_variance, again.vertex_variance) == (123.5, 0.25)


def test_faults_are_one_line_each(capture_folder: Path) -> None:
    layout = CaptureLayout(capture_folder)
    mesh, pose, image = layout.mesh_bin(NEUTRAL), layout.transform(NEUTRAL), layout.image(NEUTRAL, "400002")
    nan_mesh = struct.pack("<12f", *([0.0] * 11 + [float("nan")]))
    cases = [
        (mesh, mesh.read_bytes() + bytes(12), lambda: multiface.read_mesh_bin(mesh, 4), "4 vertices.*got 5"),
        (mesh, mesh.read_bytes()[:-3], lambda: multiface.read_mesh_bin(mesh, 4), "got 45 bytes"),
        (mesh, nan_mesh, lambda: multiface.read_mesh_bin(mesh, 4), "NaN"),
        (pose, b"1 0 0 nan\n0 1 0 0\n0 0 1 0\n", lambda: multiface.read_transform(pose), "NaN"),
        (pose, b"1 0 0 0\n0 1 0 0\n", lambda: multiface.read_transform(pose), "3 lines of 4"),
        (pose, b"2 0 0 0\n0 1 0 0\n0 0 1 0\n", lambda: multiface.read_transform(pose), "a rotation"),
        (image, image.read_bytes()[:40], lambda: multiface.read_image_png(image), "cannot be decoded"),
        (image, b"hello", lambda: multiface.read_image_png(image), "cannot be decoded"),
        (layout.texture_variance, b"-1", lambda: multiface.read_statistics(layout), "one positive variance"),
        (layout.frame_list, b"A 1\nB\n", lambda: multiface.read_frame_list(layout.frame_list), "line 2"),
        (layout.regions, b'{"lips": [9]}', lambda: multiface.read_regions(layout.regions, 4), "lips"),
        (layout.regions, b"[1]", lambda: multiface.read_regions(layout.regions, 4), "vertex indices"),
    ]
    for path, content, read, expected in cases:
        path.write_bytes(content)
        with pytest.raises(InputError, match=expected) as error:
            read()
        assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_texture_of_another_size_or_shape(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"16 x 16 texels.*got 8 x 8"):
        multiface.read_texture(tmp_path / "a.png", 16)
    Image.new("RGB", (8, 6)).save(tmp_path / "b.png")
    with pytest.raises(InputError, match=r"same width and height.*got 8 x 6"):
        multiface.read_texture(tmp_path / "b.png")
