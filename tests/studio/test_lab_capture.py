"""The written capture, read back through the capture reader and through PIL alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from steadyface.capture.capture_index import MultifaceCapture
from steadyface.capture.krt import read_krt
from steadyface.capture.multiface import (
    CaptureLayout,
    FrameId,
    read_frame_list,
    read_image_png,
    read_mesh_bin,
    read_regions,
    read_statistics,
    read_texture,
    read_transform,
)
from steadyface.studio.lab_capture import LabStage, LabSums, average_texture, lab_tasks, seen_to_bytes
from steadyface.studio.scene import Scene
from steadyface.studio.settings import StudioSettings
from steadyface.studio.subject import Subject

DISC_RADIUS = 0.009  # in uv: about three pixels of the image


class MarkedSubject(Subject):
    """A black head with white discs around some vertices, and no sheen."""

    def choose_markers(self) -> None:
        """Vertices spread over forehead, cheeks and jaw, where texture and surface are even.

        A vertex will do if its neighbours' mean lies at it, in the texture and in space: there a disc
        of the texture is a disc in the picture, and its centroid the vertex.
        """
        candidates = torch.cat([self.regions[name] for name in ("rigid", "cheeks", "jaw")])
        places = {int(v): self.uv[uv] for v, uv in zip(self.faces.flatten(), self.uv_faces.flatten(), strict=True)}
        at_rest = self.vertices(torch.zeros(1, len(self.expression_names)))[0]
        self.markers: list[int] = []
        for vertex in candidates.tolist():
            near = self.faces[(self.faces == vertex).any(1)].unique()
            if len(near) != 7:
                continue
            ring = torch.stack([places[int(v)] for v in near])
            even = (ring.mean(0) - places[vertex]).norm() < 3e-4
            even &= (at_rest[near].mean(0) - at_rest[vertex]).norm() < 0.15
            if even and all((at_rest[vertex] - at_rest[other]).norm() > 15.0 for other in self.markers):
                self.markers.append(vertex)
        self.marker_uv = torch.stack([places[vertex] for vertex in self.markers])

    def albedo(self, weights: Tensor, size: int) -> Tensor:
        centres = (torch.arange(size) + 0.5) / size
        v, u = torch.meshgrid(centres, centres, indexing="ij")
        distance = (torch.stack([u, v], -1)[:, :, None] - self.marker_uv).norm(dim=-1).amin(-1)
        disc = ((DISC_RADIUS - distance) * size + 0.5).clamp(0, 1)
        return disc.expand(len(weights), 3, size, size)

    def sheen(self, size: int) -> Tensor:
        return torch.zeros(1, size, size)


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> tuple[MarkedSubject, Path]:
    """A capture of the marked head, all eight cameras at the demo's image size."""
    root = tmp_path_factory.mktemp("marked")
    settings = StudioSettings(identity_seed=3, lab_frames=1, cameras_per_frame=8, texture_size=128)
    subject = MarkedSubject(3)
    subject.choose_markers()
    stage = LabStage(Scene(subject), settings, root)
    tasks, instants = lab_tasks(stage.expression_names, settings)
    sums = LabSums.empty(settings.texture_size, stage.vertex_count)
    for task in tasks:
        sums.add(stage.record(task))
    stage.finish(instants, sums)
    return subject, root


def world_vertices(layout: CaptureLayout, instant: FrameId) -> NDArray[np.float64]:
    rotation, translation = read_transform(layout.transform(instant))
    return read_mesh_bin(layout.mesh_bin(instant)) @ rotation.T + translation


