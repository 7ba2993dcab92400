"""Stage 2: the encoder, supervised by lab captures, the decoder frozen (Yoon et al. 2019, I2ZNet)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch3d.transforms import so3_exp_map
from torch import Tensor

from lightning_modules.schedule import cosine_schedule
from steadyface.capture.phone_augmentation import PhoneAugmentation, PhoneView
from steadyface.geometry.cameras import project, transform
from steadyface.geometry.normals import vertex_normals
from steadyface.losses.supervised import geometry_error, latent_error, point_error, pose_error
from steadyface.networks.checkpoints import describe_networks, load_networks
from steadyface.networks.face_model import FaceModel
from steadyface.networks.point_network import STRIDE, FoundPoints
from steadyface.networks.state_encoder import StateEncoder, StateEncoderSettings
from steadyface.randomness import drawing
from steadyface.tracking.residual import texture_residuals
from steadyface.types import FaceState, LabBatch, SubjectStatistics, to_device


@dataclass
class PretrainingSettings:
    """What the encoder learns by in the lab."""

    steps: int = 800  # optimiser steps
    learning_rate: float = 3e-3  # AdamW's, at its highest
    imagenet: bool = True  # the point network starts from ImageNet's weights
    pose_weight: float = 0.3  # reprojection, depth and rotation
    point_weight: float = 2.0  # of the points behind pose and expression
    geometry_weight: float = 1.0  # of the decoded mesh, per mm
    latent_weight: float = 0.2  # per deviation of the lab
    detail_weight: float = 4.0  # of lips and lids against the other vertices
    own_pose_after: float = 0.5  # share of the steps after which textures are unwrapped under the own pose only
    relit: float = 0.8  # share of the lab views that are relit by a key light
    seed: int = 0  # of weights and draws
    encoder: StateEncoderSettings = field(default_factory=StateEncoderSettings)


class LabSupervision:
    """What the lab says about an encoder's answer; shared by pretraining and by rehearsal while adapting.

    Args:
        statistics: of the subject.
        settings: weights.
    """

    def __init__(self, statistics: SubjectStatistics, settings: PretrainingSettings) -> None:
        self.settings = settings
        weight = torch.ones(statistics.vertex_count)
        for region in ("lips", "lids"):
            weight[statistics.regions.get(region, torch.empty(0, dtype=torch.long))] = settings.detail_weight
        self.vertex_weight = weight / weight.mean()
        step = max(1, len(statistics.rigid_vertices) // 100)
        self.points = statistics.vertex_mean[statistics.rigid_vertices[::step]]

    def point_loss(self, found: FoundPoints, points: Tensor, view: PhoneView) -> Tensor:
        """Weighted loss of the points behind the state; their places (B, K, 3), head frame, mm."""
        placed = transform(points, view.rotation, view.translation)
        return self.settings.point_weight * point_error(found, project(placed, view.intrinsics), STRIDE)

    def losses(
        self, face_model: FaceModel, batch: LabBatch, view: PhoneView, state: FaceState, latent_target: Tensor
    ) -> dict[str, Tensor]:
        """Weighted losses of a state, by name."""
        points, weight = self.points.to(view.image.device), self.vertex_weight.to(view.image.device)
        pose = pose_error(
            state.rotation, state.translation, view.rotation, view.translation, points, view.intrinsics,
            view.image.shape[-1],
        )
        geometry = geometry_error(face_model.decode_vertices(state.latent), batch.vertices, weight)
        latent = latent_error(face_model.whiten(state.latent), face_model.whiten(latent_target))
        return {
            "pose": self.settings.pose_weight * pose,
            "geometry": self.settings.geometry_weight * geometry,
            "latent": self.settings.latent_weight * latent,
        }


class LabPretraining(pl.LightningModule):
    """Trains a StateEncoder on augmented lab views.

    Args:
        settings: weights and sizes.
        decoder_checkpoint: of the appearance stage.
    """

    def __init__(self, settings: PretrainingSettings, decoder_checkpoint: str) -> None:
        super().__init__()
        self.settings = settings
        self.statistics, self.face_model, _ = load_networks(decoder_checkpoint)
        self.face_model.requires_grad_(False)
        with drawing(settings.seed, "weights"):
            self.encoder = StateEncoder(self.statistics, settings.encoder, self.face_model.settings.latent_size)
        if settings.imagenet:
            self.encoder.point_network.start_from_imagenet()
        self.augment = PhoneAugmentation(settings.encoder.image_size, settings.relit)
        self.supervision = LabSupervision(self.statistics, settings)
        self._residuals: list[Tensor] = []

    def setup(self, stage: str) -> None:
        """Measure the latent and the view directions over the lab, in the frozen face model."""
        source = getattr(self.trainer, "datamodule", None)
        if stage == "fit" and source is not None:
            self.measure_lab(source.instants())

    @torch.no_grad()
    def measure_lab(self, instants: Any) -> None:
        """Set the latent's statistics and the cone of view directions from batches of the lab."""
        model = self.face_model
        latents, views, meshes = [], [], []
        for batch in instants:
            meshes.append(batch.vertices)
            latents.append(model.encode(batch.vertices, batch.average_texture, batch.average_mask).mean)
            views.append(batch.view_direction)
        latent, view = torch.cat(latents), torch.cat(views)
        for owner in (model, self.encoder):
            owner.latent_mean.copy_(latent.mean(0))
            owner.latent_std.copy_(latent.std(0).clamp(min=1e-3))
        model.view_centre.copy_(torch.nn.functional.normalize(view.mean(0), dim=0))
        model.view_cosine.copy_((view @ model.view_centre).quantile(0.02))
        lab = torch.cat(meshes)
        still, moving = point_candidates(lab, self.statistics.faces, model.view_centre)
        self.encoder.head_points.choose(self.statistics.vertex_mean, lab, model.whiten(latent), still, moving)

    def training_step(self, batch: LabBatch, batch_index: int) -> Tensor:
        model = self.face_model
        with drawing(self.settings.seed, "view", self.global_step, self.global_rank):
            view = self.augment(batch)
            state, found = self._predict(view)
        with torch.no_grad():
            target = model.encode(batch.vertices, batch.average_texture, batch.average_mask).mean
        losses = self.supervision.losses(model, batch, view, state, target)
        places = batch.vertices[:, self.encoder.head_points.vertices]
        losses["points"] = self.supervision.point_loss(found, places, view)
        self.log_dict({f"train/{name}": value for name, value in losses.items()})
        return torch.stack(list(losses.values())).sum()

    def _predict(self, view: PhoneView) -> tuple[FaceState, FoundPoints]:
        """The encoder's answer, its texture unwrapped under its own pose or, early on, the true one, disturbed."""
        found = self.encoder.point_network(view.image)
        first = self.encoder.head_points.solve(found, view.intrinsics)
        own_share = self.global_step / max(1.0, self.settings.own_pose_after * self.settings.steps)
        own = torch.rand(len(first.rotation), 1, device=self.device) < own_share
        shaken_rotation, shaken_translation = disturb_pose(view)
        rotation = torch.where(own.unsqueeze(-1), first.rotation.detach(), shaken_rotation)
        translation = torch.where(own, first.translation.detach(), shaken_translation)
        latent = self.encoder.predict_latent(first.coefficients, view.image, view.intrinsics, rotation, translation)
        return FaceState(latent, first.rotation, first.translation), found

    def validation_step(self, batch: LabBatch, batch_index: int) -> dict[str, Tensor]:
        """Held-out segments and cameras as a phone would see them, the draws the same every time."""
        with drawing(self.settings.seed, "validation", batch_index):
            view = self.augment(batch)
        state = self.encoder(view.image, view.intrinsics)
        self._residuals.append(
            texture_residuals(self.face_model, to_device(self.statistics, self.device), view.image, view.intrinsics,
                              state)
        )
        return {
            "vertices": self.face_model.decode_vertices(state.latent), "target_vertices": batch.vertices,
            "rotation": state.rotation, "translation": state.translation,
            "target_rotation": view.rotation, "target_translation": view.translation,
        }

    def on_validation_epoch_end(self) -> None:
        """Remember the range of the texture residual in the lab: what a tracker is later compared with."""
        if self._residuals:
            residual = torch.cat(self._residuals)
            self.encoder.lab_residual.copy_(torch.stack([residual.mean(), residual.quantile(0.95)]))
            self.log("val/texture_residual", residual.mean(), sync_dist=True)
        self._residuals.clear()

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.encoder.parameters(), self.settings.learning_rate, weight_decay=1e-2)
        return cosine_schedule(optimizer, self.settings.steps, warmup=min(100, self.settings.steps))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["networks"] = describe_networks(self.statistics, self.face_model, self.encoder)


