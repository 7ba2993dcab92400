"""The augmented picture, its K and its pose must stay one thing."""

from __future__ import annotations

import pytest
import torch
from pytorch3d.transforms import so3_exp_map
from torch import Tensor

from steadyface.capture.phone_augmentation import (
    PhoneAugmentation,
    PhoneView,
    random_backgrounds,
    random_light,
    roll_camera,
    warp_affine,
)
from steadyface.geometry.cameras import project, transform
from steadyface.randomness import drawing
from steadyface.types import LabBatch

COUNT, LAB, PHONE = 8, 96, 64
POINT = torch.tensor([[[14.0, -22.0, -60.0]]])


def blob_batch(radius: float = 4.0) -> LabBatch:
    """A white blob where a point of the head is projected, black skin around it everywhere."""
    rotation = so3_exp_map(0.2 * torch.randn(COUNT, 3))
    translation = torch.tensor([0.0, 0.0, 600.0]) + torch.randn(COUNT, 3) * torch.tensor([12.0, 12.0, 40.0])
    intrinsics = torch.tensor([[230.0, 0.8, 47.0], [0.0, 222.0, 48.5], [0.0, 0.0, 1.0]]).expand(COUNT, 3, 3)
    pixels = project(transform(POINT.expand(COUNT, -1, -1), rotation, translation), intrinsics)
    steps = torch.arange(float(LAB))
    square = (steps - pixels[..., :1]).square().unsqueeze(-2) + (steps - pixels[..., 1:]).square().unsqueeze(-1)
    image = torch.exp(-0.5 * square / radius**2).expand(-1, 3, -1, -1)
    nothing, texture = torch.zeros(COUNT), torch.zeros(COUNT, 1, 1, 1)
    return LabBatch(
        image, torch.ones(COUNT, 1, LAB, LAB), torch.zeros(COUNT, 3, LAB, LAB), intrinsics, rotation, translation,
        POINT.expand(COUNT, -1, -1),
        texture, texture, texture, texture, nothing[:, None], nothing.long(), nothing.long(),
    )  # fmt: skip


def centroid(image: Tensor) -> Tensor:
    """Centre of brightness of (B, 1, S, S), in pixels: (B, 2)."""
    steps = torch.arange(float(image.shape[-1]))
    mass = image.flatten(1).sum(1)
    x, y = (image * steps).flatten(1).sum(1), (image * steps.unsqueeze(-1)).flatten(1).sum(1)
    return torch.stack([x, y], dim=-1) / mass.unsqueeze(-1)


def place_of_point(view: PhoneView) -> Tensor:
    placed = transform(POINT.expand(COUNT, -1, -1), view.rotation, view.translation)
    return project(placed, view.intrinsics)[:, 0]


def augmented(batch: LabBatch, step: int = 0, size: int = PHONE) -> PhoneView:
    with drawing(0, "view", step):
        return PhoneAugmentation(size)(batch)


@pytest.mark.parametrize("size", [PHONE, 100])
def test_the_blob_lies_where_the_returned_camera_projects_it(size: int) -> None:
    """Before colour and noise: the warp alone, by the augmentation's own virtual camera."""
    batch = blob_batch()
    with drawing(0, "view", size):
        to_crop, roll = PhoneAugmentation(size)._virtual_camera(COUNT, LAB, torch.device("cpu"))
    warped = warp_affine(batch.image[:, :1], to_crop, size)
    view = PhoneView(warped, *roll_camera(batch, to_crop, roll))
    place = place_of_point(view)
    whole = ((place > 20) & (place < size - 21)).all(-1)
    assert int(whole.sum()) >= 3
    assert float((centroid(warped) - place)[whole].norm(dim=-1).max()) < 0.1
    assert float(roll.abs().max()) > 0.05  # or the test would not see a roll's sign


def test_the_blob_of_the_whole_augmentation_lies_there_too() -> None:
    """After colour, blur and noise: still within half a pixel."""
    batch = blob_batch()
    view = augmented(batch)
    steps = torch.arange(PHONE)
    checked = 0
    for image, place in zip(view.image.mean(1), place_of_point(view), strict=True):
        if not ((place > 10) & (place < PHONE - 11)).all():
            continue
        near = (steps - place[0]).abs() < 9, (steps - place[1]).abs() < 9  # what lies further off is background
        window = image * (near[1].unsqueeze(-1) & near[0])
        core = (window - 0.6 * window.max()).clamp(min=0.0)
        assert float((centroid(core[None, None])[0] - place).norm()) < 0.5
        checked += 1
    assert checked >= 3


def test_the_pose_stays_a_rotation_and_the_distance_stays() -> None:
    batch = blob_batch()
    view = augmented(batch)
    identity = torch.eye(3).expand(COUNT, 3, 3)
    torch.testing.assert_close(view.rotation @ view.rotation.transpose(-1, -2), identity, rtol=0, atol=1e-5)
    torch.testing.assert_close(view.translation.norm(dim=-1), batch.translation.norm(dim=-1))
    torch.testing.assert_close(view.translation[:, 2], batch.translation[:, 2])
    torch.testing.assert_close(view.intrinsics[:, 2], torch.tensor([0.0, 0.0, 1.0]).expand(COUNT, 3))


def test_an_unmapped_camera_is_the_lab_camera() -> None:
    batch = blob_batch()
    same = roll_camera(batch, torch.eye(3).expand(COUNT, 3, 3), torch.zeros(COUNT))
    for found, expected in zip(same, (batch.intrinsics, batch.rotation, batch.translation), strict=True):
        torch.testing.assert_close(found, expected)


