"""The studio's subject with untrained networks: what a track is made of, without training."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from steadyface.networks.component_model import ComponentFaceModel
from steadyface.networks.face_model import FaceModel, FaceModelSettings
from steadyface.networks.state_encoder import StateEncoder, StateEncoderSettings
from steadyface.studio.subject import Subject
from steadyface.types import SubjectStatistics


class Tracked(NamedTuple):
    """A subject, its networks and eight of its meshes (8, N, 3) mm."""

    statistics: SubjectStatistics
    face_model: FaceModel
    encoder: StateEncoder
    meshes: Tensor


@pytest.fixture(scope="module")
def tracked() -> Tracked:
    subject, generator = Subject(0), torch.Generator().manual_seed(6)
    meshes = subject.vertices(0.6 * torch.rand(8, len(subject.expression_names), generator=generator))
    mean = meshes.mean(0)
    texture = 0.2 + 0.4 * torch.rand(3, 32, 32, generator=generator)
    statistics = SubjectStatistics(
        subject.faces, subject.uv, subject.uv_faces, mean, float((meshes - mean).std()), texture, 0.1,
        subject.regions["rigid"], subject.regions, ("front",),
    )  # fmt: skip
    torch.manual_seed(0)
    model = ComponentFaceModel(statistics, FaceModelSettings(latent_size=4, hidden=16, texture_width=4))
    model.start_from_lab(meshes)
    settings = StateEncoderSettings(
        64, texture_size=32, point_width=8, still_points=12, moving_points=10, expression_width=8
    )
    encoder = StateEncoder(statistics, settings, 4)
    whitened = torch.randn(len(meshes), 4, generator=generator)
    lips = statistics.regions["lips"]
    encoder.head_points.choose(mean, meshes, whitened, statistics.rigid_vertices, lips)
    return Tracked(statistics, model.requires_grad_(False), encoder.requires_grad_(False), meshes)
