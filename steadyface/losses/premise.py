"""How well the premise of adaptation holds between two frames: that a face looks the same in both.

It is asked of the pictures under the frozen source's states, and no truth is known. Where the source's two
textures of a face differ, the difference is told apart by what takes it away, one after the other:

1. ``light``: contrast normalisation;
2. ``hidden``: squares in which a frame does not show the model's face, wherever within reach one looks. They are
   taken out and charged as unrelated textures are: that both frames show the same hand is no agreement;
3. ``motion``: a small re-registration of one texture onto the other. The source's own faults do this, which
   adaptation repairs;
4. ``occlusion``: what is hidden, and what still lies outside the lab's range after all that;
5. ``floor``: the rest, of noise, blur and compression.

The premise is broken by 4 and 5. It is not broken by 1, which the objective's contrast normalisation takes away, nor
by 3, which is what adaptation learns from. ``tracking.premise`` sums pairs up over a clip.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from steadyface.geometry.contrast import box_sum, local_deviation, normalise_contrast
from steadyface.losses.registration import look_up, register
from steadyface.losses.robust import masked_mean

SQUARES = 32
"""Registration looks at textures averaged to about so many squares a side."""

REACH, RADIUS, SPREAD = 2, 3, 2
"""Largest offset, half side of the compared patches, and of what neighbouring offsets are averaged over, in those
squares. A field that may differ from square to square would explain noise and hands away."""

TOLD_SQUARES, TOLD_RADIUS = 64, 4
"""Squares a side, and half side of the patches in them, in which a frame is correlated with the model."""

UNRELATED = 1.1
"""Mean difference of contrast-normalised textures that have nothing in common."""

SHOWN, OTHER = 0.3, 0.1
"""Correlation with the model's texture, after re-registration, at and above which a square shows the face, and at and
below which it shows something else; in between it counts in part. Measured on the adapted clip of a synthetic subject
under its source: 5, 10 and 25 % of the squares of a clean face are below 0.17, 0.26 and 0.39; of a model that is
displaced by a quarter of the texture, which is unrelated, 50 and 75 % are below 0.03 and 0.15."""

STRUCTURE = 0.3
"""Mean square of the model's contrast-normalised texture in a patch, below which it shows too little to be told."""

PARTS = ("light", "motion", "occlusion", "floor")
"""Of the difference of a pair."""

_DOUBT = 0.2  # weight of no offset at all, beside the registered ones

LEAST_CONTRAST = 0.2
"""Below this share of the model's contrast, differences are not enlarged further: they are noise."""

_FLOOR = 0.01  # of local deviation, as in contrast normalisation


class FrameLook(NamedTuple):
    """What one frame says by itself, B frames under the frozen source.

    Shapes: texture (B, 3, U, U) linear, as the camera saw it; mask (B, 1, U, U), safely seen; hidden (B, 1, U, U) in
    [0, 1], how surely a seen texel does not show the model's face; misfit (B,), the difference from the model's
    texture in units of the lab's range; offset (B,), how far re-registration moves the picture on the model,
    as a share of the texture's side;
    contrast (B,), what is left of the contrast after its floor, as a share of the model's, at most 1: a dark or faded
    picture differs less from frame to frame, but does not agree better.
    """

    texture: Tensor
    mask: Tensor
    hidden: Tensor
    misfit: Tensor
    offset: Tensor
    contrast: Tensor

    def at(self, frames: slice | Tensor) -> FrameLook:
        """Some of the frames."""
        return FrameLook(*(getattr(self, name)[frames] for name in self._fields))