def disturb_pose(view: PhoneView) -> tuple[Tensor, Tensor]:
    """The true pose with about 2 degrees, 1 % of depth and 1 % of the crop of noise: (B, 3, 3), (B, 3)."""
    count, device = len(view.rotation), view.rotation.device
    turn = so3_exp_map(0.035 * torch.randn(count, 3, device=device))
    depth = view.translation[:, 2:]
    lateral_mm = 0.01 * view.image.shape[-1] * depth / view.intrinsics[:, 0, 0].unsqueeze(1)
    noise = torch.randn(count, 3, device=device)
    shift = torch.cat([noise[:, :2] * lateral_mm, noise[:, 2:] * 0.01 * depth], dim=-1)
    return view.rotation @ turn, view.translation + shift


def point_candidates(
    meshes: Tensor, faces: Tensor, view_centre: Tensor, still_share: float = 0.5
) -> tuple[Tensor, Tensor]:
    """Vertices that face the lab's cameras: those that hardly move with expression, and the others.

    Shapes: meshes (F, N, 3) canonical, mm; faces (T, 3); view_centre (3,) unit -> (K,), (L,) long.
    """
    motion = meshes.std(0).norm(dim=-1)
    facing = (vertex_normals(meshes.mean(0, keepdim=True), faces)[0] @ view_centre) > 0.4
    limit = motion[facing].quantile(still_share)
    still, moving = facing & (motion <= limit), facing & (motion > limit)
    return torch.nonzero(still).squeeze(1), torch.nonzero(moving).squeeze(1)
