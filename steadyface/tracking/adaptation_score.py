"""How good a network is on a clip, without truth: the figures that choose among the weights of an adaptation.

All of them look at the same few frames, under what the frozen source said of them, so that no figure improves by
showing less of the face. A score is a difference from the source's own, on the same frames.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from steadyface.geometry.alignment import canonicalise
from steadyface.geometry.cameras import project
from steadyface.geometry.contrast import normalise_contrast
from steadyface.geometry.texture_space import visibility
from steadyface.losses.registration import look_up, register
from steadyface.metrics.stability import motion_gain
from steadyface.networks.encoder import Encoder, Prediction
from steadyface.tracking.clip_evidence import ClipEvidence, Observation
from steadyface.types import FaceState, SubjectStatistics

UNSEEN_RESIDUAL = 1.1
"""What a texel costs that the source saw and that is out of the picture or turned away: as unrelated textures do."""

POOL, REACH, PATCH = 2, 4, 3
"""Registration: texels a square, largest offset and half side of the patches, in squares."""

FRAMES_A_BLOCK = 8


class WatchedFrames(NamedTuple):
    """The frames of clips that networks are compared on, in order.

    Shapes: image (F, 3, S, S) sRGB; intrinsics (F, 3, 3) of the crops; clip, frame (F,) long; held_out (F,) bool,
    which of them no training window holds.
    """

    image: Tensor
    intrinsics: Tensor
    clip: Tensor
    frame: Tensor
    held_out: Tensor


@dataclass(frozen=True)
class Figures:
    """Of one network, over the watched frames. nan: nothing to measure it on.

    Attributes:
        residual: L1 between contrast-normalised textures, observed and model's, over what the source saw.
        residual_held_out: the same over the held-out frames alone.
        registration_px: distance in the crop between where texels lie and where registration finds them, weighted by
            how sure it is, over the area that the source saw.
        likeness: correlation of the contrast-normalised textures averaged over the frames, observed and model's, in
            [-1, 1]: noise and what a single frame hides are gone, and what is left is whose face it is.
        cross_residual: L1 between the contrast-normalised textures observed in two frames far apart, which no window
            pairs.
        misfit_px: distance between the points that the encoder found and where its state puts them.
        coverage: share of the texels that the source saw that are still in sight.
        latent_distance: mean Mahalanobis norm under the lab's statistics over the square root of Z.
        motion_gain: share of the source's motion that is left, of the mesh in the head frame.
        head_gain: the same of the rigid vertices in the picture: the head's motion.
        region_gain: as motion_gain, by region; regions that the source does not move at all are left out.
    """

    residual: float
    residual_held_out: float
    likeness: float
    registration_px: float
    cross_residual: float
    misfit_px: float
    coverage: float
    latent_distance: float
    motion_gain: float
    head_gain: float
    region_gain: dict[str, float] = field(default_factory=dict)

    def flat(self) -> dict[str, float]:
        """Name -> value, those of the regions as ``motion_gain_REGION``."""
        values = {name: value for name, value in vars(self).items() if name != "region_gain"}
        return values | {f"motion_gain_{name}": value for name, value in self.region_gain.items()}

    @classmethod
    def from_flat(cls, values: dict[str, float]) -> Figures:
        """The figures of `flat`."""
        prefix = "motion_gain_"
        regions = {name[len(prefix) :]: value for name, value in values.items() if name.startswith(prefix)}
        return cls(**{n: v for n, v in values.items() if not n.startswith(prefix)}, region_gain=regions)


class ScoredClip:
    """Measures networks on watched frames, beside the frozen source.

    Args:
        statistics: of the subject.
        source: the frozen source.
        evidence: of the same subject.
        watched: the frames; on any device, they go to the source's a few at a time.
    """

    def __init__(
        self, statistics: SubjectStatistics, source: Encoder, evidence: ClipEvidence, watched: WatchedFrames
    ) -> None:
        self._statistics, self._source, self._evidence, self._watched = statistics, source, evidence, watched
        self._masks: list[Tensor] = []  # of the source, a block of frames each
        self._motion: _Motion | None = None

    @torch.no_grad()
    def measure(self, encoder: Encoder) -> Figures:
        """The figures of an encoder on the source's device; it is left in the mode that it was in."""
        device = next(encoder.parameters()).device
        with evaluating(encoder, self._source):
            parts = [self._measure_block(encoder, block, device) for block in self._blocks()]
        terms = _Terms(*(torch.cat(values) for values in zip(*(part[0] for part in parts), strict=True)))
        motion = self._follow(parts)
        if self._motion is None:  # the first that is measured is the source, see `source_figures`
            self._motion = motion
        return self._join(terms, motion, self._motion)

    def source_figures(self) -> Figures:
        """Those of the source itself: with them the comparison begins."""
        self._motion = None
        return self.measure(self._source)

    def _blocks(self) -> list[Tensor]:
        return list(torch.arange(len(self._watched.frame)).split(FRAMES_A_BLOCK))

    def _measure_block(self, encoder: Encoder, rows: Tensor, device: torch.device) -> tuple[_Terms, FaceState, Tensor]:
        """Frames' terms, states and crops' K."""
        image, intrinsics = (part[rows].to(device) for part in (self._watched.image, self._watched.intrinsics))
        number = int(rows[0]) // FRAMES_A_BLOCK
        if number == len(self._masks):
            remembered = self._evidence.remember(image, intrinsics, self._source.predict(image, intrinsics))
            self._masks.append(remembered.mask)
        predicted = encoder.predict(image, intrinsics)
        seen = self._evidence.observe(image, intrinsics, predicted.state, self._masks[number])
        terms = frame_terms(seen, self._in_sight(seen), predicted, encoder, self._evidence)
        return terms, predicted.state, intrinsics

    def _in_sight(self, seen: Observation) -> Tensor:
        """(B, 1, U, U), which of the texels that the source saw are still turned to the camera, open and in frame."""
        texel_map, size = self._evidence.map_on(seen.texture.device), seen.image_size
        return seen.mask * seen.inside * visibility(seen.placed, seen.intrinsics, texel_map, size, size)

    def _follow(self, parts: list[tuple[_Terms, FaceState, Tensor]]) -> _Motion:
        """Head-frame meshes and the picture's places of the rigid vertices, frame after frame."""
        states = FaceState(*(torch.cat(values) for values in zip(*(part[1] for part in parts), strict=True)))
        facts, vertices = self._statistics, self._evidence.face_model.decode_vertices(states.latent).cpu().double()
        rotation, translation = states.rotation.cpu().double(), states.translation.cpu().double()
        head, turn, place = canonicalise(
            vertices, rotation, translation, facts.vertex_mean.cpu(), facts.rigid_vertices.cpu()
        )
        rigid = head[:, facts.rigid_vertices.cpu()] @ turn.transpose(-1, -2) + place.unsqueeze(1)
        return _Motion(head, project(rigid, torch.cat([part[2] for part in parts]).cpu().double()))

    def _join(self, terms: _Terms, motion: _Motion, source: _Motion) -> Figures:
        held_out = self._watched.held_out
        whole = {name: _mean(getattr(terms, name)) for name in ("residual", "registration_px", "coverage")}
        gains = {name: self._gain(motion.head, source.head, index.cpu())
                 for name, index in self._statistics.regions.items()}  # fmt: skip
        return Figures(
            **whole,
            residual_held_out=_mean(terms.residual[held_out]),
            likeness=likeness(terms.texture, terms.model, terms.in_sight),
            cross_residual=self._cross(terms.texture, terms.in_sight),
            misfit_px=float(terms.misfit_px.nanmean()),
            latent_distance=float(terms.latent_distance.mean()),
            motion_gain=self._gain(motion.head, source.head, None),
            head_gain=self._gain(motion.picture, source.picture, None),
            region_gain={name: gain for name, gain in gains.items() if math.isfinite(gain)},
        )

    def _gain(self, points: Tensor, source: Tensor, index: Tensor | None) -> float:
        """`motion_gain` over neighbouring watched frames; those of two clips are joined by no motion."""
        together = self._watched.clip.diff() == 0
        if not bool(together.any()):
            return math.nan
        steps = [torch.cat([part.new_zeros(1, *part.shape[1:]), part.diff(dim=0)[together].cumsum(0)])
                 for part in (points, source)]  # fmt: skip
        return float(motion_gain(steps[0], steps[1], index))

    def _cross(self, texture: Tensor, in_sight: Tensor) -> float:
        """Each frame beside the one half the watched frames of its clip later."""
        total, count = 0.0, 0.0
        for clip in self._watched.clip.unique():
            rows = torch.nonzero(self._watched.clip == clip)[:, 0]
            half = len(rows) // 2
            one, other = rows[:half], rows[half : 2 * half]
            both = in_sight[one] * in_sight[other]
            total += float(((texture[one] - texture[other]).abs().mean(1, keepdim=True) * both).sum(dtype=torch.double))
            count += float(both.sum(dtype=torch.double))
        return total / count if count else math.nan


