"""The rigid motion between two meshes: known motions, chosen vertices, least squares, no mirror."""

from __future__ import annotations

import torch
from pytorch3d.transforms import random_rotations, so3_exp_map
from torch import Tensor

from steadyface.geometry.alignment import align_rigid, canonicalise
from steadyface.geometry.cameras import transform


def cloud(batch: int = 3, count: int = 40) -> Tensor:
    return torch.randn(batch, count, 3, dtype=torch.float64) * torch.tensor([60.0, 90, 40])


def test_a_known_motion_is_found() -> None:
    source, rotation = cloud(), random_rotations(3, dtype=torch.float64)
    translation = torch.randn(3, 3, dtype=torch.float64) * 300
    found_rotation, found_translation = align_rigid(source, transform(source, rotation, translation))
    torch.testing.assert_close(found_rotation, rotation)
    torch.testing.assert_close(found_translation, translation)


def test_one_target_serves_the_whole_batch() -> None:
    target, rotation = cloud(batch=1)[0], random_rotations(3, dtype=torch.float64)
    source = transform(target.expand(3, -1, -1), rotation, torch.ones(3, 3, dtype=torch.float64))
    back = transform(source, *align_rigid(source, target))
    torch.testing.assert_close(back, target.expand(3, -1, -1))


def test_only_the_chosen_vertices_take_part() -> None:
    source = cloud()
    rotation, translation = random_rotations(3, dtype=torch.float64), torch.zeros(3, 3, dtype=torch.float64)
    target = transform(source, rotation, translation)
    target[:, 20:] += 50 * torch.randn(3, 20, 3, dtype=torch.float64)
    chosen, _ = align_rigid(source, target, torch.arange(20))
    torch.testing.assert_close(chosen, rotation)
    everything, _ = align_rigid(source, target)
    assert (everything - rotation).abs().max() > 0.01


def test_the_motion_is_the_least_squares_one() -> None:
    """No small turn or shift about what was found comes nearer to a noisy target."""
    source = cloud()
    target = transform(source, random_rotations(3, dtype=torch.float64), 5 * torch.ones(3, 3, dtype=torch.float64))
    target = target + 8 * torch.randn_like(target)
    rotation, translation = align_rigid(source, target)

    def residual(rotation: Tensor, translation: Tensor) -> Tensor:
        return (transform(source, rotation, translation) - target).square().sum((1, 2))

    best = residual(rotation, translation)
    for _ in range(20):
        turn = so3_exp_map(0.01 * torch.randn(3, 3, dtype=torch.float64))
        assert (residual(turn @ rotation, translation) > best).all()
        assert (residual(rotation, translation + torch.randn(3, 3, dtype=torch.float64)) > best).all()


def test_a_mirrored_target_gets_a_rotation_all_the_same() -> None:
    source = cloud()
    rotation, _ = align_rigid(source, source * torch.tensor([-1.0, 1, 1]))
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(3, dtype=torch.float64))


def test_float32_comes_back_as_float32_far_from_the_origin() -> None:
    """A metre away, float32 sums would lose the turn: inside it is float64."""
    source, rotation = cloud(count=2000).float(), random_rotations(3)
    target = transform(source, rotation, torch.full((3, 3), 1000.0))
    found, translation = align_rigid(source, target)
    assert found.dtype == translation.dtype == torch.float32
    exact, exact_translation = align_rigid(source.double(), target.double())
    torch.testing.assert_close(found, exact.float(), rtol=0, atol=7e-8)
    torch.testing.assert_close(translation, exact_translation.float(), rtol=7e-8, atol=0)


def test_what_a_mesh_moves_rigidly_goes_into_its_pose() -> None:
    """A pose that is known, a mesh off by a known motion, and an expression that must stay in the mesh."""
    true = cloud(batch=1).repeat(3, 1, 1)
    true[:, 20:] += 5 * torch.randn(3, 20, 3, dtype=torch.float64)
    rotation, place = random_rotations(3, dtype=torch.float64), 500 * torch.randn(3, 3, dtype=torch.float64)
    error, slip = so3_exp_map(0.1 * torch.randn(3, 3, dtype=torch.float64)), torch.randn(3, 3, dtype=torch.float64)
    # the mesh moved by (error, slip), and a pose that takes it back into the camera
    moved, back = transform(true, error, slip), rotation @ error.transpose(1, 2)
    pose = (back, place - (back @ slip[..., None])[..., 0])
    found = canonicalise(moved, *pose, true[0], torch.arange(20))
    for value, expected in zip(found, (true, rotation, place), strict=True):
        torch.testing.assert_close(value, expected)


def test_canonicalising_keeps_float32_and_every_vertex_in_the_camera() -> None:
    vertices, rotation = cloud(count=2000).float(), random_rotations(3)
    translation, reference = torch.full((3, 3), 1000.0), cloud(batch=1, count=2000)[0].float()
    found = canonicalise(vertices, rotation, translation, reference)
    assert [value.dtype for value in found] == [torch.float32] * 3
    before = transform(vertices.double(), rotation.double(), translation.double())
    after = transform(*(value.double() for value in found))
    torch.testing.assert_close(after, before, rtol=0, atol=5e-4)
    assert (found[0] - vertices).abs().max() > 1  # the mesh did move
