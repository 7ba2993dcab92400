from __future__ import annotations

import math

import torch
from pytorch3d.transforms import axis_angle_to_matrix

from steadyface.capture.canonical import canonicalise, find_rigid_vertices
from steadyface.geometry.cameras import transform


def noisy_capture(frames: int = 70) -> tuple[torch.Tensor, ...]:
    """Meshes whose first half moves with expression, and which a stabiliser left shaking."""
    mean = torch.randn(40, 3) * 60
    expression = torch.zeros(frames, 40, 3)
    expression[:, :20] = torch.randn(frames, 20, 3) * 8
    shake = axis_angle_to_matrix(torch.randn(frames, 3) * math.radians(2))
    true = mean + expression
    return mean, true, transform(true, shake, torch.randn(frames, 3) * 2), torch.arange(20, 40)


def test_rigid_motion_goes_into_the_pose_and_the_world_stays() -> None:
    mean, true, shaken, rigid = noisy_capture()
    rotation, translation = axis_angle_to_matrix(torch.randn(70, 3)), torch.randn(70, 3) * 500
    poses = canonicalise(shaken, rotation, translation, mean, rigid)
    assert (shaken - true).norm(dim=-1).mean() > 1.0
    assert (poses.vertices - true).abs().max() < 1e-3
    before = transform(shaken, rotation, translation)
    after = transform(poses.vertices, poses.rotation, poses.translation)
    assert (before - after).abs().max() < 1e-2


def test_the_still_vertices_are_found() -> None:
    mean, _, shaken, rigid = noisy_capture()
    found = find_rigid_vertices(shaken, mean, share=0.4)
    assert len(found) == 16 and set(found.tolist()) <= set(rigid.tolist())