class PairPremise(NamedTuple):
    """Of P pairs of frames, (P,) each; differences are in units of the lab's range (its 95th percentile).

    score: in [0, 1], exp(-(occlusion + floor)); 1 where the premise holds, 0 where nothing is seen in both.
    residual: motion + occlusion + floor, the contrast-normalised difference, hidden texels charged as unrelated.
    light, motion, occlusion, floor: see the module. misfit and offset: of the two frames to the model, their mean.
    shared: texels seen in both over those seen in either.
    """

    score: Tensor
    residual: Tensor
    light: Tensor
    motion: Tensor
    occlusion: Tensor
    floor: Tensor
    misfit: Tensor
    offset: Tensor
    shared: Tensor

    @property
    def raw_score(self) -> Tensor:
        """The score for raw colours: light counts against it, exp(-(light + occlusion + floor))."""
        return self.score * torch.exp(-self.light)

    def at(self, pairs: slice | Tensor) -> PairPremise:
        """Some of the pairs."""
        return PairPremise(*(getattr(self, name)[pairs] for name in self._fields))


@torch.no_grad()
def frame_look(observed: Tensor, model: Tensor, mask: Tensor, limit: float) -> FrameLook:
    """What frames say before they are paired.

    Args:
        observed: (B, 3, U, U) linear, unwrapped under the source's states.
        model: (B, 3, U, U) linear, the source's own texture.
        mask: (B, 1, U, U), 0 or 1, which texels are safely seen.
        limit: where the lab's range of differences ends; 0 = not known, 1 is taken.
    """
    one, two = normalise_contrast(observed, mask), normalise_contrast(model, mask)
    flow = _flow(one, two, mask)
    scale = max(1, mask.shape[-1] // TOLD_SQUARES)
    hidden = _unlike(avg_pool2d(look_up(one, flow), scale), avg_pool2d(two, scale), _squares(mask, scale))
    hidden = _enlarged(hidden, scale) * mask
    energy, expected = (_mean(texture.square(), mask) for texture in (one, two))
    contrast = torch.sqrt(energy / expected.clamp(min=1e-6)).clamp(LEAST_CONTRAST, 1.0)
    misfit = _mean((one / contrast.view(-1, 1, 1, 1) - two).abs(), mask) / (limit or 1.0)
    offset = _mean(flow.norm(dim=1, keepdim=True), mask) / mask.shape[-1]
    return FrameLook(observed, mask, hidden, misfit, offset, contrast)


@torch.no_grad()
def pair_premise(first: FrameLook, later: FrameLook, limit: float) -> PairPremise:
    """How well the premise holds between P frames and P others.

    With d the mean absolute difference over the channels, m the texels seen in both, h the larger of the two
    ``hidden``, N contrast normalisation over m and s its local deviation, S a mean over a square of the texels with
    the weight m (1 - h), B' the later texture re-registered onto the first, L the limit, c the mean of the two
    ``contrast``, and sums over texels:

        d0 = S|A - B| / (s c),  d1 = S|N(A) - N(B)| / c,  d2 = min(d1, S|N(A) - N(B')| / c)
        light     = sum m (1 - h) max(d0 - d1, 0)                      / (L sum m)
        motion    = sum m (1 - h) (d1 - d2)                            / (L sum m)
        occlusion = sum m (1 - h) d2 [d2 > L] + sum m h UNRELATED      / (L sum m)
        floor     = sum m (1 - h) d2 [d2 <= L]                         / (L sum m)

    Args:
        first, later: of P frames each.
        limit: as in `frame_look`.
    """
    limit = limit or 1.0
    both = first.mask * later.mask
    hidden = torch.maximum(first.hidden, later.hidden) * both
    shown, scale = both - hidden, max(1, both.shape[-1] // SQUARES)
    one, other = normalise_contrast(first.texture, both), normalise_contrast(later.texture, both)
    moved = look_up(other, _flow(other, one, both))
    deviation = [local_deviation(look.texture, both).square() for look in (first, later)]
    spread = torch.sqrt((deviation[0] + deviation[1]) / 2 + _FLOOR**2)
    contrast = ((first.contrast + later.contrast) / 2).view(-1, 1, 1, 1)

    def smooth(difference: Tensor) -> Tensor:
        return _local_mean(difference.abs().mean(1, keepdim=True) / contrast, shown, scale)

    raw, normalised = smooth((first.texture - later.texture) / spread), smooth(one - other)
    left = torch.minimum(normalised, smooth(one - moved))
    outside = (left > limit).to(left)
    count = both.flatten(1).sum(1)

    def share(values: Tensor) -> Tensor:
        return values.flatten(1).sum(1) / (limit * count).clamp(min=1e-6)

    motion, floor = share(shown * (normalised - left)), share(shown * left * (1 - outside))
    occlusion = share(shown * left * outside + hidden * UNRELATED)
    return PairPremise(
        score=torch.exp(-(occlusion + floor)) * (count > 0),
        residual=motion + occlusion + floor,
        light=share(shown * (raw - normalised).clamp(min=0.0)),
        motion=motion, occlusion=occlusion, floor=floor,
        misfit=(first.misfit + later.misfit) / 2, offset=(first.offset + later.offset) / 2,
        shared=count / torch.maximum(first.mask, later.mask).flatten(1).sum(1).clamp(min=1.0),
    )  # fmt: skip


def pair_weights(score: Tensor, power: float) -> Tensor:
    """Weights of pairs by their premise, (P,) -> (P,): score^power over its mean, so that they sum to P.

    Ones where the power is 0, or no pair has a premise at all.
    """
    weight = score.detach().clamp(min=0.0) ** power
    mean = weight.mean()
    return weight / mean if bool(mean > 1e-6) else torch.ones_like(weight)


def premise_figures(premise: PairPremise) -> dict[str, Tensor]:
    """Means for the log: ``premise``, ``premise_light`` and the other parts; empty without pairs."""
    if not len(premise.score):
        return {}
    return {"premise": premise.score.mean()} | {f"premise_{name}": getattr(premise, name).mean() for name in PARTS}


def _flow(observed: Tensor, model: Tensor, mask: Tensor) -> Tensor:
    """Where the observation shows each texel of the model: smooth offsets in texels, x then y, (B, 2, U, U)."""
    scale = max(1, mask.shape[-1] // SQUARES)
    seen = _squares(mask, scale)
    found = register(avg_pool2d(observed, scale), avg_pool2d(model, scale), seen, seen, REACH, RADIUS)
    offset = box_sum(found.offset * found.weight, SPREAD) / (box_sum(found.weight, SPREAD) + _DOUBT)
    return _enlarged(offset * scale, scale, "bilinear")


def _unlike(observed: Tensor, model: Tensor, mask: Tensor) -> Tensor:
    """How surely each texel shows something else than the model, (B, 1, V, V) in [0, 1]."""
    one, two = observed * mask, model * mask

    def around(values: Tensor) -> Tensor:
        return box_sum(values.mean(1, keepdim=True), TOLD_RADIUS).clamp(min=0.0)

    product = box_sum((one * two).mean(1, keepdim=True), TOLD_RADIUS)
    correlation = product * torch.rsqrt(around(one.square()) * around(two.square()) + 1e-4)
    structure = around(two.square()) / box_sum(mask, TOLD_RADIUS).clamp(min=0.5)
    return ((SHOWN - correlation) / (SHOWN - OTHER)).clamp(0.0, 1.0) * mask * (structure > STRUCTURE)


def _squares(mask: Tensor, scale: int) -> Tensor:
    """Which squares are seen for the better part, (B, 1, V, V) 0 or 1."""
    return (avg_pool2d(mask, scale) > 0.5).to(mask)


def _enlarged(values: Tensor, scale: int, mode: str = "nearest") -> Tensor:
    return values if scale == 1 else interpolate(values, scale_factor=scale, mode=mode)


def _local_mean(values: Tensor, weight: Tensor, radius: int) -> Tensor:
    return box_sum(values * weight, radius) / box_sum(weight, radius).clamp(min=1e-3)


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean of each frame, (B, C, U, U), (B, 1, U, U) -> (B,); 0 where the weight is 0 everywhere."""
    return torch.stack([masked_mean(value, one) for value, one in zip(values, weight, strict=True)])
