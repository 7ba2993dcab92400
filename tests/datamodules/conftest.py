"""A small capture whose colours are its texture coordinates, so that every pixel says where it lies.

A curved patch of skin coloured (u, v, 0.3), rendered from three cameras, with a head that turns,
an expression on its right half and a stabiliser that left rigid noise in the meshes. Textures are
written with PIL, flipped here, not by the package's writer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from pytorch3d.transforms import axis_angle_to_matrix

from steadyface.capture import multiface
from steadyface.capture.krt import Camera, write_krt
from steadyface.capture.multiface import CaptureLayout, FrameId
from steadyface.capture.obj import ObjMesh, write_obj
from steadyface.geometry.cameras import transform
from steadyface.geometry.rasterizer import interpolate, rasterize

GRID, TEXELS, HEIGHT, WIDTH = 9, 24, 96, 80
SEGMENTS = {"E001_Neutral": 5, "SEN_well_done": 5, "EXP_free_face": 3}
CAMERAS = ("400010", "400011", "400012")


class TinyCapture(NamedTuple):
    """The folder, and what it shows: canonical meshes by instant, and the mean mesh."""

    folder: Path
    meshes: dict[FrameId, torch.Tensor]
    mean: torch.Tensor


def patch() -> ObjMesh:
    axis = np.linspace(0, 1, GRID)
    v, u = np.meshgrid(axis, axis, indexing="ij")
    depth = 40 * ((u - 0.5) ** 2 + (v - 0.5) ** 2)
    vertices = np.stack([120 * (u - 0.5), 120 * (v - 0.5), depth], axis=-1).reshape(-1, 3)
    index = np.arange(GRID * GRID).reshape(GRID, GRID)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    faces = np.stack([np.stack([a, b, c], -1), np.stack([b, d, c], -1)]).reshape(-1, 3)
    return ObjMesh(vertices, np.stack([u, v], -1).reshape(-1, 2), faces, faces)


def cameras() -> list[Camera]:
    found = []
    for number, name in enumerate(CAMERAS):
        turn = axis_angle_to_matrix(torch.tensor([0.0, 0.25 * (number - 1), 0.0])).double().numpy()
        intrinsics = np.array([[240.0, 0, 38.0], [0, 236.0, 50.0], [0, 0, 1]])
        found.append(Camera(name, intrinsics, np.zeros(5), turn, np.array([4.0, -3.0, 420.0])))
    return found


def colours_of_texels() -> np.ndarray:
    centre = (np.arange(TEXELS) + 0.5) / TEXELS
    v, u = np.meshgrid(centre, centre, indexing="ij")
    return (255 * np.stack([u, v, np.full_like(u, 0.3)], axis=-1)).round().astype(np.uint8)


def save_flipped(path: Path, texture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.ascontiguousarray(texture[::-1])).save(path)


def render(topology: ObjMesh, points: torch.Tensor, camera: Camera) -> np.ndarray:
    colours = torch.tensor(np.c_[topology.uv, np.full(len(topology.uv), 0.3)])[torch.tensor(topology.faces)]
    intrinsics = torch.tensor(camera.intrinsics)[None]
    fragments = rasterize(points[None], torch.tensor(topology.faces), intrinsics, HEIGHT, WIDTH)
    return (255 * interpolate(fragments, colours)[0]).round().byte().numpy()


def expression(mean: torch.Tensor) -> torch.Tensor:
    """Two bending modes of the right half, in depth."""
    modes = torch.stack([torch.sin(mean[:, 1] / 15), torch.sin(mean[:, 0] / 15)], dim=-1)
    depth = (modes @ torch.randn(2).double() * 4) * (mean[:, 0] > 0)
    return depth.unsqueeze(-1) * torch.tensor([0.0, 0.0, 1.0]).double()


def write_instant(layout: CaptureLayout, instant: FrameId, topology: ObjMesh, mesh: torch.Tensor) -> None:
    """One instant with a random head pose and a rigid shake that the mesh and the pose share."""
    shake = axis_angle_to_matrix(torch.randn(1, 3) * math.radians(1.5)).double()
    shift = torch.randn(1, 3).double() * 1.5
    rotation = axis_angle_to_matrix(torch.randn(1, 3) * math.radians(6)).double()
    translation = torch.randn(1, 3).double() * 5
    shaken = transform(mesh[None], shake, shift)
    head, place = rotation @ shake.mT, translation - (rotation @ shake.mT @ shift[..., None])[..., 0]
    multiface.write_mesh_bin(layout.mesh_bin(instant), shaken[0].numpy())
    multiface.write_transform(layout.transform(instant), head[0].numpy(), place[0].numpy())
    world = transform(shaken, head, place)
    for camera in cameras():
        turn, move = torch.tensor(camera.rotation)[None], torch.tensor(camera.translation)[None]
        points = transform(world, turn, move)[0]
        multiface.write_image_png(layout.image(instant, camera.name), render(topology, points, camera))
        texture = colours_of_texels()
        texture[: 2 + CAMERAS.index(camera.name)] = 0  # rows of small v that this camera did not see
        save_flipped(layout.texture(instant, camera.name), texture)
    save_flipped(layout.average(instant), colours_of_texels())


@pytest.fixture(scope="session")
def tiny_capture(tmp_path_factory: pytest.TempPathFactory) -> TinyCapture:
    """Read-only; a test that damages files takes ``private_capture``."""
    return write_capture(tmp_path_factory.mktemp("lab"))


@pytest.fixture
def private_capture(tmp_path: Path) -> Callable[[], TinyCapture]:
    return lambda: write_capture(tmp_path / "lab")


def write_capture(folder: Path) -> TinyCapture:
    torch.manual_seed(3)
    layout, topology = CaptureLayout(folder), patch()
    mean, meshes = torch.tensor(topology.vertices), {}
    for segment, count in SEGMENTS.items():
        for number in range(count):
            instant = FrameId(segment, f"{100 + number:06d}")
            meshes[instant] = mean + expression(mean)
            write_instant(layout, instant, topology, meshes[instant])
        write_obj(layout.mesh_obj(FrameId(segment, "000100")), topology)
    write_krt(layout.krt, cameras())
    multiface.write_frame_list(layout.frame_list, meshes)
    save_flipped(layout.texture_mean, colours_of_texels())

    multiface.write_mesh_bin(layout.vertex_mean, mean.numpy())
    layout.texture_variance.write_text("900\n")
    layout.vertex_variance.write_text("16\n")
    rigid = torch.nonzero(mean[:, 0] <= 0).squeeze(1).tolist()
    multiface.write_regions(layout.regions, {"rigid": rigid, "lips": [78, 79, 80]})
    return TinyCapture(folder, meshes, mean)
