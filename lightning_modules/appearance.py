"""Stage 1: the deep appearance model of one subject, learned from lab captures (Lombardi et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from lightning_modules.schedule import cosine_schedule
from steadyface.losses.robust import masked_mean
from steadyface.networks.checkpoints import describe_networks
from steadyface.networks.face_model import FaceModelSettings
from steadyface.networks.face_models import build_face_model
from steadyface.processes import of_all_processes
from steadyface.randomness import drawing
from steadyface.types import LabBatch, SubjectStatistics


@dataclass
class AppearanceSettings:
    """What the face model learns by."""

    steps: int = 350  # optimiser steps
    learning_rate: float = 1.0e-3  # Adam's, at its highest
    geometry_weight: float = 1.0  # squared error of vertices, in deviations
    texture_weight: float = 0.5  # squared error of seen texels, in deviations
    divergence_weight: float = 1.0e-3  # of the posterior from the unit Gaussian, per number
    seed: int = 0  # of weights and draws
    model: FaceModelSettings = field(default_factory=FaceModelSettings)


class AppearanceTraining(pl.LightningModule):
    """Trains a FaceModel to give back every view of the lab.

    Args:
        settings: weights and sizes.
        statistics: of the subject, from the data module.
    """

    def __init__(self, settings: AppearanceSettings, statistics: SubjectStatistics) -> None:
        super().__init__()
        self.settings, self.statistics = settings, statistics
        with drawing(settings.seed, "weights"):
            self.face_model = build_face_model(statistics, settings.model)
        self._validated: list[Tensor] = []  # (1, 3) a batch: geometry, texture, views

    def setup(self, stage: str) -> None:
        """Before any checkpoint is restored: give the face model what the lab's meshes can start it with."""
        source = getattr(self.trainer, "datamodule", None)
        if stage == "fit" and source is not None:
            meshes = torch.cat([batch.vertices for batch in source.instants()])
            with drawing(self.settings.seed, "components"):
                self.face_model.start_from_lab(meshes)

    def training_step(self, batch: LabBatch, batch_index: int) -> Tensor:
        posterior = self.face_model.encode(batch.vertices, batch.average_texture, batch.average_mask)
        with drawing(self.settings.seed, "latent", self.global_step, self.global_rank):
            latent = posterior.sample()
        geometry, texture = self._errors(batch, latent)
        divergence = 0.5 * (
            posterior.mean.square() + posterior.log_variance.exp() - 1.0 - posterior.log_variance
        ).mean()
        self.log_dict({"train/geometry": geometry, "train/texture": texture, "train/divergence": divergence})
        settings = self.settings
        return (
            settings.geometry_weight * geometry
            + settings.texture_weight * texture
            + settings.divergence_weight * divergence
        )

    def _errors(self, batch: LabBatch, latent: Tensor) -> tuple[Tensor, Tensor]:
        model = self.face_model
        vertices, texture = model.decode(latent, batch.view_direction)
        texture = model.correct_camera(texture, batch.camera)
        geometry = ((vertices - batch.vertices) / model.vertex_std).square().mean()
        difference = ((texture - batch.texture) / model.texture_std).square()
        return geometry, masked_mean(difference, batch.texture_mask)

    def validation_step(self, batch: LabBatch, batch_index: int) -> dict[str, Tensor]:
        """Held-out segments and cameras, from the posterior's mean."""
        latent = self.face_model.encode(batch.vertices, batch.average_texture, batch.average_mask).mean
        geometry, texture = self._errors(batch, latent)
        self._validated.append(torch.stack([geometry, texture, geometry.new_tensor(len(latent))]).view(1, 3).double())
        return {
            "vertices": self.face_model.decode_vertices(latent), "target_vertices": batch.vertices,
            "rotation": batch.rotation, "translation": batch.translation,
            "target_rotation": batch.rotation, "target_translation": batch.translation,
        }

    def on_validation_epoch_end(self) -> None:
        """Log the mean errors over the views of every process; one that was given no batch takes part all the same."""
        nothing = torch.empty(0, 3, dtype=torch.double, device=self.device)
        geometry, texture, views = of_all_processes(torch.cat([nothing, *self._validated])).unbind(1)
        for name, error in (("geometry", geometry), ("texture", texture)) if len(views) else ():
            self.log(f"val/{name}", (error * views).sum() / views.sum(), sync_dist=True)
        self._validated.clear()

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.face_model.parameter_groups(self.settings.learning_rate))
        return cosine_schedule(optimizer, self.settings.steps, warmup=min(50, self.settings.steps))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["networks"] = describe_networks(self.statistics, self.face_model, None)
