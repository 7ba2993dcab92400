"""The second half of a pretraining: a new expression network learns, from the texture, what the points leave.

By then the points are found, so that a view need be drawn, looked at and unwrapped once. What is left of it is a small
texture, of which thousands fit into memory, and a step of the small network is cheap: it takes many.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from lightning_modules.replaying import OWN_POSE, vertex_weight
from steadyface.capture.phone_augmentation import PhoneAugmentation
from steadyface.errors import InputError
from steadyface.losses.supervised import geometry_error, latent_error
from steadyface.networks.state_encoder import StateEncoder, disturb_pose
from steadyface.randomness import drawing
from steadyface.tracking.lab_replay import LabReplayer
from steadyface.types import LabBatch

TOGETHER = 8
"""Views that are drawn in one go, always the same ones: a view must not depend on what else was asked for."""


@dataclass
class ExpressionSettings:
    """What a new expression network learns by after the points; without such steps the one beside them stays."""

    steps: int = 0  # optimiser steps, after those of the whole encoder
    learning_rate: float = 7.0e-4  # AdamW's, at its highest; at the points' own it learns next to nothing
    batch: int = 32  # views a step
    views: int = 6400  # that are drawn: with few, it learns them by heart
    replayed: float = 0.6  # share of the views that show another expression than was captured, drawn by the face model
    latent_weight: float = 0.1  # per deviation of the lab, beside the mesh
    detail_weight: float = 4.0  # of lips and lids against the other vertices
    noise: float = 0.05  # on the textures, in deviations of their contrast


def check_expression(settings: ExpressionSettings, section: str) -> Iterator[InputError]:
    """The faults of the settings, each named by its own."""
    least = {name: (value, 1 if name in ("views", "batch") else 0) for name, value in asdict(settings).items()}
    for name, (value, limit) in least.items():
        if value < limit:
            yield InputError(f"{section}.{name}", f"{limit} or more", str(value), "raise it")
    if settings.replayed > 1.0:
        yield InputError(f"{section}.replayed", "a share, 0 to 1", str(settings.replayed), "lower it")


class TrainingViews(Protocol):
    """The views of a capture that are trained on, by number."""

    def training_views(self, numbers: Tensor) -> LabBatch:
        """Views of numbers (B,) from 0; behind the last one it starts again."""


class Lesson(NamedTuple):
    """What is kept of a view: texture (4, E, E) half; coefficients (Z,), what the points say in deviations of the lab;
    latent (Z,); moved (N, 3) half, mm, the true mesh less the mean one."""

    texture: Tensor
    coefficients: Tensor
    latent: Tensor
    moved: Tensor


class ExpressionLessons:
    """Draws views by number, the same for the same number: a resumed training sees what it would have seen.

    Args:
        settings: how many, and by what weights.
        seed: of the draws.
        views: of the capture.
        replayer: plays other expressions.
        augment: makes phone views of lab views.
    """

    def __init__(
        self, settings: ExpressionSettings, seed: int, views: TrainingViews, replayer: LabReplayer,
        augment: PhoneAugmentation,
    ) -> None:
        self.settings, self._seed, self._views = settings, seed, views
        self._replayer, self._augment, self._model = replayer, augment, replayer.face_model
        self._weight = vertex_weight(replayer.statistics, self._model, settings.detail_weight)
        self._kept: dict[int, Lesson] = {}

    def loss(self, encoder: StateEncoder, step: int, rank: int) -> Tensor:
        """Of a draw of the views; only the expression network gets a gradient.

        Args:
            step: from 0, of these steps.
            rank: of the process: each draws its own.
        """
        settings, model, device = self.settings, self._model, encoder.latent_mean.device
        with drawing(self._seed, "expression", step, rank):
            numbers = torch.randint(0, settings.views, (settings.batch,)).tolist()
            texture, coefficients, latent, moved = self._look_up(encoder, numbers, device)
            noise = settings.noise * torch.randn(texture[:, :3].shape).to(device) * texture[:, 3:]
        seen = torch.cat([texture[:, :3] + noise, texture[:, 3:]], dim=1)
        expression = coefficients + encoder.expression_network(seen)
        said = encoder.latent_mean + encoder.latent_std * expression
        true = self._replayer.statistics.vertex_mean.to(device) + moved
        geometry = geometry_error(model.decode_vertices(said), true, self._weight.to(device))
        return geometry + settings.latent_weight * latent_error(model.whiten(said), model.whiten(latent))

    def _look_up(self, encoder: StateEncoder, numbers: list[int], device: torch.device) -> Lesson:
        lessons = [self._lesson(encoder, number) for number in numbers]
        return Lesson(*(torch.stack(part).to(device).float() for part in zip(*lessons, strict=True)))

    def _lesson(self, encoder: StateEncoder, number: int) -> Lesson:
        """The view of a number, drawn with its neighbours when the first of them is asked for."""
        if number not in self._kept:
            first = number - number % TOGETHER
            numbers = range(first, min(first + TOGETHER, self.settings.views))
            with drawing(self._seed, "lesson", first):
                drawn = self._draw(encoder, torch.tensor(numbers))
            self._kept.update(
                (one, Lesson(*(part[row] for part in drawn))) for row, one in enumerate(numbers)
            )  # fmt: skip
        return self._kept[number]

    @torch.no_grad()
    def _draw(self, encoder: StateEncoder, numbers: Tensor) -> Lesson:
        device, count = encoder.latent_mean.device, len(numbers)
        batch = LabBatch(*(part.to(device) for part in self._views.training_views(numbers)))
        latent = self._model.encode(batch.vertices, batch.average_texture, batch.average_mask).mean
        rows = torch.nonzero(torch.rand(count) < self.settings.replayed)[:, 0].to(device)
        if len(rows):
            played, others = self._replayer.replay(LabBatch(*(part[rows] for part in batch)))
            batch = LabBatch(*(part.index_copy(0, rows, new) for part, new in zip(batch, played, strict=True)))
            latent = latent.index_copy(0, rows, others)
        view = self._augment(batch)
        solved, own = encoder.solve_points(view.image, view.intrinsics), (torch.rand(count, 1) < OWN_POSE).to(device)
        near_rotation, near_translation = disturb_pose(view)
        rotation = torch.where(own.unsqueeze(-1), solved.rotation, near_rotation)
        translation = torch.where(own, solved.translation, near_translation)
        texture = encoder.unwrap_mean_face(view.image, view.intrinsics, rotation, translation)
        moved = batch.vertices - self._replayer.statistics.vertex_mean.to(device)
        return Lesson(*(part.cpu() for part in (texture.half(), solved.coefficients, latent, moved.half())))
