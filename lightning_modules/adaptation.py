"""Stage 3: the encoder adapts to a clip without labels, the decoder frozen (Yoon et al. 2019, section 4)."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from lightning_modules.pretraining import LabSupervision, PretrainingSettings
from lightning_modules.schedule import cosine_schedule
from steadyface.capture.phone_augmentation import PhoneAugmentation
from steadyface.losses.colour import ColourMatrix
from steadyface.losses.self_supervision import SelfSupervisionWeights, self_supervision
from steadyface.networks.checkpoints import describe_networks, load_networks
from steadyface.randomness import drawing
from steadyface.tracking.clip_evidence import ClipEvidence, SourceMemory, crop_again, random_crops
from steadyface.types import ClipBatch, FaceState


@dataclass
class AdaptationSettings:
    """What the encoder adapts by."""

    steps: int = 160  # optimiser steps
    learning_rate: float = 5.0e-4  # Adam's, at its highest
    expression_rate: float = 0.5  # share of it for the expression network
    averaging: float = 0.98  # decay of the running mean of the weights that is kept as the result
    crop_shift: float = 0.0  # above 0, frames are cropped anew each time, displaced by up to this share of the crop
    crop_zoom: float = 0.0  # and scaled by up to this share: in trials steadier on a held-out clip, less so on this one
    lab_batch: int = 8  # lab views beside the windows of every batch
    lab_weight: float = 0.2  # of the lab's supervision in the same batch
    colour_rate: float = 1.0e-2  # learning rate of the colour matrix C
    seed: int = 0  # of the draws
    weights: SelfSupervisionWeights = field(default_factory=SelfSupervisionWeights)
    lab: PretrainingSettings = field(default_factory=PretrainingSettings)


class WildAdaptation(pl.LightningModule):
    """Adapts a source encoder to the clips of its batches; what it learned is ``encoder``.

    Batches are ``{"clip": ClipBatch, "lab": LabBatch}``.

    Args:
        settings: weights of the objective.
        source_checkpoint: of the pretraining stage.
    """

    def __init__(self, settings: AdaptationSettings, source_checkpoint: str) -> None:
        super().__init__()
        self.settings = settings
        self.statistics, self.face_model, encoder = load_networks(source_checkpoint)
        if encoder is None:
            raise ValueError(f"{source_checkpoint} holds a face model only; adapt from a pretraining stage")
        self.face_model.requires_grad_(False)
        self.learner = encoder
        self.source = copy.deepcopy(encoder).requires_grad_(False)
        self.encoder = copy.deepcopy(encoder).requires_grad_(False)  # the running mean of the learner
        self.colour = ColourMatrix()
        self.augment = PhoneAugmentation(encoder.settings.image_size, settings.lab.relit)
        self.supervision = LabSupervision(self.statistics, settings.lab)
        self.evidence = ClipEvidence(self.statistics, self.face_model)
        self.memory = SourceMemory(self.source, self.evidence)

    def training_step(self, batch: dict[str, Any], batch_index: int) -> Tensor:
        losses = self._clip_losses(batch["clip"])
        if self.settings.lab_weight > 0:
            losses["lab"] = self.settings.lab_weight * self._lab_loss(batch["lab"])
        self.log_dict({f"train/{name}": value for name, value in losses.items()})
        return torch.stack(list(losses.values())).sum()

    def _clip_losses(self, clip: ClipBatch) -> dict[str, Tensor]:
        images, intrinsics = clip.image.flatten(0, 1), clip.intrinsics.flatten(0, 1)
        keys = torch.stack([clip.clip.unsqueeze(1).expand_as(clip.frame), clip.frame], dim=-1).flatten(0, 1)
        remembered = self.memory.recall(keys, images, intrinsics)
        if max(self.settings.crop_shift, self.settings.crop_zoom) > 0:
            with drawing(self.settings.seed, "crop", self.global_step, self.global_rank):
                to_crop = random_crops(images, self.settings.crop_shift, self.settings.crop_zoom)
            images, intrinsics, remembered = crop_again(images, intrinsics, remembered, to_crop)
        state = self.learner(images, intrinsics)
        seen = self.evidence.observe(images, intrinsics, state, remembered.mask)
        if self.global_step == 0:
            self.colour.fit(seen.model_texture.detach(), seen.texture.detach(), seen.mask)
        losses, figures = self_supervision(
            seen, remembered, self.face_model, self.colour, self.settings.weights, clip.frame.shape
        )
        self.log_dict({f"train/{name}": value for name, value in figures.items()})
        return losses

    def _lab_loss(self, batch: Any) -> Tensor:
        with drawing(self.settings.seed, "lab", self.global_step, self.global_rank):
            view = self.augment(batch)
        state, found = self.learner.predict(view.image, view.intrinsics)
        with torch.no_grad():
            target = self.face_model.encode(batch.vertices, batch.average_texture, batch.average_mask).mean
        losses = self.supervision.losses(self.face_model, batch, view, state, target)
        points = self.supervision.point_loss(found, batch.vertices[:, self.learner.head_points.vertices], view)
        return torch.stack([*losses.values(), points]).sum()

    def optimizer_step(self, *arguments: Any, **options: Any) -> None:
        """One step of the learner, and the running mean moves towards it.

        Not after the batch: callbacks write their checkpoints before a module's own hook runs.
        """
        super().optimizer_step(*arguments, **options)
        step = self.global_step
        decay = min(self.settings.averaging, step / (step + 10.0))
        with torch.no_grad():
            for mean, now in zip(self.encoder.parameters(), self.learner.parameters(), strict=True):
                mean.lerp_(now, 1.0 - decay)

    def validation_step(self, batch: ClipBatch, batch_index: int) -> dict[str, Tensor]:
        """Frames of a clip in order, without truth."""
        images, intrinsics = batch.image.flatten(0, 1), batch.intrinsics.flatten(0, 1)
        state: FaceState = self.encoder(images, intrinsics)
        return {
            "vertices": self.face_model.decode_vertices(state.latent), "rotation": state.rotation,
            "translation": state.translation, "intrinsics": intrinsics, "time_s": batch.time_s.flatten(),
            "frame": batch.frame.flatten(), "clip": batch.clip.repeat_interleave(batch.frame.shape[1]),
        }

    def configure_optimizers(self) -> Any:
        rate = self.settings.learning_rate
        groups = [
            {"params": self.learner.point_network.parameters(), "lr": rate},
            {"params": self.learner.expression_network.parameters(), "lr": rate * self.settings.expression_rate},
            {"params": self.colour.parameters(), "lr": self.settings.colour_rate},
        ]
        return cosine_schedule(torch.optim.Adam(groups), self.settings.steps, warmup=min(20, self.settings.steps))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["networks"] = describe_networks(self.statistics, self.face_model, self.encoder)
