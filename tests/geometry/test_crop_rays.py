"""Poses in a crop's coordinates and back: against plain projections, and the same from displaced crops."""

from __future__ import annotations

import math

import torch
from pytorch3d.transforms import so3_exp_map
from torch import Tensor

from steadyface.geometry.cameras import crop_intrinsics
from steadyface.geometry.crop_rays import (
    CropPose,
    focal_length,
    from_crop_rays,
    rotation_from_numbers,
    to_crop_rays,
    turn_to_ray,
)

SIZE, COUNT = 96, 6
ANCHOR = torch.tensor([3.0, -12.0, -55.0], dtype=torch.float64)
FRAME = torch.tensor([[900.0, 0.0, 640.0], [0.0, 880.0, 350.0], [0.0, 0.0, 1.0]], dtype=torch.float64)


def poses() -> tuple[Tensor, Tensor]:
    """Turned heads all over a frame of 1280 x 720: (B, 3, 3), (B, 3) mm."""
    generator = torch.Generator().manual_seed(3)
    rotation = so3_exp_map(0.4 * torch.randn(COUNT, 3, generator=generator, dtype=torch.float64))
    spread = torch.tensor([200.0, 100.0, 120.0], dtype=torch.float64)
    return rotation, torch.randn(COUNT, 3, generator=generator, dtype=torch.float64) * spread + FRAME.new_tensor(
        [0.0, 0.0, 600.0]
    )


def crops(left: float, top: float, side: float) -> Tensor:
    return crop_intrinsics(FRAME.expand(COUNT, 3, 3), FRAME.new_tensor([left, top, side, side]), SIZE)


def test_against_one_projection_at_a_time() -> None:
    rotation, translation = poses()
    intrinsics = crops(400.0, 100.0, 480.0)
    pose = to_crop_rays(rotation, translation, ANCHOR, intrinsics, SIZE)
    for index in range(COUNT):
        x, y, z = (rotation[index] @ ANCHOR + translation[index]).tolist()
        column, row = FRAME[0, 0] * x / z + FRAME[0, 2], FRAME[1, 1] * y / z + FRAME[1, 2]
        assert math.isclose(float(pose.position[index, 0]), (float(column) + 0.5 - 400) / 480 - 0.5, abs_tol=1e-9)
        assert math.isclose(float(pose.position[index, 1]), (float(row) + 0.5 - 100) / 480 - 0.5, abs_tol=1e-9)
        span_mm = 480 * z / math.sqrt(900 * 880)
        assert math.isclose(float(pose.log_depth[index]), math.log(span_mm), abs_tol=1e-9)
        # a head turned to its ray keeps the angle to it: the ray, in the head's own axes
        ray = torch.tensor([x, y, z], dtype=torch.float64) / math.sqrt(x * x + y * y + z * z)
        torch.testing.assert_close(rotation[index].t() @ ray, pose.rotation[index, 2])


def test_there_and_back() -> None:
    rotation, translation = poses()
    intrinsics = crops(320.0, 60.0, 512.0)
    intrinsics[:, 0, 1] = 4.0  # a skew, as an augmentation's roll of unequal focal lengths leaves
    again = from_crop_rays(to_crop_rays(rotation, translation, ANCHOR, intrinsics, SIZE), ANCHOR, intrinsics, SIZE)
    torch.testing.assert_close(again[0], rotation)
    torch.testing.assert_close(again[1], translation)


def test_a_moved_crop_changes_the_position_alone() -> None:
    """What a network must say of displaced crops of one frame differs by the displacement, and gives one pose."""
    rotation, translation = poses()
    first, second = crops(400.0, 100.0, 480.0), crops(448.0, 76.0, 480.0)
    one, other = (to_crop_rays(rotation, translation, ANCHOR, crop, SIZE) for crop in (first, second))
    torch.testing.assert_close(one.rotation, other.rotation)
    torch.testing.assert_close(one.log_depth, other.log_depth)
    moved = one._replace(position=one.position + FRAME.new_tensor([-0.1, 0.05]))
    torch.testing.assert_close(moved.position, other.position)
    again = from_crop_rays(moved, ANCHOR, second, SIZE)
    torch.testing.assert_close(again[0], rotation)
    torch.testing.assert_close(again[1], translation)


def test_a_longer_lens_puts_the_same_picture_further_away() -> None:
    intrinsics = crops(400.0, 100.0, 480.0)
    longer = intrinsics.clone()
    longer[:, :2, :2] *= 2.0
    straight = torch.eye(3, dtype=torch.float64).expand(COUNT, 3, 3)
    pose = CropPose(straight, FRAME.new_zeros(COUNT, 2), FRAME.new_full((COUNT,), math.log(300.0)))
    near, far = (from_crop_rays(pose, torch.zeros_like(ANCHOR), crop, SIZE)[1][:, 2] for crop in (intrinsics, longer))
    torch.testing.assert_close(far, 2.0 * near)


def test_the_focal_length_ignores_the_cameras_roll() -> None:
    turn = so3_exp_map(torch.tensor([[0.0, 0.0, 0.3]], dtype=torch.float64))
    torch.testing.assert_close(focal_length(FRAME[None] @ turn), focal_length(FRAME[None]))
    torch.testing.assert_close(focal_length(FRAME[None]), FRAME.new_tensor([math.sqrt(900.0 * 880.0)]))


def test_the_turn_to_a_ray_is_the_shortest() -> None:
    ray = torch.cat([torch.randn(20, 2, dtype=torch.float64), torch.ones(20, 1, dtype=torch.float64)], dim=1)
    turn, unit = turn_to_ray(ray), torch.nn.functional.normalize(ray, dim=1)
    torch.testing.assert_close(turn @ turn.mT, torch.eye(3, dtype=torch.float64).expand(20, 3, 3))
    torch.testing.assert_close(turn[:, :, 2], unit)
    angle = torch.acos(((turn.diagonal(dim1=1, dim2=2).sum(1) - 1) / 2).clamp(-1, 1))
    torch.testing.assert_close(angle, torch.acos(unit[:, 2]))


def test_six_numbers_make_a_rotation() -> None:
    numbers = 0.5 * torch.randn(5, 6, dtype=torch.float64)
    rotation = rotation_from_numbers(numbers)
    torch.testing.assert_close(rotation @ rotation.mT, torch.eye(3, dtype=torch.float64).expand(5, 3, 3))
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(5, dtype=torch.float64))
    torch.testing.assert_close(rotation_from_numbers(torch.zeros(1, 6)), torch.eye(3)[None])


def test_the_gradients_hold() -> None:
    rotation, translation = poses()
    intrinsics = crops(400.0, 100.0, 480.0)[:2]

    def back(numbers: Tensor, position: Tensor, log_depth: Tensor) -> tuple[Tensor, Tensor]:
        pose = CropPose(rotation_from_numbers(numbers), position, log_depth)
        return from_crop_rays(pose, ANCHOR, intrinsics, SIZE)

    start = (0.2 * torch.randn(2, 6), 0.3 * torch.randn(2, 2), torch.tensor([5.0, 5.5]))
    assert torch.autograd.gradcheck(back, [part.double().requires_grad_(True) for part in start])
    assert torch.autograd.gradcheck(
        lambda r, t: to_crop_rays(r, t, ANCHOR, intrinsics, SIZE),
        [rotation[:2].clone().requires_grad_(True), translation[:2].clone().requires_grad_(True)],
    )
