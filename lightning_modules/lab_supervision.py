"""What the lab's truth says about an encoder's answer: of lab views, replayed views and labelled frames alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from steadyface.capture.phone_augmentation import PhoneView
from steadyface.geometry.cameras import project, transform
from steadyface.losses.supervised import geometry_error, latent_error, point_error, pose_error
from steadyface.networks.face_model import FaceModel
from steadyface.networks.point_network import FoundPoints
from steadyface.types import FaceState, SubjectStatistics


class LabWeights(Protocol):
    """The weights of the lab's supervision, whichever section of the settings holds them."""

    @property
    def pose_weight(self) -> float: ...
    @property
    def point_weight(self) -> float: ...
    @property
    def geometry_weight(self) -> float: ...
    @property
    def latent_weight(self) -> float: ...
    @property
    def detail_weight(self) -> float: ...


class KnownMeshes(Protocol):
    """Frames with their true meshes: lab views, or a clip's labelled frames."""

    @property
    def vertices(self) -> Tensor:
        """(B, N, 3) head frame, mm."""


class LabSupervision:
    """What the truth says about an encoder's answer: in pretraining, and of lab and labelled frames while adapting.

    Args:
        statistics: of the subject.
        settings: weights.
    """

    def __init__(self, statistics: SubjectStatistics, settings: LabWeights) -> None:
        self.settings = settings
        weight = torch.ones(statistics.vertex_count)
        for region in ("lips", "lids"):
            weight[statistics.regions.get(region, torch.empty(0, dtype=torch.long))] = settings.detail_weight
        self.vertex_weight = weight / weight.mean()
        step = max(1, len(statistics.rigid_vertices) // 100)
        self.points = statistics.vertex_mean[statistics.rigid_vertices[::step]]

    def point_loss(self, found: FoundPoints, points: Tensor, view: PhoneView) -> Tensor:
        """Weighted loss of an encoder's points; their places (B, K, 3), head frame, mm."""
        placed = transform(points, view.rotation, view.translation)
        stride = view.image.shape[-1] // found.log_heat.shape[-1]
        return self.settings.point_weight * point_error(found, project(placed, view.intrinsics), stride)

    def points_loss(self, found: Sequence[FoundPoints], points: Tensor, view: PhoneView) -> Tensor:
        """The mean ``point_loss`` over the parts of an encoder that found the points, one or more."""
        return torch.stack([self.point_loss(one, points, view) for one in found]).mean()

    def losses(
        self, face_model: FaceModel, true: KnownMeshes, view: PhoneView, state: FaceState, latent_target: Tensor
    ) -> dict[str, Tensor]:
        """Weighted losses of a state, by name."""
        points, weight = self.points.to(view.image.device), self.vertex_weight.to(view.image.device)
        pose = pose_error(
            state.rotation, state.translation, view.rotation, view.translation, points, view.intrinsics,
            view.image.shape[-1],
        )
        geometry = geometry_error(face_model.decode_vertices(state.latent), true.vertices, weight)
        latent = latent_error(face_model.whiten(state.latent), face_model.whiten(latent_target))
        return {
            "pose": self.settings.pose_weight * pose,
            "geometry": self.settings.geometry_weight * geometry,
            "latent": self.settings.latent_weight * latent,
        }
