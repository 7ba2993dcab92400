"""The lab's linear model of the points that an encoder finds, whichever encoder it is."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from steadyface.errors import InputError
from steadyface.geometry.state_from_points import PointModel
from steadyface.networks.encoder import Encoder
from steadyface.networks.face_model import FaceModel
from steadyface.networks.point_network import FoundPoints
from steadyface.networks.state_encoder import StateEncoder

UNTRAINED_PRIOR = 8.0
"""Weight of the prior where no encoder learned one: near what encoders learn, 7.8 to 8.5."""


class LabPoints(NamedTuple):
    """K points that an encoder finds: their linear model, and the weight of its prior against their doubts."""

    model: PointModel
    prior: float


def lab_points(encoder: Encoder, face_model: FaceModel) -> LabPoints:
    """The linear model of an encoder's points.

    Raises:
        InputError: an encoder that finds no points.
    """
    if isinstance(encoder, StateEncoder):
        own = encoder.head_points
        return LabPoints(PointModel(own.mean, own.basis), float(own.prior_log_weight.detach().exp()))
    vertices = encoder.landmark_vertices
    if vertices is None:
        remedy = "give --focal PX, or use a network that finds points"
        raise InputError("focal length", "a network that finds points of the head", f"{encoder.name} without", remedy)
    return LabPoints(vertex_model(face_model, vertices), UNTRAINED_PRIOR)


@torch.no_grad()
def vertex_model(face_model: FaceModel, vertices: Tensor, latent: Tensor | None = None) -> PointModel:
    """Vertices (K,) of the decoder, to first order about a latent (Z,), the lab's mean where None.

    Its coefficients are the latent's, in deviations of the lab.
    """
    about = torch.zeros_like(face_model.latent_mean) if latent is None else face_model.whiten(latent)

    def decode(whitened: Tensor) -> Tensor:
        latent = face_model.latent_mean + face_model.latent_std * whitened
        return face_model.decode_vertices(latent[None])[0, vertices]

    basis = torch.func.jacfwd(decode)(about)
    return PointModel(decode(about) - basis @ about, basis)


def points_in_frame(found: FoundPoints, box: Tensor, image_size: int) -> tuple[Tensor, Tensor]:
    """Points found in crops, in pixels of the full frame: (B, K, 2), and their doubts (B, K).

    Args:
        found: of B crops of side ``image_size``.
        box: (B, 4) x, y, width, height of the crops in the full frame.
    """
    scale = box[:, None, 2:] / image_size
    return (found.pixels + 0.5) * scale - 0.5 + box[:, None, :2], found.doubt_px * scale.mean(-1)
