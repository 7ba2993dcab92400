"""Cameras: projection by hand, crops by resampling a picture, the direction of view."""

from __future__ import annotations

import math

import torch
from pytorch3d.transforms import random_rotations, so3_exp_map
from torch import Tensor
from torch.nn.functional import interpolate as resize

from steadyface.geometry.cameras import crop_intrinsics, project, transform, view_direction

K = torch.tensor([[[500.0, 2.0, 239.5], [0.0, 480.0, 319.5], [0.0, 0.0, 1.0]]], dtype=torch.float64)


def points(count: int = 6, batch: int = 2) -> Tensor:
    return torch.randn(batch, count, 3, dtype=torch.float64) * 40 + torch.tensor([0.0, 0, 400])


def test_transform_and_project_by_hand() -> None:
    rotation = random_rotations(2, dtype=torch.float64)
    translation = torch.randn(2, 3, dtype=torch.float64) * 10
    head, intrinsics = points() - torch.tensor([0.0, 0, 400]), torch.cat([K, 0.5 * K])
    intrinsics[:, 2, 2] = 1
    moved = transform(head, rotation, translation + torch.tensor([0.0, 0, 500]))
    pixels = project(moved, intrinsics)
    for image in range(2):
        for index in range(head.shape[1]):
            expected = rotation[image] @ head[image, index] + translation[image] + torch.tensor([0.0, 0, 500])
            torch.testing.assert_close(moved[image, index], expected)
            x, y, z = expected.tolist()
            (fx, skew, cx), (_, fy, cy), _ = intrinsics[image].tolist()
            by_hand = torch.tensor([fx * x / z + skew * y / z + cx, fy * y / z + cy], dtype=torch.float64)
            torch.testing.assert_close(pixels[image, index], by_hand)


def test_the_axes_are_opencv_s() -> None:
    """Right of the axis is a larger column, below it a larger row, and on it the principal point."""
    seen = project(torch.tensor([[[0.0, 0, 900], [10, 0, 900], [0, 10, 900]]]), K.float())[0]
    torch.testing.assert_close(seen[0], K[0, :2, 2].float())
    assert seen[1, 0] > seen[0, 0] and seen[2, 1] > seen[0, 1]


def test_what_is_behind_the_camera_stays_finite() -> None:
    behind = torch.tensor([[[5.0, 5.0, -300.0], [5.0, 5.0, 0.0]]], requires_grad=True)
    pixels = project(behind, K.float())
    pixels.sum().backward()
    assert torch.isfinite(pixels).all() and torch.isfinite(behind.grad).all()


def test_project_passes_gradcheck_for_points_camera_and_pose() -> None:
    cloud, intrinsics = points().requires_grad_(), K.expand(2, 3, 3).clone().requires_grad_()
    assert torch.autograd.gradcheck(project, (cloud, intrinsics))
    turn = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    shift = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    still = points().detach() - torch.tensor([0.0, 0, 400])
    start, away = random_rotations(2, dtype=torch.float64), torch.tensor([0.0, 0, 500])

    def pixels(turn: Tensor, shift: Tensor) -> Tensor:
        return project(transform(still, so3_exp_map(turn) @ start, shift + away), K.expand(2, 3, 3))

    assert torch.autograd.gradcheck(pixels, (turn, shift))


def test_crop_intrinsics_follow_the_formula() -> None:
    boxes = torch.tensor([[30.0, 41, 200, 100], [-20.5, 10.25, 77, 133]], dtype=torch.float64)
    intrinsics, cloud = K.expand(2, 3, 3), points()
    frame = project(cloud, intrinsics)
    crop = project(cloud, crop_intrinsics(intrinsics, boxes, 128))
    expected = (frame + 0.5 - boxes[:, None, :2]) * 128 / boxes[:, None, 2:] - 0.5
    torch.testing.assert_close(crop, expected)


def test_the_whole_frame_is_its_own_crop_and_crops_chain() -> None:
    whole = torch.tensor([[0.0, 0, 64, 64]], dtype=torch.float64)
    torch.testing.assert_close(crop_intrinsics(K, whole, 64), K)
    left_half = torch.tensor([[0.0, 0, 32, 32]], dtype=torch.float64)
    twice = crop_intrinsics(crop_intrinsics(K, whole * 2, 64), left_half, 16)
    torch.testing.assert_close(twice, crop_intrinsics(K, whole, 16))


def test_a_crop_that_is_really_resampled_shows_the_dot_where_the_crop_s_camera_says() -> None:
    """Paint a soft dot where a point projects, cut and shrink the picture, and find the dot again."""
    cloud = torch.tensor([[[25.0, -18.0, 420.0]]], dtype=torch.float64)
    x, y = project(cloud, K)[0, 0].tolist()
    row, column = torch.meshgrid(torch.arange(640).double(), torch.arange(480).double(), indexing="ij")
    picture = torch.exp(-((column - x) ** 2 + (row - y) ** 2) / (2 * 9.0**2))
    left, top, side, size = 200, 230, 160, 40
    cut = picture[None, None, top : top + side, left : left + side]
    small = resize(cut, size=(size, size), mode="area")[0, 0]
    steps = torch.arange(size).double()
    found = torch.stack([(small.sum(0) * steps).sum(), (small.sum(1) * steps).sum()]) / small.sum()
    box = torch.tensor([[left, top, side, side]], dtype=torch.float64)
    expected = project(cloud, crop_intrinsics(K, box, size))[0, 0]
    torch.testing.assert_close(found, expected, rtol=0, atol=0.01)


def test_view_direction_points_from_the_head_to_the_camera() -> None:
    rotation, translation = random_rotations(3), torch.randn(3, 3) * 50 + torch.tensor([0, 0, 700.0])
    direction = view_direction(rotation, translation)
    torch.testing.assert_close(direction.norm(dim=-1), torch.ones(3))
    # walking from the head's origin along it for the distance ends in the camera's centre
    distance = translation.norm(dim=-1, keepdim=True)
    reached = transform((direction * distance).unsqueeze(1), rotation, translation)
    torch.testing.assert_close(reached, torch.zeros(3, 1, 3), rtol=0, atol=1e-3)


def test_a_face_that_looks_into_the_camera_is_viewed_along_minus_z() -> None:
    angle = math.radians(30)
    turned = so3_exp_map(torch.tensor([[0.0, angle, 0.0]]))
    direction = view_direction(torch.cat([torch.eye(3)[None], turned]), torch.tensor([[0.0, 0, 600]] * 2))
    expected = torch.tensor([[0.0, 0, -1], [math.sin(angle), 0, -math.cos(angle)]])
    torch.testing.assert_close(direction, expected, rtol=0, atol=1e-6)
