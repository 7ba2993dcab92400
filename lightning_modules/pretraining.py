"""Stage 2: the encoder, supervised by lab captures, the decoder frozen (Yoon et al. 2019, I2ZNet)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim.lr_scheduler import LambdaLR

from lightning_modules.expression_lessons import ExpressionLessons, ExpressionSettings
from lightning_modules.lab_supervision import LabSupervision
from lightning_modules.schedule import cosine_factor, cosine_schedule
from steadyface.capture.phone_augmentation import PhoneAugmentation, PhoneView
from steadyface.geometry.normals import vertex_normals
from steadyface.losses.supervised import view_consistency
from steadyface.networks.checkpoints import describe_networks, load_networks
from steadyface.networks.encoders import Encoder, build_encoder
from steadyface.networks.i2znet import I2ZNetSettings
from steadyface.networks.point_network import FoundPoints
from steadyface.networks.state_encoder import StateEncoder, StateEncoderSettings
from steadyface.processes import batch_number, of_all_processes
from steadyface.randomness import drawing
from steadyface.tracking.lab_replay import LabReplayer
from steadyface.tracking.residual import texture_residuals
from steadyface.types import LabBatch, SubjectStatistics, to_device


@dataclass
class PretrainingSettings:
    """What the encoder learns by in the lab."""

    steps: int = 800  # optimiser steps
    learning_rate: float = 3e-3  # AdamW's, at its highest
    network: str = "texture_space"  # or i2znet: which encoder is trained
    imagenet: bool = True  # the network's feature layers start from ImageNet's weights
    pose_weight: float = 0.3  # reprojection, depth and rotation
    point_weight: float = 2.0  # of the points behind pose and expression
    geometry_weight: float = 1.0  # of the decoded mesh, per mm
    latent_weight: float = 0.2  # per deviation of the lab
    view_consistency: float = 0.0  # that the cameras of one instant get one latent, per deviation of the lab
    detail_weight: float = 4.0  # of lips and lids against the other vertices
    own_pose_after: float = 0.5  # share of the steps after which textures are unwrapped under the own pose only
    relit: float = 0.8  # share of the lab views that are relit by a key light
    expression: ExpressionSettings = field(default_factory=ExpressionSettings)  # of texture_space alone
    seed: int = 0  # of weights and draws
    encoder: StateEncoderSettings = field(default_factory=StateEncoderSettings)
    i2znet: I2ZNetSettings = field(default_factory=I2ZNetSettings)

    @property
    def all_steps(self) -> int:
        """The steps of the whole encoder, and those of the expression network after them."""
        return self.steps + self.expression_steps

    @property
    def expression_steps(self) -> int:
        """Of the expression network by itself; none where the network has none."""
        return self.expression.steps if self.network == "texture_space" else 0


class LabPretraining(pl.LightningModule):
    """Trains an encoder on augmented lab views.

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
            self.encoder = make_encoder(settings, self.statistics, self.face_model.settings.latent_size)
        if settings.imagenet:
            self.encoder.start_from_imagenet()
        self.augment = PhoneAugmentation(self.encoder.image_size, settings.relit)
        self.supervision = LabSupervision(self.statistics, settings)
        self._residuals: list[Tensor] = []
        self._lessons: ExpressionLessons | None = None

    def setup(self, stage: str) -> None:
        """Measure the latent and the view directions over the lab, in the frozen face model."""
        source = getattr(self.trainer, "datamodule", None)
        if stage == "fit" and source is not None:
            latents = self.measure_lab(source.instants())
            if self.settings.expression_steps:
                replayer = LabReplayer(self.statistics, self.face_model, latents)
                self._lessons = ExpressionLessons(
                    self.settings.expression, self.settings.seed, source, replayer, self.augment
                )

    @torch.no_grad()
    def measure_lab(self, instants: Any) -> Tensor:
        """Set the latent's statistics and the cone of view directions from batches of the lab; its latents (F, Z)."""
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
        self.encoder.choose(self.statistics.vertex_mean, lab, model.whiten(latent), still, moving)
        return latent

    def training_step(self, batch: LabBatch, batch_index: int) -> Tensor:
        if self._learns_expression():
            return self._expression_step()
        with drawing(self.settings.seed, "view", self.global_step, self.global_rank):
            view = self.augment(batch)
            if self.global_step < self.encoder.landmark_share * self.settings.steps:
                losses = {"points": self._points_loss(self.encoder.find_points(view.image), batch, view)}
            else:
                losses = self._losses(batch, view)
        self.log_dict({f"train/{name}": value for name, value in losses.items()})
        return torch.stack(list(losses.values())).sum()

    def _learns_expression(self) -> bool:
        """Whether this step is one of those after the points' own."""
        return self._lessons is not None and self.global_step >= self.settings.steps

    def _expression_step(self) -> Tensor:
        assert self._lessons is not None  # since there are such steps
        step = self.global_step - self.settings.steps
        if step == 0:
            self._begin_expression()
        loss = self._lessons.loss(cast(StateEncoder, self.encoder), step, self.global_rank)
        self.log("train/expression", loss)
        return loss

    def _begin_expression(self) -> None:
        """A new expression network: the one that learned beside the points, at their rate, learns little more (loss of
        plasticity; Ash and Adams 2020). What the optimiser remembers of the old one goes with it."""
        encoder = cast(StateEncoder, self.encoder)
        with drawing(self.settings.seed, "expression network"):
            encoder.renew_expression()
        state = self.optimizers(use_pl_optimizer=False).state  # type: ignore[union-attr]
        for parameter in self._groups()["expression"]:
            state.pop(parameter, None)

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        """What a step does not teach has no gradient."""
        if self._learns_expression():
            groups = self._groups()
            for parameter in groups["whole"]:
                parameter.grad = None
            torch.nn.utils.clip_grad_norm_(groups["expression"], 1.0)

    def _groups(self) -> dict[str, list[Parameter]]:
        """The expression network's parameters, where it learns by itself afterwards, and all others."""
        if not self.settings.expression_steps:
            return {"whole": list(self.encoder.parameters())}
        own = list(cast(StateEncoder, self.encoder).expression_network.parameters())
        apart = {id(parameter) for parameter in own}
        return {"whole": [one for one in self.encoder.parameters() if id(one) not in apart], "expression": own}

    def _losses(self, batch: LabBatch, view: PhoneView) -> dict[str, Tensor]:
        """Weighted losses of the whole encoder, by name."""
        model, settings = self.face_model, self.settings
        own_share = self.global_step / max(1.0, settings.own_pose_after * settings.steps)
        state, points, earlier = self.encoder.predict_in_lab(view, own_share)
        with torch.no_grad():
            target = model.encode(batch.vertices, batch.average_texture, batch.average_mask).mean
        losses = self.supervision.losses(model, batch, view, state, target)
        if points is not None:
            losses["points"] = self._points_loss((*earlier, points), batch, view)
        if settings.view_consistency > 0:
            agreement = view_consistency(model.whiten(state.latent), batch.frame)
            losses["views"] = settings.view_consistency * agreement
        return losses

    def _points_loss(self, found: tuple[FoundPoints, ...], batch: LabBatch, view: PhoneView) -> Tensor:
        return self.supervision.points_loss(found, batch.vertices[:, self.encoder.landmark_vertices], view)

    def validation_step(self, batch: LabBatch, batch_index: int) -> dict[str, Tensor]:
        """Held-out segments and cameras as a phone would see them, the draws the same every time."""
        with drawing(self.settings.seed, "validation", batch_number(batch_index)):
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
        own = [residual.double() for residual in self._residuals]
        residual = of_all_processes(torch.cat([torch.empty(0, dtype=torch.double, device=self.device), *own]))
        if len(residual):
            self.encoder.lab_residual.copy_(torch.stack([residual.mean(), residual.quantile(0.95)]))
            self.log("val/texture_residual", residual.mean(), sync_dist=True)
        self._residuals.clear()

    def configure_optimizers(self) -> Any:
        settings, groups = self.settings, self._groups()
        if "expression" not in groups:
            optimizer = torch.optim.AdamW(groups["whole"], settings.learning_rate, weight_decay=1e-2)
            return cosine_schedule(optimizer, settings.steps, warmup=min(100, settings.steps))
        optimizer = torch.optim.AdamW(
            [{"params": group, "lr": settings.learning_rate} for group in groups.values()], weight_decay=1e-2
        )
        first = partial(cosine_factor, steps=settings.steps, warmup=min(100, settings.steps))
        own = settings.expression
        then = partial(cosine_factor, steps=own.steps, warmup=min(50, own.steps))
        ratio = own.learning_rate / settings.learning_rate

        def both(step: int) -> float:
            return first(step) if step < settings.steps else ratio * then(step - settings.steps)

        scheduler = LambdaLR(optimizer, [first, both])
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["networks"] = describe_networks(self.statistics, self.face_model, self.encoder)


def make_encoder(settings: PretrainingSettings, statistics: SubjectStatistics, latent_size: int) -> Encoder:
    """The untrained encoder that the settings name. Raises InputError where there is none such."""
    sizes = settings.i2znet if settings.network == "i2znet" else settings.encoder
    return build_encoder(settings.network, statistics, sizes, latent_size)


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