class _Motion(NamedTuple):
    """head (F, N, 3) mm, canonical; picture (F, K, 2), the rigid vertices in pixels of the crops."""

    head: Tensor
    picture: Tensor


class _Terms(NamedTuple):
    """Per frame, on the CPU: residual, registration_px, coverage, misfit_px, latent_distance (F,); texture and model
    (F, 3, U, U), observed and decoded, contrast-normalised; in_sight (F, 1, U, U)."""

    residual: Tensor
    registration_px: Tensor
    coverage: Tensor
    misfit_px: Tensor
    latent_distance: Tensor
    texture: Tensor
    model: Tensor
    in_sight: Tensor


def frame_terms(
    seen: Observation, in_sight: Tensor, predicted: Prediction, encoder: Encoder, evidence: ClipEvidence
) -> _Terms:
    """What each of B frames adds to the figures.

    Args:
        seen: the frames under the encoder's states, over the source's mask.
        in_sight: (B, 1, U, U), which of that mask's texels are in sight.
        predicted, encoder: whose states they are.
        evidence: of the subject.
    """
    area = seen.mask.flatten(1).sum(1)
    observed = normalise_contrast(seen.texture, seen.mask * seen.inside)
    model = normalise_contrast(seen.model_texture, seen.mask)
    difference = (observed - model).abs().mean(1, keepdim=True) * in_sight + UNSEEN_RESIDUAL * (seen.mask - in_sight)
    whitened = evidence.face_model.whiten(predicted.state.latent)
    misfit = whitened.new_full((len(whitened),), math.nan)
    if predicted.points is not None and encoder.landmark_vertices is not None:
        placed = project(seen.placed[:, encoder.landmark_vertices], seen.intrinsics)
        misfit = (predicted.points.pixels - placed).norm(dim=-1).mean(1)
    found = _Terms(
        residual=difference.flatten(1).sum(1) / area,
        registration_px=registration_px(observed, model, in_sight, seen),
        coverage=in_sight.flatten(1).sum(1) / area,
        misfit_px=misfit,
        latent_distance=whitened.norm(dim=-1) / whitened.shape[-1] ** 0.5,
        texture=observed,
        model=model,
        in_sight=in_sight,
    )
    return _Terms(*(part.cpu() for part in found))


