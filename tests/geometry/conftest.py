"""What the geometry's tests share: the synthetic subject's head, posed before a camera."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from pytorch3d.transforms import so3_exp_map
from torch import Tensor

from steadyface.geometry.cameras import transform
from steadyface.studio.subject import Subject


class PosedHeads(NamedTuple):
    """B heads in the camera frame (mm) and the camera's K."""

    vertices: Tensor
    faces: Tensor
    intrinsics: Tensor


def make_posed_heads(subject: Subject, count: int, size: int) -> PosedHeads:
    """Random expressions and head poses that fill most of a size x size image; always the same."""
    generator = torch.Generator().manual_seed(3)
    weights = 0.3 * torch.rand(count, len(subject.expression_names), generator=generator)
    turn = torch.randn(count, 3, generator=generator) * torch.tensor([0.3, 0.5, 0.2])
    shift = torch.randn(count, 3, generator=generator) * torch.tensor([20.0, 20.0, 60.0])
    vertices = transform(subject.vertices(weights), so3_exp_map(turn), shift + torch.tensor([0.0, 0.0, 600.0]))
    return PosedHeads(vertices, subject.faces, camera(2.0 * size, size).expand(count, 3, 3).contiguous())


def camera(focal_px: float, size: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """K (1, 3, 3) of a square image, the principal point in its middle."""
    middle = size / 2 - 0.5
    return torch.tensor([[[focal_px, 0, middle], [0, focal_px, middle], [0, 0, 1]]], dtype=dtype)


@pytest.fixture(scope="session")
def subject() -> Subject:
    return Subject(0)


@pytest.fixture(scope="session")
def twenty_heads(subject: Subject) -> PosedHeads:
    """Small images: PyTorch3D's CPU rasteriser takes seconds a head at 256 x 256."""
    return make_posed_heads(subject, 20, 48)
