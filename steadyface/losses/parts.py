"""The parts of the self-supervised objective, by name.

To add one: a function of a ``Comparison`` here, one line in ``PARTS`` that names it and what it
needs, and a weight of the same name in ``SelfSupervisionWeights``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from steadyface.geometry.cameras import project
from steadyface.losses.acceleration import acceleration_cost
from steadyface.losses.apertures import opening_error
from steadyface.losses.comparison import Comparison
from steadyface.losses.consistency import texture_difference, unguarded_texture_difference
from steadyface.losses.coverage import coverage_loss, facing_cosine
from steadyface.losses.guards import lab_prior, latent_pull, out_of_frame, pose_pull, shape_pull
from steadyface.losses.landmarks import landmark_error
from steadyface.losses.registration import look_up, register
from steadyface.losses.robust import charbonnier

RAW_SCALE = 0.02
"""Residual of raw linear colours at which the penalty turns from quadratic to linear."""

WINDOWS = "windows of two frames or more"
TRIPLES = "windows of three frames or more"
TRIPLE = 3
LANDMARKS = "an encoder with a landmark branch"
COLOUR = "a colour model with parameters"
DETECTOR = "MediaPipe, which finds landmarks"


class Part(NamedTuple):
    """loss: of a comparison, unweighted; needs: what the experiment must have for it."""

    loss: Callable[[Comparison], Tensor]
    needs: tuple[str, ...] = ()


def registration(compared: Comparison) -> Tensor:
    """Distance in pixels between where each texel lies and where registration says it should."""
    seen, weights = compared.seen, compared.weights
    scale = weights.registration_scale
    mask, inside = avg_pool2d(seen.mask, scale), avg_pool2d(seen.mask * seen.inside, scale)
    pixels = avg_pool2d(seen.pixels, scale)
    # squares that are only partly seen, or partly off the mesh, mix places: they do not take part
    mask, inside = (mask > 0.99).to(pixels.dtype), (inside > 0.99).to(pixels.dtype)
    observed, model = (avg_pool2d(texture.detach(), scale) for texture in (compared.observed, compared.model))
    found = register(observed, model, inside, mask, weights.reach, weights.patch_radius)
    target = look_up(pixels.detach(), found.offset)
    distance = (pixels - target).square().sum(1, keepdim=True)
    cost = charbonnier(torch.sqrt(distance + 1e-8), 0.5) * found.weight
    return cost.sum() / mask.sum().clamp(min=1.0)


def motc(compared: Comparison) -> Tensor:
    """Model to observation, contrast-normalised."""
    return texture_difference(compared.observed, compared.model, compared.seen.mask, compared.seen.inside)


def motc_raw(compared: Comparison) -> Tensor:
    """Model to observation in linear colours through C, as published."""
    seen = compared.seen
    coloured = compared.colour(seen.model_texture)
    return texture_difference(coloured, seen.texture, seen.mask, seen.inside, RAW_SCALE)


def cftc(compared: Comparison) -> Tensor:
    """First frame of a window to each later one, contrast-normalised."""
    first, later = compared.pairs
    return texture_difference(compared.observed[first], compared.observed[later], *compared.pair_masks())


def cftc_raw(compared: Comparison) -> Tensor:
    """First frame of a window to each later one in linear colours, over the source's mask."""
    first, later = compared.pairs
    texture = compared.seen.texture
    return texture_difference(texture[first], texture[later], *compared.pair_masks(raw=True), RAW_SCALE)


def cftc_unguarded(compared: Comparison) -> Tensor:
    """First frame of a window to each later one in linear colours, over whatever both see now."""
    first, later = compared.pairs
    texture, (_, inside) = compared.seen.texture, compared.pair_masks()
    return unguarded_texture_difference(texture[first], texture[later], inside)


def colour(compared: Comparison) -> Tensor:
    """C alone, on linear colours: the state gets no gradient."""
    seen = compared.seen
    coloured = compared.colour(seen.model_texture.detach())
    return texture_difference(coloured, seen.texture.detach(), seen.mask, seen.inside)


def landmarks(compared: Comparison) -> Tensor:
    """Reprojection of the model's vertices onto the landmarks that the source detected in the frame."""
    seen, source = compared.seen, compared.source
    pixels = project(seen.placed[:, compared.landmark_vertices], seen.intrinsics)
    return landmark_error(pixels, source.landmarks, source.landmark_doubt)


def apertures(compared: Comparison) -> Tensor:
    """Openings of mouth and eyes, in deviations of the lab, against those that a detector sees."""
    if compared.openings is None:
        raise ValueError("apertures without what a detector says of the frames")
    return opening_error(compared.face_model.decode_vertices(compared.seen.state.latent), compared.openings)


def acceleration(compared: Comparison) -> Tensor:
    """How far the texels accelerate in the picture over the first three frames of each window, pixels a frame squared.

    Along rays, at the focal length of the window's first frame: crops that follow the face do not accelerate it.
    """
    if compared.time_s is None or compared.windows[1] < TRIPLE:
        raise ValueError(f"an acceleration without {TRIPLES} and their times")
    now, _ = compared.places
    intrinsics = compared.seen.intrinsics.unflatten(0, compared.windows)
    focal, centre = intrinsics[..., (0, 1), (0, 1)].unsqueeze(2), intrinsics[..., :2, 2].unsqueeze(2)
    places = (now.unflatten(0, compared.windows) - centre) / focal * focal[:, :1]
    return acceleration_cost(places[:, :TRIPLE], compared.time_s[:, :TRIPLE])


def coverage(compared: Comparison) -> Tensor:
    """What the source saw stays in the picture and keeps facing the camera."""
    seen = compared.seen
    cosine = facing_cosine(seen.placed, compared.texel_map)
    return coverage_loss(seen.pixels, compared.source.pixels, cosine, seen.mask, seen.image_size)


def pull_of_latent(compared: Comparison) -> Tensor:
    """To the source's latent."""
    return latent_pull(compared.whitened, compared.face_model.whiten(compared.source.latent))


def pull_of_shape(compared: Comparison) -> Tensor:
    """To the source's mesh."""
    model = compared.face_model
    vertices, remembered = (model.decode_vertices(z) for z in (compared.seen.state.latent, compared.source.latent))
    return shape_pull(vertices, remembered, model.vertex_deviation())


def latent_prior(compared: Comparison) -> Tensor:
    """To the lab's mean latent."""
    return lab_prior(compared.whitened)


def pull_of_pose(compared: Comparison) -> Tensor:
    """To the source's place in the picture."""
    return pose_pull(*compared.places)


def border(compared: Comparison) -> Tensor:
    """Back into the picture."""
    size = compared.seen.image_size
    return out_of_frame(compared.places[0], size, size)


PARTS: dict[str, Part] = {
    "registration": Part(registration),
    "motc": Part(motc),
    "cftc": Part(cftc, (WINDOWS,)),
    "cftc_raw": Part(cftc_raw, (WINDOWS,)),
    "cftc_unguarded": Part(cftc_unguarded, (WINDOWS,)),
    "acceleration": Part(acceleration, (TRIPLES,)),
    "colour": Part(colour, (COLOUR,)),
    "motc_raw": Part(motc_raw),
    "landmarks": Part(landmarks, (LANDMARKS,)),
    "apertures": Part(apertures, (DETECTOR,)),
    "coverage": Part(coverage),
    "latent_pull": Part(pull_of_latent),
    "shape_pull": Part(pull_of_shape),
    "latent_prior": Part(latent_prior),
    "pose_pull": Part(pull_of_pose),
    "out_of_frame": Part(border),
}
