from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules.lab_captures import LabCaptures, LabCapturesSettings
from datamodules.lab_pixels import shrink_texture
from steadyface.errors import InputError
from steadyface.geometry.cameras import project, transform
from steadyface.geometry.normals import vertex_normals
from steadyface.types import LabBatch


def module(capture: Any, seed: int = 0, **changes: Any) -> LabCaptures:
    settings = LabCapturesSettings(
        folder=str(capture.folder), image_size=64, batch_size=4,
        held_out_segments=["EXP_free"], held_out_cameras=["400012"],
    )  # fmt: skip
    for name, value in changes.items():
        setattr(settings, name, value)
    lab = LabCaptures(settings, seed)
    lab.setup()
    return lab


def collected(loader: Any) -> LabBatch:
    return LabBatch(*(torch.cat(values) for values in zip(*loader, strict=True)))


@pytest.fixture(scope="module")
def lab(tiny_capture: Any) -> LabCaptures:
    return module(tiny_capture)


def test_every_pixel_lies_where_its_colour_says(lab: LabCaptures) -> None:
    """Colour is (u, v): at a projected vertex the crop must show that vertex's texture coordinates."""
    batch, statistics = collected(lab.train_dataloader()), lab.statistics
    points = transform(batch.vertices, batch.rotation, batch.translation)
    pixels = project(points, batch.intrinsics)
    inner = ((statistics.uv - 0.5).abs() < 0.4).all(1)
    grid = ((pixels[:, inner] + 0.5) / 64 * 2 - 1).unsqueeze(1)
    sampled = torch.nn.functional.grid_sample(batch.image, grid, align_corners=False)[:, :2, 0].mT
    error_px = (sampled - statistics.uv[inner]).abs().max() * (pixels.amax(1) - pixels.amin(1)).max()
    assert error_px < 0.5
    assert (batch.image[:, 2:] > 0.05).float().sub(batch.silhouette).abs().mean() < 0.03


def test_normals_are_those_of_the_mesh_in_the_camera(lab: LabCaptures) -> None:
    """At a projected vertex in the middle of the face, the crop's normal is the vertex's own."""
    batch, statistics = collected(lab.train_dataloader()), lab.statistics
    assert torch.equal(batch.normal.norm(dim=1, keepdim=True) > 0.5, batch.silhouette > 0)
    points = transform(batch.vertices, batch.rotation, batch.translation)
    inner = ((statistics.uv - 0.5).abs() < 0.3).all(1)
    grid = ((project(points, batch.intrinsics)[:, inner] + 0.5) / 64 * 2 - 1).unsqueeze(1)
    seen = torch.nn.functional.grid_sample(batch.normal, grid, align_corners=False)[:, :, 0].mT
    expected = vertex_normals(points, statistics.faces)[:, inner]
    assert (seen * expected).sum(-1).min() > 0.9


def test_textures_are_the_right_way_up_and_masked(lab: LabCaptures) -> None:
    batch = collected(lab.train_dataloader())
    centre = (torch.arange(24) + 0.5) / 24
    assert (batch.average_texture[:, 0] - centre).abs().max() < 0.005  # u along the columns
    assert (batch.average_texture[:, 1] - centre[:, None]).abs().max() < 0.005  # v along the rows
    assert batch.average_mask.min() == 1
    for view in range(len(batch.camera)):
        unseen = 2 + int(batch.camera[view])
        assert batch.texture_mask[view, 0, :unseen].max() == 0
        assert batch.texture_mask[view, 0, unseen:].min() == 1
    assert (lab.statistics.texture_mean[0] - centre).abs().max() < 0.005
    assert lab.statistics.texture_std == pytest.approx(30 / 255)
    assert lab.statistics.vertex_std == pytest.approx(4)


def test_meshes_are_canonical_and_numbered(lab: LabCaptures, tiny_capture: Any) -> None:
    truth = torch.stack([mesh for key, mesh in tiny_capture.meshes.items() if key.segment != "EXP_free_face"])
    assert (lab.frame_meshes - truth).abs().max() < 0.02
    encoded = collected(lab.instants())
    assert encoded.frame.tolist() == list(range(10))
    assert torch.equal(encoded.vertices, lab.frame_meshes)
    assert lab.frame_average_textures.shape == (10, 24, 24, 3)
    assert lab.statistics.regions.keys() == {"lips"} and len(lab.statistics.rigid_vertices) == 45


