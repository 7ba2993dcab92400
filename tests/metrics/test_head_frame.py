"""Canonicalisation moves rigid motion into the pose and leaves the camera frame alone."""

from __future__ import annotations

import torch
from pytorch3d.transforms import axis_angle_to_matrix

from steadyface.metrics.head_frame import canonicalise


def test_rigid_motion_in_the_mesh_becomes_head_pose():
    reference = torch.randn(50, 3) * 60
    rigid = torch.arange(20)
    turn, shift = axis_angle_to_matrix(torch.randn(4, 3) * 0.2), torch.randn(4, 3) * 5
    rotation, translation = axis_angle_to_matrix(torch.randn(4, 3)), torch.randn(4, 3) * 100
    moved = reference @ turn.transpose(-1, -2) + shift[:, None]
    moved[:, 40:] += 3.0  # an expression, off the rigid part
    face = canonicalise(moved, rotation, translation, rigid, reference)
    torch.testing.assert_close(
        face.vertices[:, :40], reference[:40].double().expand(4, 40, 3), atol=1e-3, rtol=0
    )
    before = moved @ rotation.transpose(-1, -2) + translation[:, None]
    after = face.vertices @ face.rotation.transpose(-1, -2) + face.translation[:, None]
    torch.testing.assert_close(after, before.double(), atol=1e-3, rtol=0)
    torch.testing.assert_close(face.rotation, (rotation @ turn).double(), atol=1e-5, rtol=0)


def test_an_open_jaw_stays_in_the_mesh():
    reference = torch.randn(50, 3) * 60
    jaw = reference.clone()
    jaw[40:] += torch.tensor([0.0, 12.0, 0.0])
    identity, nowhere = torch.eye(3)[None], torch.zeros(1, 3)
    face = canonicalise(jaw[None], identity, nowhere, torch.arange(20), reference)
    opened = face.vertices[0, 40:] - reference[40:]
    torch.testing.assert_close(
        opened, torch.tensor([[0.0, 12.0, 0.0]]).double().expand(10, 3), atol=1e-3, rtol=0
    )
