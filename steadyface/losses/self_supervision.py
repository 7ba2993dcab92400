"""The objective of adaptation: consistency, registration and guards under one set of weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from steadyface.geometry.contrast import normalise_contrast
from steadyface.losses.colour import ColourMatrix
from steadyface.losses.consistency import texture_difference, unguarded_texture_difference
from steadyface.losses.guards import lab_prior, latent_pull, out_of_frame, pose_pull, shape_pull
from steadyface.losses.registration import look_up, register
from steadyface.losses.robust import charbonnier
from steadyface.networks.face_model import FaceModel

if TYPE_CHECKING:
    from steadyface.tracking.clip_evidence import Observation, Remembered


@dataclass
class SelfSupervisionWeights:
    """Weight of each part; a part of weight 0 is not computed."""

    registration: float = 3.0  # distance to the registered place, per pixel of the crop
    motc: float = 1.0  # model to observation, contrast-normalised
    cftc: float = 16.0  # frame to frame, contrast-normalised
    motc_raw: float = 0.0  # model to observation through C, raw linear colours (as published)
    cftc_unguarded: float = 0.0  # frame to frame, raw, over whatever both frames see now (as published)
    colour: float = 1.0  # C alone, on raw colours
    latent_pull: float = 0.3  # to the source's latent, per deviation of the lab
    shape_pull: float = 6.0  # to the source's mesh, per squared deviation of each vertex's motion in the lab
    latent_prior: float = 0.0  # to the lab's mean latent
    pose_pull: float = 0.01  # to the source's pose, per pixel of the crop
    out_of_frame: float = 1.0  # per pixel beyond the picture
    registration_scale: int = 2  # textures are averaged over squares of so many texels before registration
    reach: int = 3  # largest offset that registration looks at, texels so averaged
    patch_radius: int = 3  # half side of the patches it compares, the same texels


def self_supervision(
    seen: Observation, source: Remembered, face_model: FaceModel, colour: ColourMatrix,
    weights: SelfSupervisionWeights, windows: torch.Size,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weighted losses by name, and figures for the log.

    Args:
        seen: frames under the learner's states, windows (B, T) flattened.
        source: what the frozen source said of the same frames.
        face_model: frozen.
        colour: C.
        weights: of the parts.
        windows: (B, T).
    """
    observed = normalise_contrast(seen.texture, seen.mask * seen.inside)
    model = normalise_contrast(seen.model_texture, seen.mask)
    losses: dict[str, Tensor] = {}
    if weights.registration > 0:
        losses["registration"] = weights.registration * _registration_loss(seen, observed, model, weights)
    if weights.motc > 0:
        losses["motc"] = weights.motc * texture_difference(observed, model, seen.mask, seen.inside)
    if weights.cftc > 0:
        losses["cftc"] = weights.cftc * _over_pairs(observed, seen, windows)
    if weights.cftc_unguarded > 0:
        losses["cftc_unguarded"] = weights.cftc_unguarded * _unguarded_pairs(seen, windows)
    losses.update(_raw_losses(seen, colour, weights))
    losses.update(_guards(seen, source, face_model, weights))
    figures = {
        "texture_residual": ((observed - model).abs() * seen.mask).detach().sum() / (3 * seen.mask.sum()).clamp(min=1),
        "texture_coverage": ((seen.mask * seen.inside).sum() / seen.mask.sum().clamp(min=1)).detach(),
    }
    return losses, figures


def _registration_loss(seen: Observation, observed: Tensor, model: Tensor, weights: SelfSupervisionWeights) -> Tensor:
    """Distance in pixels between where each texel lies and where registration says it should."""
    scale = weights.registration_scale
    mask, inside = avg_pool2d(seen.mask, scale), avg_pool2d(seen.mask * seen.inside, scale)
    pixels = avg_pool2d(seen.pixels, scale)
    # squares that are only partly seen, or partly off the mesh, mix places: they do not take part
    mask, inside = (mask > 0.99).to(pixels.dtype), (inside > 0.99).to(pixels.dtype)
    found = register(
        avg_pool2d(observed.detach(), scale), avg_pool2d(model.detach(), scale), inside, mask, weights.reach,
        weights.patch_radius,
    )
    target = look_up(pixels.detach(), found.offset)
    distance = (pixels - target).square().sum(1, keepdim=True)
    cost = charbonnier(torch.sqrt(distance + 1e-8), 0.5) * found.weight
    return cost.sum() / mask.sum().clamp(min=1.0)


def _pairs(windows: torch.Size, device: torch.device) -> tuple[Tensor, Tensor]:
    """Indices of the first frame of each window, and of each later one beside it."""
    count, length = windows
    first = torch.arange(count, device=device).repeat_interleave(length - 1) * length
    later = torch.arange(1, length, device=device).repeat(count) + first
    return first, later


def _over_pairs(observed: Tensor, seen: Observation, windows: torch.Size) -> Tensor:
    first, later = _pairs(windows, observed.device)
    return texture_difference(
        observed[first], observed[later], seen.mask[first] * seen.mask[later], seen.inside[first] * seen.inside[later]
    )


def _unguarded_pairs(seen: Observation, windows: torch.Size) -> Tensor:
    first, later = _pairs(windows, seen.texture.device)
    return unguarded_texture_difference(
        seen.texture[first], seen.texture[later], seen.inside[first] * seen.inside[later]
    )


def _raw_losses(seen: Observation, colour: ColourMatrix, weights: SelfSupervisionWeights) -> dict[str, Tensor]:
    """C learns from raw colours always; the state only where the published MOTC is asked for."""
    losses = {}
    if weights.colour > 0:
        coloured = colour(seen.model_texture.detach())
        losses["colour"] = weights.colour * texture_difference(coloured, seen.texture.detach(), seen.mask, seen.inside)
    if weights.motc_raw > 0:
        coloured = colour(seen.model_texture)
        losses["motc_raw"] = weights.motc_raw * texture_difference(
            coloured, seen.texture, seen.mask, seen.inside, scale=0.02
        )
    return losses


def _guards(
    seen: Observation, source: Remembered, face_model: FaceModel, weights: SelfSupervisionWeights
) -> dict[str, Tensor]:
    losses = {}
    whitened = face_model.whiten(seen.state.latent)
    chosen = seen.pixels.flatten(2)[..., ::37].transpose(1, 2)
    before = source.pixels.flatten(2)[..., ::37].transpose(1, 2)
    if weights.latent_pull > 0:
        losses["latent_pull"] = weights.latent_pull * latent_pull(whitened, face_model.whiten(source.latent))
    if weights.shape_pull > 0:
        vertices, remembered = (face_model.decode_vertices(z) for z in (seen.state.latent, source.latent))
        pull = shape_pull(vertices, remembered, face_model.vertex_deviation())
        losses["shape_pull"] = weights.shape_pull * pull
    if weights.latent_prior > 0:
        losses["latent_prior"] = weights.latent_prior * lab_prior(whitened)
    if weights.pose_pull > 0:
        losses["pose_pull"] = weights.pose_pull * pose_pull(chosen, before)
    if weights.out_of_frame > 0:
        losses["out_of_frame"] = weights.out_of_frame * out_of_frame(chosen, seen.image_size, seen.image_size)
    return losses