def test_view_direction_points_to_the_camera(lab: LabCaptures) -> None:
    """R_head^T (-R_cam^T t_cam - t_head), through head -> camera: the camera centre in the head frame."""
    batch = collected(lab.train_dataloader())
    centre = torch.linalg.solve(batch.rotation, -batch.translation)
    assert torch.allclose(batch.view_direction, centre / centre.norm(dim=1, keepdim=True), atol=1e-5)
    assert (batch.view_direction[:, 2] < -0.5).all()  # a face looks along -z


def test_splits_hold_out_segments_and_cameras(lab: LabCaptures) -> None:
    training, validation = collected(lab.train_dataloader()), collected(lab.val_dataloader())
    assert set(training.camera.tolist()) == {0, 1} and training.frame.max() <= 9
    assert validation.camera.tolist() == [2, 2, 2] and validation.frame.tolist() == [10, 11, 12]
    assert lab.statistics.cameras == ("400010", "400011", "400012")


def test_the_views_of_an_instant_stand_side_by_side(tiny_capture: Any) -> None:
    loader = module(tiny_capture, views_per_instant=2).train_dataloader()
    batch = collected(loader)
    frame, camera = batch.frame.view(-1, 2), batch.camera.view(-1, 2)
    assert len(loader) == 5 and torch.equal(frame[:, 0], frame[:, 1]) and (camera[:, 0] != camera[:, 1]).all()
    assert sorted(frame[:, 0].tolist()) == list(range(10))
    # who rehearses the lab beside a clip gets single views, as ever
    plain = module(tiny_capture, views_per_instant=2).training_batches(4, seed=0)
    assert torch.equal(collected(plain).frame, collected(module(tiny_capture).train_dataloader()).frame)


def test_nothing_is_validated_without_a_holdout(tiny_capture: Any) -> None:
    lab = module(tiny_capture, held_out_segments=[], held_out_cameras=[])
    assert lab.val_dataloader() == [] and len(lab.train_dataloader()) == 39 // 4


def test_the_crop_holds_the_mesh_and_is_displaced_by_seed(tiny_capture: Any) -> None:
    first, again, other = (collected(module(tiny_capture, seed, batch_size=1).instants()) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first.intrinsics, other.intrinsics)
    centred = collected(module(tiny_capture, crop_jitter=0.0).instants())
    pixels = project(transform(centred.vertices, centred.rotation, centred.translation), centred.intrinsics)
    low, high = pixels.amin(1), pixels.amax(1)
    assert torch.allclose((low + high) / 2, torch.full((10, 2), 31.5), atol=0.01)
    assert torch.allclose((high - low).amax(1), torch.full((10,), 64 / 1.35), atol=0.01)


def test_smaller_textures_and_fewer_frames(tiny_capture: Any) -> None:
    lab = module(tiny_capture, texture_size=12, frame_step=2, workers=1)
    batch = collected(lab.instants())
    assert batch.texture.shape == (5, 3, 12, 12) and lab.statistics.texture_size == 12
    centre = (torch.arange(12) + 0.5) / 12
    assert (batch.average_texture[:, 0] - centre).abs().max() < 0.005
    with pytest.raises(InputError, match="texture_size: expected at most 24"):
        module(tiny_capture, texture_size=48)


def test_shrinking_ignores_unseen_texels() -> None:
    texture = np.full((4, 4, 3), 200, np.uint8)
    texture[0, 0] = 0
    texture[2:, 2:] = 0
    texture[3, 3] = 100
    assert shrink_texture(texture, 2)[..., 0].tolist() == [[200, 200], [200, 0]]