def test_the_roll_goes_into_the_pose_and_leaves_k_upright() -> None:
    """A rolled K would project as well, but no phone has one: with square pixels K only zooms and shifts."""
    batch = blob_batch()
    upright = torch.tensor([[230.0, 0.0, 47.0], [0.0, 230.0, 48.5], [0.0, 0.0, 1.0]]).expand(COUNT, 3, 3)
    found = augmented(batch._replace(intrinsics=upright)).intrinsics
    torch.testing.assert_close(found[:, [0, 1], [1, 0]], torch.zeros(COUNT, 2), rtol=0, atol=1e-3)
    torch.testing.assert_close(found[:, 0, 0], found[:, 1, 1])
    assert float(found[:, 0, 0].std()) > 1.0


def test_warping_by_the_identity_changes_nothing() -> None:
    image = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(warp_affine(image, torch.eye(3).expand(2, 3, 3), 16), image, rtol=0, atol=1e-5)


def test_warping_by_whole_pixels_moves_pixels() -> None:
    image, shift = torch.rand(1, 1, 8, 8), torch.eye(3)[None].clone()
    shift[0, 0, 2], shift[0, 1, 2] = 2.0, -1.0
    moved = warp_affine(image, shift, 8)
    torch.testing.assert_close(moved[..., :7, 2:], image[..., 1:, :6], rtol=0, atol=1e-5)


def test_the_same_keys_give_the_same_view_and_another_step_another() -> None:
    batch = blob_batch()
    first, torch_moved = augmented(batch, 4), torch.rand(7)
    again, other = augmented(batch, 4), augmented(batch, 5)
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True)) and len(torch_moved)
    assert not any(torch.equal(one, two) for one, two in zip(first, other, strict=True))


def test_views_in_a_batch_differ() -> None:
    view = augmented(blob_batch())
    assert len({tuple(row.tolist()) for row in view.intrinsics.flatten(1)}) == COUNT


def test_the_head_hides_the_background_and_the_background_fills_the_rest() -> None:
    batch = blob_batch()
    bare = batch._replace(silhouette=torch.zeros(COUNT, 1, LAB, LAB))
    covered, open_view = augmented(batch), augmented(bare)
    assert float(open_view.image.std(0).mean()) > 0.05  # backgrounds of one batch are not one picture
    lit = place_of_point(covered).round().long().clamp(0, PHONE - 1)
    row = torch.arange(COUNT)
    away = (place_of_point(covered) > 8).all(-1) & (place_of_point(covered) < PHONE - 9).all(-1)
    assert float(covered.image.mean(1)[row, lit[:, 1], lit[:, 0]][away].min()) > 0.3


def test_pictures_stay_in_range_and_in_size() -> None:
    view = augmented(blob_batch(), size=48)
    assert view.image.shape == (COUNT, 3, 48, 48)
    assert float(view.image.min()) >= 0.0 and float(view.image.max()) <= 1.0
    backgrounds = random_backgrounds(3, 33, torch.device("cpu"))
    assert backgrounds.shape == (3, 3, 33, 33)
    assert float(backgrounds.min()) >= 0.0 and float(backgrounds.max()) <= 1.0


def sphere_normals() -> Tensor:
    """Normals of the near half of a ball, camera frame, (COUNT, 3, 32, 32); 0 beside it."""
    steps = torch.linspace(-1.2, 1.2, 32)
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    square = x.square() + y.square()
    normal = torch.stack([x, y, -(1 - square).clamp(min=0).sqrt()]) * (square < 1)
    return normal.expand(COUNT, 3, 32, 32)


def test_a_random_light_is_of_about_one_and_comes_from_one_side() -> None:
    normal = sphere_normals()
    with drawing(0, "light", 0):
        light = random_light(normal, 1.0)
    on_ball = normal.square().sum(1, keepdim=True).sqrt()
    mean = (light * on_ball).sum((1, 2, 3)) / (3 * on_ball.sum((1, 2, 3)))
    assert float(light.min()) > 0.0 and float(mean.min()) > 0.4 and float(mean.max()) < 2.0
    halves = torch.stack([part[..., 4:28, 4:28].mean((1, 2, 3)) for part in (light[..., :16], light[..., 16:])])
    assert float((halves[0] / halves[1]).log().abs().max()) > 0.2
    # the light of a place is a function of its normal: a mirrored ball is lit as the ball, mirrored
    with drawing(0, "light", 0):
        mirrored = random_light(normal.flip(-1), 1.0)
    torch.testing.assert_close(mirrored, light.flip(-1))


def test_views_that_are_not_relit_keep_their_light() -> None:
    normal = sphere_normals()
    assert torch.equal(random_light(normal, 0.0), torch.ones_like(normal))
    some = (random_light(torch.cat([normal] * 8), 0.5) == 1).flatten(1).all(1)
    assert 8 < int(some.sum()) < 56


def test_relighting_moves_nothing() -> None:
    batch = blob_batch()
    batch = batch._replace(normal=torch.tensor([0.0, 0.0, -1.0]).view(1, 3, 1, 1).expand(COUNT, 3, LAB, LAB))
    with drawing(0, "view", 0):
        view = PhoneAugmentation(PHONE, relit=1.0)(batch)
    assert not torch.equal(view.image, augmented(batch).image)
    torch.testing.assert_close(place_of_point(view), place_of_point(augmented(batch)))