def centroid_near(image: NDArray[np.float64], pixel: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """Centre of brightness in a window around a pixel."""
    column, row = np.round(pixel).astype(int)
    rows = np.arange(row - reach, row + reach + 1)
    columns = np.arange(column - reach, column + reach + 1)
    window = image[rows[:, None], columns[None, :]]
    return np.array([(window.sum(0) * columns).sum(), (window.sum(1) * rows).sum()]) / window.sum()


def test_markers_lie_at_their_projected_vertices_in_every_camera(marked: tuple[MarkedSubject, Path]) -> None:
    subject, root = marked
    layout = CaptureLayout(root)
    (instant,) = read_frame_list(layout.frame_list)
    world = world_vertices(layout, instant)
    edges = world[subject.faces[:, [1, 2]].numpy()] - world[subject.faces[:, :1].numpy()]
    normals = np.zeros_like(world)
    np.add.at(normals, subject.faces.numpy(), np.cross(edges[:, 0], edges[:, 1])[:, None])
    cameras = read_krt(layout.krt)
    assert len(cameras) == 8
    for name, camera in cameras.items():
        image = np.asarray(Image.open(layout.image(instant, name))).astype(np.float64).sum(2)
        image = np.clip(image - np.median(image) - 6, 0, None)
        placed = world @ camera.rotation.T + camera.translation
        facing = -((normals @ camera.rotation.T) * placed).sum(1) / np.linalg.norm(normals, axis=1).clip(1e-9)
        facing /= np.linalg.norm(placed, axis=1)
        pixels = placed @ camera.intrinsics.T
        seen = [vertex for vertex in subject.markers if facing[vertex] > 0.75]
        assert len(seen) >= 3, name
        for vertex in seen:
            pixel = pixels[vertex, :2] / pixels[vertex, 2]
            assert np.abs(centroid_near(image, pixel, 5) - pixel).max() < 0.5, (name, vertex)


def test_textures_are_stored_upside_down_and_come_back_upright(marked: tuple[MarkedSubject, Path]) -> None:
    subject, root = marked
    layout = CaptureLayout(root)
    (instant,) = read_frame_list(layout.frame_list)
    raw = np.asarray(Image.open(layout.average(instant))).astype(int).sum(2)
    memory = read_texture(layout.average(instant)).astype(int).sum(2)
    size = len(raw)
    column, row = (subject.marker_uv * size).long().T.numpy()
    upright, mirrored = memory[row, column] > 100, memory[size - 1 - row, column] > 100
    assert upright.mean() > 0.8 and mirrored.mean() < 0.3
    assert np.array_equal(raw[size - 1 - row, column] > 100, upright)
    # the mean texture follows the same rule
    assert np.array_equal(np.asarray(Image.open(layout.texture_mean))[::-1], read_texture(layout.texture_mean))
    assert read_texture(layout.texture_mean).astype(int).sum(2)[memory > 300].min() > 100


def test_reader_finds_everything(studio: Path) -> None:
    capture = MultifaceCapture(studio / "lab")
    assert len(capture.instants) == 5 and len(capture.cameras) == 4
    assert all(len(instant.cameras) == 2 and instant.has_average for instant in capture.instants)
    assert not capture.gaps.counts
    mesh = capture.read_topology()
    subject = Subject(3)
    assert np.array_equal(mesh.faces, subject.faces.numpy())
    assert np.allclose(mesh.uv, subject.uv.numpy(), atol=1e-6)
    regions = read_regions(capture.layout.regions, len(mesh.vertices))
    assert set(regions) >= {"lips", "lids", "rigid"}
    facts = json.loads((studio / "lab" / "subject.json").read_text())
    assert facts["expression_names"] == list(subject.expression_names)
    assert len(list((studio / "lab").rglob("*.obj"))) == len(capture.segments)


def test_statistics_are_those_of_the_files(studio: Path) -> None:
    layout = CaptureLayout(studio / "lab")
    statistics = read_statistics(layout)
    instants = read_frame_list(layout.frame_list)
    meshes = np.stack([read_mesh_bin(layout.mesh_bin(instant)) for instant in instants]).astype(np.float64)
    assert np.allclose(statistics.vertex_mean, meshes.mean(0), atol=1e-4)
    assert np.isclose(statistics.vertex_variance, meshes.var(0).mean(), rtol=1e-4)
    averages = np.stack([read_texture(layout.average(instant)) for instant in instants]).astype(np.float64)
    seen = averages.any(3, keepdims=True)
    mean = averages.sum(0) / np.maximum(seen.sum(0), 1)
    assert np.array_equal(statistics.texture_mean, np.round(mean).astype(np.uint8))
    variance = (((averages - mean) ** 2) * seen).sum() / (3 * seen.sum())
    assert np.isclose(statistics.texture_variance, max(variance, 1.0), rtol=1e-6)


def test_stabilisation_error_leaves_the_world_where_it_is(tmp_path: Path, scene: Scene) -> None:
    worlds, heads = [], []
    for degrees, shift in ((0.0, 0.0), (0.3, 0.3)):
        settings = StudioSettings(
            identity_seed=3,
            lab_frames=3,
            lab_image_height=32,
            lab_image_width=24,
            texture_size=16,
            cameras=2,
            cameras_per_frame=1,
            stabilisation_deg=degrees,
            stabilisation_mm=shift,
        )
        layout = CaptureLayout(tmp_path / f"{degrees}")
        stage = LabStage(scene, settings, layout.root)
        tasks, instants = lab_tasks(stage.expression_names, settings)
        for task in tasks:
            stage.record(task)
        worlds.append(np.stack([world_vertices(layout, instant) for instant in instants]))
        heads.append(np.stack([read_mesh_bin(layout.mesh_bin(instant)) for instant in instants]))
        images = [read_image_png(path) for path in sorted(layout.root.glob("images/*/*/*.png"))]
        if degrees == 0.0:
            sharp = images
    assert np.abs(worlds[1] - worlds[0]).max() < 1e-3
    off = np.linalg.norm(heads[1] - heads[0], axis=2)
    assert 0.05 < off.mean() < 3.0
    assert off.mean(1).std() > 0.0  # another error each frame
    assert all(np.array_equal(one, other) for one, other in zip(sharp, images, strict=True))


def test_images_are_linear_light_on_an_even_ground(studio: Path) -> None:
    images = [read_image_png(path) for path in sorted((studio / "lab" / "images").glob("*/*/*.png"))]
    assert len(images) == 10
    for image in images:
        assert image.shape == (96, 72, 3)
        assert np.ptp(image[0].astype(int), axis=0).max() == 0 and image[0].max() < 8
        head = image[image.max(2) > 20]
        assert 0.15 < len(head) / (96 * 72) < 0.6
        assert 30 < np.median(head[:, 0]) < 200


def test_unseen_texels_are_zero_and_seen_black_is_not() -> None:
    texture, seen = torch.zeros(3, 2, 2), torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    bytes_ = seen_to_bytes(texture, seen)
    assert bytes_[0, 0].tolist() == [1, 1, 1] and bytes_[0, 1].tolist() == [0, 0, 0]
    other = np.zeros((2, 2, 3), np.uint8)
    other[0, 0] = 101
    average = average_texture([bytes_, other])
    assert average[0, 0].tolist() == [51, 51, 51] and average[1, 1].tolist() == [1, 1, 1]
