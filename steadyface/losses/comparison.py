"""What the parts of the self-supervised objective look at, each quantity computed once and only when asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from steadyface.geometry.contrast import normalise_contrast
from steadyface.geometry.texture_space import TexelMap
from steadyface.losses.apertures import Openings
from steadyface.losses.colour import ColourModel
from steadyface.losses.premise import PairPremise, pair_weights
from steadyface.networks.face_model import FaceModel

if TYPE_CHECKING:
    from steadyface.losses.self_supervision import SelfSupervisionWeights
    from steadyface.tracking.clip_evidence import Observation, Remembered

_EVERY_TEXEL = 37
"""Guards of the pose look at every so many texels: neighbours move together."""


@dataclass(frozen=True)
class Comparison:
    """Frames under the learner's states beside what the frozen source said of the same frames.

    Attributes:
        seen: windows (B, T), flattened to B * T frames.
        source: of the same frames.
        face_model: frozen.
        texel_map: where the texels lie on its mesh.
        landmark_vertices: (L,) long, of which the source's landmarks are; empty where it has none.
        colour: C.
        weights: of the parts.
        windows: (B, T).
        premise: of the pairs of the windows under the source; None where it was not measured.
        openings: of mouth and eyes, as a detector sees them; None where none was asked.
        time_s: (B, T), when the frames were taken; None where that is not known.
    """

    seen: Observation
    source: Remembered
    face_model: FaceModel
    texel_map: TexelMap
    landmark_vertices: Tensor
    colour: ColourModel
    weights: SelfSupervisionWeights
    windows: torch.Size
    premise: PairPremise | None = None
    openings: Openings | None = None
    time_s: Tensor | None = None

    @cached_property
    def observed(self) -> Tensor:
        """The observed textures, contrast-normalised, (B * T, 3, U, U)."""
        return normalise_contrast(self.seen.texture, self.seen.mask * self.seen.inside)

    @cached_property
    def model(self) -> Tensor:
        """The model's textures, contrast-normalised, (B * T, 3, U, U)."""
        return normalise_contrast(self.seen.model_texture, self.seen.mask)

    @cached_property
    def whitened(self) -> Tensor:
        """The latents in deviations of the lab, (B * T, Z)."""
        return self.face_model.whiten(self.seen.state.latent)

    @cached_property
    def places(self) -> tuple[Tensor, Tensor]:
        """Where some of the texels lie in the picture, the learner's and the source's, (B * T, M, 2) twice."""
        now, before = (
            pixels.flatten(2)[..., ::_EVERY_TEXEL].transpose(1, 2) for pixels in (self.seen.pixels, self.source.pixels)
        )
        return now, before

    @cached_property
    def pairs(self) -> tuple[Tensor, Tensor]:
        """Rows of the first frame of each window, and of each later one beside it."""
        return window_pairs(self.windows, self.seen.texture.device)

    def pair_masks(self, raw: bool = False) -> tuple[Tensor, Tensor]:
        """Over the pairs: where the source saw both, and where both lie in the picture; (P, 1, U, U) twice.

        The first is weighted by the pair's premise to ``premise_power``; ``raw``: by the premise of raw colours.
        """
        first, later = self.pairs
        seen, premise, power = self.seen, self.premise, self.weights.premise_power
        mask = seen.mask[first] * seen.mask[later]
        if premise is not None and power > 0:
            weight = pair_weights(premise.raw_score if raw else premise.score, power)
            mask = mask * weight.to(mask).view(-1, 1, 1, 1)
        return mask, seen.inside[first] * seen.inside[later]


def window_pairs(windows: torch.Size, device: torch.device) -> tuple[Tensor, Tensor]:
    """Pair the first frame of each window with each later one.

    Args:
        windows: (B, T), frames flattened row-major.

    Returns:
        rows (B * (T - 1),) of the first frames, and of the later ones.

    >>> [rows.tolist() for rows in window_pairs(torch.Size([2, 3]), torch.device("cpu"))]
    [[0, 0, 3, 3], [1, 2, 4, 5]]
    """
    count, length = windows
    first = torch.arange(count, device=device).repeat_interleave(length - 1) * length
    later = torch.arange(1, length, device=device).repeat(count) + first
    return first, later
