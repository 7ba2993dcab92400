"""Stage 3: the encoder adapts to a clip without labels, the decoder frozen (Yoon et al. 2019, section 4)."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim.lr_scheduler import LambdaLR

from lightning_modules.adaptation_settings import AdaptationSettings, check_parts
from lightning_modules.clip_labels import LabelledFrames, label_frames
from lightning_modules.lab_supervision import KnownMeshes, LabSupervision
from lightning_modules.replaying import ReplayTeacher, replay_schedule
from steadyface.capture.clip_truth import ClipTruth
from steadyface.capture.phone_augmentation import PhoneAugmentation, PhoneView
from steadyface.errors import InputError
from steadyface.losses.colour import build_colour_model
from steadyface.losses.comparison import Comparison
from steadyface.losses.self_supervision import clip_figures, self_supervision
from steadyface.networks.checkpoints import describe_networks, load_networks
from steadyface.networks.encoder import Encoder
from steadyface.networks.state_encoder import StateEncoder
from steadyface.processes import take_from_main_process
from steadyface.randomness import drawing
from steadyface.tracking.clip_evidence import Answers, ClipEvidence, SourceMemory, crop_again, random_crops
from steadyface.tracking.openings import ClipOpenings
from steadyface.tracking.premise import PremiseMemory
from steadyface.tracking.replay import Look, Replayer, as_filmed, join_replayed, looks_at
from steadyface.types import ClipBatch, FaceState, LabBatch


class WildAdaptation(pl.LightningModule):
    """Adapts a source encoder to the clips of its batches; what it learned is ``encoder``.

    Batches are ``{"clip": ClipBatch, "lab": LabBatch}``.

    Args:
        settings: weights of the objective.
        source_checkpoint: of the pretraining stage.
        labels: the truth of each clip, in the clips' order, where ``labelled_frames`` asks for it.
        kept: what the same source said of the same clips before; see ``SourceMemory``.
        openings: what a landmark detector says of the clips, where ``weights.apertures`` asks for it.

    Raises:
        InputError: a part of the objective that the source network cannot feed, by its name.
    """

    def __init__(
        self, settings: AdaptationSettings, source_checkpoint: str, labels: Sequence[ClipTruth] = (),
        kept: Answers | None = None, openings: ClipOpenings | None = None,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.statistics, self.face_model, encoder = load_networks(source_checkpoint)
        if encoder is None:
            raise ValueError(f"{source_checkpoint} holds a face model only; adapt from a pretraining stage")
        landmarks = encoder.landmark_vertices is not None
        for fault in check_parts(settings, landmark_branch=landmarks, detected=openings is not None):
            raise fault
        self.face_model.requires_grad_(False)
        if settings.replay.steps:
            with drawing(settings.seed, "refinement"):
                encoder.add_refinement()
        self.learner = encoder.requires_grad_(False)
        self._trained = encoder.trained_parameters(settings.trained) | {"refinement": refinement_of(encoder)}
        for parameter in (parameter for group in self._trained.values() for parameter in group):
            parameter.requires_grad_(True)
        self.source = copy.deepcopy(encoder).requires_grad_(False)
        self.encoder = copy.deepcopy(encoder).requires_grad_(False)  # the running mean of the learner
        self.colour = build_colour_model(settings.colour_model)
        self.augment = PhoneAugmentation(encoder.image_size, settings.lab.relit)
        self.supervision = LabSupervision(self.statistics, settings.lab)
        self.evidence = ClipEvidence(self.statistics, self.face_model)
        self.memory = SourceMemory(self.source, self.evidence, kept)
        self.premise = PremiseMemory(self.evidence, float(self.source.lab_residual[1]))
        self._openings = openings if settings.weights.apertures > 0 else None
        self._truths = labels if settings.learns_labels else ()
        self._labelled: LabelledFrames | None = None
        self._replayer: Replayer | None = None
        self._teacher: ReplayTeacher | None = None
        if settings.learns_labels and not labels:
            raise InputError("adaptation.labelled_frames", "clips whose truth is known", "none",
                             "adapt to a studio's clip, or write adaptation.labelled_frames=0")

    def setup(self, stage: str) -> None:
        """Where frames are labelled: pick them out of the clips' frames, and fit their latents. Where expressions are
        replayed: look up what the lab saw."""
        source = getattr(self.trainer, "datamodule", None)
        if stage == "fit" and source is not None and self.settings.replay.replays:
            latents = [
                self.face_model.encode(batch.vertices, batch.average_texture, batch.average_mask).mean.detach()
                for batch in source.instants()
            ]
            self._replayer = Replayer(self.statistics, self.face_model, self.evidence, torch.cat(latents))
            if self.settings.replay.steps:
                frames = source.val_dataloader().of_all_ranks()
                self._teacher = ReplayTeacher(self.settings.replay, self.settings.seed, self._replayer, frames)
        if stage == "fit" and source is not None and self._truths:
            frames = source.val_dataloader().of_all_ranks()
            count = self.settings.labelled_frames
            self._labelled = label_frames(self._truths, count, frames, self.statistics, self.face_model)

    def training_step(self, batch: dict[str, Any], batch_index: int) -> Tensor:
        settings, losses = self.settings, {}
        if self._refines() and self._teacher is not None:
            return self._replay_step(self._teacher, batch["lab"])
        if settings.weights.look_at_clip:
            found, looks = self._clip_losses(batch["clip"])
            losses.update(found)
            if settings.replay.beside and self._replayer is not None:
                losses["replay"] = settings.replay.weight * self._beside_loss(self._replayer, looks)
        if settings.lab_weight > 0:
            losses["lab"] = settings.lab_weight * self._lab_loss(batch["lab"])
        if self._labelled is not None:
            losses["labels"] = settings.label_weight * self._label_loss(self._labelled)
        self.log_dict({f"train/{name}": value for name, value in losses.items()})
        return torch.stack(list(losses.values())).sum()

    def _beside_loss(self, replayer: Replayer, looks: Sequence[Look]) -> Tensor:
        """Views rendered into the batch's own frames, as the learner sees them now, teach all of the encoder."""
        with drawing(self.settings.seed, "replay beside", self.global_step, self.global_rank):
            drawn = torch.randperm(len(looks))[: self.settings.replay.beside].tolist()
            true = join_replayed([replayer.render(looks[row]) for row in drawn])
            view = true.view._replace(image=as_filmed(true.view.image, self.settings.replay.noise))
        return self._supervised(view, true, true.latent)

    def _replay_step(self, teacher: ReplayTeacher, batch: LabBatch) -> Tensor:
        """Replayed views and lab views teach the refinement; the rest of the encoder is what the clip made it."""
        refinement = cast(StateEncoder, self.learner).refinement
        assert refinement is not None  # since it was added
        encoder = cast(StateEncoder, self.encoder)
        replayed = teacher.loss(encoder, refinement, self.global_step, self.global_rank)
        with drawing(self.settings.seed, "lab", self.global_step, self.global_rank):
            rehearsed = teacher.lab_loss(encoder, refinement, self.augment(batch), batch)
        self.log_dict({"train/replay": replayed, "train/replay_lab": rehearsed})
        share = self.settings.replay.batch / (self.settings.replay.batch + len(batch.image))
        return share * replayed + (1.0 - share) * rehearsed

    def _refines(self) -> bool:
        """Whether this step is one of those after the clip's own."""
        return self.settings.replay.steps > 0 and self.global_step >= self.settings.steps

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        """The clip teaches pose and expression, the replay only the refinement: what is not taught has no gradient."""
        replays = self._refines()
        for name, group in self._trained.items():
            if (name == "refinement") != replays:
                for parameter in group:
                    parameter.grad = None
        if replays:
            torch.nn.utils.clip_grad_norm_(self._trained["refinement"], 1.0)

    def _clip_losses(self, clip: ClipBatch) -> tuple[dict[str, Tensor], list[Look]]:
        """The weighted parts of the objective, and the frames as they are seen."""
        images, intrinsics = clip.image.flatten(0, 1), clip.intrinsics.flatten(0, 1)
        keys = torch.stack([clip.clip.unsqueeze(1).expand_as(clip.frame), clip.frame], dim=-1).flatten(0, 1)
        remembered = self.memory.recall(keys, images, intrinsics)
        measured = self.settings.weights.premise_power > 0 or self._is_logged()
        premise = self.premise.recall(keys, images, remembered, clip.frame.shape) if measured else None
        if max(self.settings.crop_shift, self.settings.crop_zoom) > 0:
            with drawing(self.settings.seed, "crop", self.global_step, self.global_rank):
                to_crop = random_crops(images, self.settings.crop_shift, self.settings.crop_zoom)
            images, intrinsics, remembered = crop_again(images, intrinsics, remembered, to_crop)
        state = self.learner(images, intrinsics)
        seen = self.evidence.observe(images, intrinsics, state, remembered.mask)
        if self.global_step == 0:
            self.colour.fit(seen.model_texture.detach(), seen.texture.detach(), seen.mask)
            take_from_main_process(self.colour)
        vertices = self.learner.landmark_vertices
        compared = Comparison(
            seen, remembered, self.face_model, self.evidence.map_on(images.device),
            clip.frame.new_empty(0) if vertices is None else vertices, self.colour, self.settings.weights,
            clip.frame.shape, premise, None if self._openings is None else self._openings.of(keys),
            clip.time_s,
        )
        self.log_dict({f"train/{name}": value for name, value in clip_figures(compared).items()})
        return self_supervision(compared), looks_at(images, seen) if self._replayer is not None else []

    def _is_logged(self) -> bool:
        """Whether the trainer writes this step's figures: what is for the log alone is not measured at others."""
        every = int(getattr(self._trainer, "log_every_n_steps", 0))  # 0 where the module is called by itself
        return every > 0 and (self.global_step + 1) % every == 0

    def _lab_loss(self, batch: LabBatch) -> Tensor:
        with drawing(self.settings.seed, "lab", self.global_step, self.global_rank):
            view = self.augment(batch)
        with torch.no_grad():
            target = self.face_model.encode(batch.vertices, batch.average_texture, batch.average_mask).mean
        return self._supervised(view, batch, target)

    def _label_loss(self, labelled: LabelledFrames) -> Tensor:
        drawn = labelled.draw(self.settings.label_batch, self.settings.seed, self.global_step, self.global_rank)
        drawn = drawn.to(self.device)
        return self._supervised(drawn.view, drawn, drawn.latent)

    def _supervised(self, view: PhoneView, true: KnownMeshes, latent: Tensor) -> Tensor:
        """The lab's supervision of views whose pose, mesh and latent are known."""
        state, points, earlier = self.learner.predict(view.image, view.intrinsics)
        losses = self.supervision.losses(self.face_model, true, view, state, latent)
        if points is not None:
            places = true.vertices[:, self.learner.landmark_vertices]
            losses["points"] = self.supervision.points_loss((*earlier, points), places, view)
        return torch.stack(list(losses.values())).sum()

    def optimizer_step(self, *arguments: Any, **options: Any) -> None:
        """One step of the learner, and the running mean moves towards it.

        Not after the batch: callbacks write their checkpoints before a module's own hook runs.
        """
        super().optimizer_step(*arguments, **options)
        replays = self._refines()
        step = self.global_step - (self.settings.steps if replays else 0)
        decay = min(self.settings.averaging, step / (step + 10.0))
        taught = {id(parameter) for name, group in self._trained.items() for parameter in group
                  if (name == "refinement") == replays}  # fmt: skip
        with torch.no_grad():
            for mean, now in zip(self.encoder.parameters(), self.learner.parameters(), strict=True):
                if id(now) in taught:
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
        settings = self.settings
        clip, replay = replay_schedule(settings.steps, settings.replay.steps)
        groups = [
            (self._trained["points"], settings.learning_rate, clip),
            (self._trained["expression"], settings.learning_rate * settings.expression_rate, clip),
            (list(self.colour.parameters()), settings.colour_rate, clip),
            (self._trained["refinement"], settings.replay.learning_rate, replay),
        ]
        groups = [group for group in groups if group[0]]
        optimizer = torch.optim.Adam([{"params": parameters, "lr": rate} for parameters, rate, _ in groups])
        scheduler = LambdaLR(optimizer, [factor for _, _, factor in groups])
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["networks"] = describe_networks(self.statistics, self.face_model, self.encoder)


def refinement_of(encoder: Encoder) -> list[Parameter]:
    """The parameters that replayed views teach; none where the encoder has no place for them."""
    refinement = getattr(encoder, "refinement", None)
    return [] if refinement is None else list(refinement.parameters())
