"""The second half of an adaptation: the expression learns from replayed views of the clip, the pose stays."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lightning_modules.clip_labels import spread_evenly
from lightning_modules.schedule import cosine_factor
from steadyface.capture.phone_augmentation import PhoneView
from steadyface.losses.supervised import geometry_error, latent_error
from steadyface.networks.face_model import FaceModel
from steadyface.networks.state_encoder import StateEncoder, disturb_pose
from steadyface.randomness import drawing
from steadyface.tracking.replay import Replayed, Replayer, as_filmed, join_replayed
from steadyface.types import ClipBatch, LabBatch, SubjectStatistics

LEAST_DEVIATION_MM = 0.25
"""A vertex that hardly moves is not held more exactly than this."""

STILLNESS_POWER = 0.7
"""Between 0, where all errors count alike in mm, and 1, where they count in deviations of the vertex's own motion."""

OWN_POSE = 0.6
"""Share of the views that are unwrapped under the pose that the encoder finds; the others near the true one."""


@dataclass
class ReplaySettings:
    """What replayed views of the clip teach: all of the encoder beside the clip's steps, the expression after them."""

    beside: int = 0  # views a step beside the clip's windows, each rendered as its frame is seen at that step
    weight: float = 1.0  # of their supervision, which is that of lab views
    steps: int = 0  # optimiser steps after the clip's own, for the refinement of the expression
    views: int = 960  # views that are rendered: with few, what is learned holds for them alone
    batch: int = 16  # of them a step
    learning_rate: float = 7.0e-4  # Adam's, at its highest; at three times that it learns less, at six times nothing
    latent_weight: float = 0.1  # per deviation of the lab, beside the mesh
    detail_weight: float = 4.0  # of lips and lids against the other vertices
    noise: float = 0.02  # of the camera, at most

    @property
    def replays(self) -> bool:
        """Whether any view is rendered."""
        return self.beside > 0 or self.steps > 0


class Solved(NamedTuple):
    """Labelled views and what the encoder's points say of them: the expression (B, Z) in deviations of the lab, and
    the pose (B, 3, 3), (B, 3) mm."""

    labelled: Replayed
    coefficients: Tensor
    rotation: Tensor
    translation: Tensor


class ReplayTeacher:
    """Teaches an encoder's refinement. Everything else about the encoder stays as it is, so that a view need be
    rendered and looked at once, and a resumed training finds it as it was.

    Args:
        settings: how much, and by what weights.
        seed: of the draws.
        replayer: renders the views.
        frames: every frame of the clips, in order.
    """

    def __init__(
        self, settings: ReplaySettings, seed: int, replayer: Replayer, frames: Iterable[ClipBatch]
    ) -> None:
        self.settings, self._seed = settings, seed
        self._replayer, self.face_model = replayer, replayer.face_model
        self._weight = vertex_weight(replayer.statistics, self.face_model, settings.detail_weight)
        self._frames = _evenly(frames, settings.views)
        self._views: dict[int, Solved] = {}

    def loss(self, encoder: StateEncoder, refinement: nn.Module, step: int, rank: int) -> Tensor:
        """Of a draw of replayed views: the encoder as it is, its refinement as it learns."""
        settings = self.settings
        with drawing(self._seed, "replay", step, rank):
            chosen = torch.randint(0, settings.views, (settings.batch,)).tolist()
            solved = _join([self._view(encoder, number) for number in chosen])
            view = solved.labelled.view
            filmed = view._replace(image=as_filmed(view.image, settings.noise))
            return self._loss(encoder, refinement, filmed, solved)

    def lab_loss(self, encoder: StateEncoder, refinement: nn.Module, view: PhoneView, batch: LabBatch) -> Tensor:
        """Of augmented lab views, for which the same holds. Draws from torch's global generator."""
        with torch.no_grad():
            latent = self.face_model.encode(batch.vertices, batch.average_texture, batch.average_mask).mean
            solved = _solve(encoder, Replayed(view, batch.vertices, latent))
        return self._loss(encoder, refinement, view, solved)

    def _loss(self, encoder: StateEncoder, refinement: nn.Module, view: PhoneView, solved: Solved) -> Tensor:
        own = (torch.rand(len(view.image), 1) < OWN_POSE).to(view.image.device)
        rotation, translation = disturb_pose(view)
        rotation = torch.where(own.unsqueeze(-1), solved.rotation, rotation)
        translation = torch.where(own, solved.translation, translation)
        with torch.no_grad():
            texture = encoder.unwrap_mean_face(view.image, view.intrinsics, rotation, translation)
            first = solved.coefficients + encoder.expression_network(texture)
        latent = encoder.latent_mean + encoder.latent_std * (first + refinement(texture))
        model, true = self.face_model, solved.labelled
        geometry = geometry_error(model.decode_vertices(latent), true.vertices, self._weight.to(latent.device))
        return geometry + self.settings.latent_weight * latent_error(model.whiten(latent), model.whiten(true.latent))

    def _view(self, encoder: StateEncoder, number: int) -> Solved:
        """The replayed view of a number, rendered when it is first asked for, with the others of its frame. A frame at
        a time: a view must not depend on what else was drawn."""
        if number not in self._views:
            frame = number % len(self._frames)
            numbers = range(frame, self.settings.views, len(self._frames))
            self._views.update(zip(numbers, self._render(encoder, frame, numbers), strict=True))
        return self._views[number]

    @torch.no_grad()
    def _render(self, encoder: StateEncoder, frame: int, numbers: Iterable[int]) -> list[Solved]:
        image, intrinsics = self._frames[frame]
        device = encoder.latent_mean.device
        crop, intrinsics = image.to(device).float().div(255)[None], intrinsics.to(device)[None]
        predicted = encoder.predict_unrefined(crop, intrinsics)  # which no step of the replay changes
        seen = self._replayer.evidence.remember(crop, intrinsics, predicted).mask
        look, views = self._replayer.look(crop, intrinsics, predicted.state, seen), []
        for number in numbers:
            with drawing(self._seed, "replayed view", number):
                views.append(self._replayer.render(look))
        solved = _solve(encoder, join_replayed(views))
        return [_part(solved, row) for row in range(len(views))]