def test_a_missing_average_is_the_mean_of_the_views(private_capture: Callable[[], Any]) -> None:
    capture = private_capture()
    shutil.rmtree(capture.folder / "unwrapped_uv_1024" / "SEN_well_done" / "average")
    texture = capture.folder / "unwrapped_uv_1024" / "SEN_well_done" / "400011" / "000100.png"
    Image.fromarray(np.full((24, 24, 3), 250, np.uint8)).save(texture)
    batch = collected(module(capture).instants())
    centre = (torch.arange(24) + 0.5) / 24
    assert batch.average_mask[6, 0, 2:].min() == 1 and batch.average_mask[6, 0, :2].max() == 0
    mean = (250 / 255 + centre) / 2  # of the two held-in cameras; the third must not leak in
    assert (batch.average_texture[5, 0, 4:] - mean).abs().max() < 0.005


def test_without_named_regions_the_still_half_is_found(private_capture: Callable[[], Any]) -> None:
    capture = private_capture()
    (capture.folder / "regions.json").unlink()
    lab = module(capture)
    assert lab.statistics.regions == {}
    assert (capture.mean[lab.statistics.rigid_vertices, 0] <= 0).all()


def test_distortion_is_undone(private_capture: Callable[[], Any]) -> None:
    """The images were taken by a straight lens: undoing a distortion they lack must displace them."""
    capture = private_capture()
    before = collected(module(capture).instants())
    krt = capture.folder / "KRT"
    krt.write_text(krt.read_text().replace("0 0 0 0 0", "-0.9 0 0 0 0"))
    after = collected(module(capture).instants())
    assert (before.image - after.image).abs().mean() > 0.005


def test_bad_input(private_capture: Callable[[], Any], caplog: pytest.LogCaptureFixture) -> None:
    capture = private_capture()
    for changes, expected in (
        ({"folder": "absent"}, "no such folder"),
        ({"held_out_segments": ["EXP_fre_face"]}, "did you mean 'EXP_free_face'"),
        ({"held_out_cameras": ["400013"]}, "held_out_cameras"),
        ({"held_out_cameras": ["400010", "400011", "400012"]}, "leave none"),
        ({"image_size": 0}, "image_size: expected 8 or more"),
        ({"crop_jitter": 0.7}, "crop_jitter"),
        ({"views_per_instant": 0}, "views_per_instant: expected 1 or more"),
        ({"views_per_instant": 3}, "batch_size: expected a multiple of views_per_instant, 3, got 4"),
        ({"image_size": 200_000}, "fits into"),
    ):
        with pytest.raises(InputError, match=expected):
            module(capture, **changes)
    with pytest.raises(InputError, match="at most 20, a process's share of the 20 training views"):
        module(capture, batch_size=21).train_dataloader()
    with pytest.raises(InputError, match="views_per_instant: expected so few that instants of up to 2 training views"):
        module(capture, views_per_instant=4).train_dataloader()
    image = capture.folder / "images" / "E001_Neutral" / "400010" / "000102.png"
    image.write_bytes(image.read_bytes()[:100])
    with pytest.raises(InputError, match=r"000102\.png"):
        module(capture)
    image.unlink()
    caplog.set_level(logging.WARNING)
    assert len(module(capture).train_dataloader()) == 4  # 19 views are left
    (capture.folder / "tracked_mesh" / "E001_Neutral" / "000101.bin").write_bytes(bytes(24))
    with pytest.raises(InputError, match=r"expected 81 vertices.*got 2"):
        module(capture)
    (capture.folder / "tracked_mesh" / "E001_Neutral" / "000101.bin").unlink()
    Image.new("RGB", (12, 12)).save(capture.folder / "unwrapped_uv_1024" / "E001_Neutral" / "average" / "000100.png")
    with pytest.raises(InputError, match=r"24 x 24 texels.*got 12 x 12"):
        module(capture)


def test_a_capture_read_batch_by_batch_gives_the_same_bytes(lab: LabCaptures, tiny_capture: Any) -> None:
    read = module(tiny_capture, in_memory=False)
    for first, second in zip(collected(lab.train_dataloader()), collected(read.train_dataloader()), strict=True):
        assert torch.equal(first, second)
    assert torch.equal(lab.frame_average_textures, read.frame_average_textures)
