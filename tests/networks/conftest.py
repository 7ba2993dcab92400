"""A small person for the networks: a dome of 18 x 18 vertices that three expressions move."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from steadyface.networks.component_model import ComponentFaceModel
from steadyface.networks.face_model import FaceModel, FaceModelSettings
from steadyface.networks.state_encoder import StateEncoder, StateEncoderSettings
from steadyface.types import SubjectStatistics

GRID, TEXELS = 18, 32


class Dome(NamedTuple):
    """Statistics of the subject, and meshes (F, N, 3) mm that are linear in three expressions."""

    statistics: SubjectStatistics
    meshes: Tensor
    whitened: Tensor  # (F, 5): the three expressions' weights, of variance 1, and two numbers that do nothing


@pytest.fixture(scope="session")
def dome() -> Dome:
    generator = torch.Generator().manual_seed(2)
    step = torch.arange(GRID)
    row, column = (part.flatten() for part in torch.meshgrid(step, step, indexing="ij"))
    uv = torch.stack([column, row], dim=-1) / (GRID - 1)
    x, y = (uv[:, 0] - 0.5) * 160, (uv[:, 1] - 0.5) * 220
    mean = torch.stack([x, y, -90 + 0.008 * x.square() + 0.004 * y.square()], dim=-1)
    corner = (row * GRID + column)[(row < GRID - 1) & (column < GRID - 1)]
    lower = torch.stack([corner, corner + GRID, corner + 1], dim=1)
    upper = torch.stack([corner + 1, corner + GRID, corner + GRID + 1], dim=1)
    faces = torch.cat([lower, upper])
    lips = torch.nonzero((y > 20) & (y < 70) & (x.abs() < 40)).squeeze(1)
    shapes = torch.zeros(3, GRID * GRID, 3)
    shapes[:, lips] = 6.0 * torch.randn(3, len(lips), 3, generator=generator)
    weights = torch.randn(40, 3, generator=generator)
    meshes = mean + torch.einsum("fe,enc->fnc", weights - weights.mean(0), shapes)
    rigid = torch.nonzero(y < -20).squeeze(1)
    texture = torch.full((3, TEXELS, TEXELS), 0.4)
    statistics = SubjectStatistics(faces, uv, faces, mean, 2.0, texture, 0.2, rigid, {"lips": lips}, ("a", "b", "c"))
    code = torch.cat([weights, torch.randn(40, 2, generator=generator)], dim=1)
    return Dome(statistics, meshes, (code - code.mean(0)) / code.std(0))


@pytest.fixture
def face_model(dome: Dome) -> FaceModel:
    """Five numbers in z, started from the meshes' principal components."""
    model = ComponentFaceModel(dome.statistics, FaceModelSettings(latent_size=5, hidden=16, texture_width=4))
    model.start_from_lab(dome.meshes)
    return model


@pytest.fixture
def encoder(dome: Dome) -> StateEncoder:
    """Untrained, for crops of 64 pixels, its twelve points chosen."""
    settings = StateEncoderSettings(
        image_size=64, texture_size=32, point_width=8, still_points=12, moving_points=10, expression_width=8
    )
    network = StateEncoder(dome.statistics, settings, 5)
    moving = dome.statistics.regions["lips"]
    network.head_points.choose(
        dome.statistics.vertex_mean, dome.meshes, dome.whitened, dome.statistics.rigid_vertices, moving
    )
    return network