def replay_schedule(clip_steps: int, replay_steps: int, warmup: int = 20) -> tuple[Callable[[int], float], ...]:
    """Factors of the learning rates by step: of what the clip teaches, and of what the replay teaches after it.

    Each warms up and falls to 0 by half a cosine, and is 0 in the other's steps.

    >>> clip, replay = replay_schedule(100, 50)
    >>> clip(19), clip(100), replay(99), replay(119)
    (1.0, 0.0, 0.0, 1.0)
    """

    clip = partial(cosine_factor, steps=clip_steps, warmup=min(warmup, clip_steps))
    replay = partial(cosine_factor, steps=replay_steps, warmup=min(warmup, replay_steps))
    return clip, lambda step: replay(step - clip_steps)


def vertex_weight(statistics: SubjectStatistics, face_model: FaceModel, detail: float) -> Tensor:
    """What an error of a vertex counts, (N,) of mean 1: the more, the less it moves in the lab; lips and lids more.

    In mm alone a jaw would count ten times what lids do, which move by a tenth of it.
    """
    weight = face_model.vertex_deviation().clamp(min=LEAST_DEVIATION_MM).pow(-STILLNESS_POWER)
    for region in ("lips", "lids"):
        weight[statistics.regions.get(region, torch.empty(0, dtype=torch.long))] *= detail
    return weight / weight.mean()


@torch.no_grad()
def _solve(encoder: StateEncoder, labelled: Replayed) -> Solved:
    view = labelled.view
    found = encoder.head_points.solve(encoder.point_network(view.image), view.intrinsics)
    return Solved(labelled, found.coefficients, found.rotation, found.translation)


def _part(solved: Solved, row: int) -> Solved:
    """One of the views."""
    one, (view, vertices, latent) = slice(row, row + 1), solved.labelled
    kept = Replayed(PhoneView(*(part[one] for part in view)), vertices[one], latent[one])
    return Solved(kept, *(part[one] for part in solved[1:]))


def _join(views: list[Solved]) -> Solved:
    solved = (torch.cat(part) for part in zip(*(one[1:] for one in views), strict=True))
    return Solved(join_replayed([one.labelled for one in views]), *solved)


def _evenly(frames: Iterable[ClipBatch], count: int) -> list[tuple[Tensor, Tensor]]:
    """At most so many of the frames, spread evenly: the crop as bytes, and its K."""
    found = [
        ((image * 255).round().to(torch.uint8), intrinsics)
        for batch in frames
        for image, intrinsics in zip(batch.image.flatten(0, 1), batch.intrinsics.flatten(0, 1), strict=True)
    ]
    return [found[place] for place in spread_evenly(len(found), min(count, len(found))).tolist()]