def registration_px(observed: Tensor, model: Tensor, in_sight: Tensor, seen: Observation) -> Tensor:
    """Mean over the mask of the distance to the registered place, times how sure it is, pixels of the crop: (B,).

    What is no longer in sight pays the whole reach.
    """
    mask, there = ((avg_pool2d(part, POOL) > 0.99).to(observed) for part in (seen.mask, in_sight))
    pixels = avg_pool2d(seen.pixels, POOL)
    found = register(avg_pool2d(observed, POOL), avg_pool2d(model, POOL), there, mask, REACH, PATCH)
    distance = (pixels - look_up(pixels, found.offset)).norm(dim=1, keepdim=True)
    cost = distance * found.weight + REACH * (mask - there * mask)
    return cost.flatten(1).sum(1) / mask.flatten(1).sum(1)


@contextmanager
def evaluating(*networks: nn.Module) -> Iterator[None]:
    """Networks in evaluation mode meanwhile; each of their modules is put back into the mode that it was in."""
    before = [(module, module.training) for network in networks for module in network.modules()]
    for network in networks:
        network.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


def likeness(texture: Tensor, model: Tensor, in_sight: Tensor) -> float:
    """Correlation of two textures (F, 3, U, U), each averaged over the frames in which a texel is in sight
    (F, 1, U, U), over the texels that are so in a third of the frames; nan where none is.

    Contrast-normalised textures have a local mean of nought: no mean is taken out.
    """
    count = in_sight.sum(0)
    often = ((count * 3 >= len(in_sight)) & (count > 0)).double()
    first, second = ((part * in_sight).sum(0).double() / count.clamp(min=1) * often for part in (texture, model))
    energy = first.square().sum() * second.square().sum()
    return float((first * second).sum() / energy.sqrt()) if energy > 0 else math.nan


def _mean(values: Tensor) -> float:
    """Mean over the frames where there is something; nan where there is none."""
    known = values[torch.isfinite(values)].double()
    return float(known.mean()) if len(known) else math.nan


def join_watched(parts: Iterable[WatchedFrames]) -> WatchedFrames:
    """Watched frames of several batches as one."""
    return WatchedFrames(*(torch.cat(values) for values in zip(*parts, strict=True)))
