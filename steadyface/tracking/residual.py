"""How well the model explains what the camera saw, in texture space: the tracker's own doubt."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import torch
from kornia.color import rgb_to_linear_rgb
from torch import Tensor

from steadyface.geometry.cameras import transform, view_direction
from steadyface.geometry.contrast import normalise_contrast
from steadyface.geometry.texture_space import TexelMap, erode, unwrap, visibility
from steadyface.networks.face_model import FaceModel
from steadyface.types import FaceState, SubjectStatistics

RESIDUAL_FRAME_STEP = 5
"""Every fifth frame of a clip is measured: the residual changes slowly, its median over a clip is what is
used, and each measured frame is rasterised."""

_TEXEL_MAPS: WeakKeyDictionary[FaceModel, TexelMap] = WeakKeyDictionary()


@torch.no_grad()
def texture_residuals(
    face_model: FaceModel, statistics: SubjectStatistics, image: Tensor, intrinsics: Tensor, state: FaceState
) -> Tensor:
    """Masked L1 between the observed and the model's contrast-normalised textures, one number a frame.

    Args:
        face_model, statistics: of the subject, on the image's device.
        image: (B, 3, S, S) sRGB crop.
        intrinsics: (B, 3, 3) of the crop.
        state: of the B frames.

    Returns:
        (B,): about 1.1 for unrelated textures; nan where nothing of the face is in the picture.
    """
    seen, texture, mask = both_textures(face_model, statistics, image, intrinsics, state)
    difference = normalise_contrast(seen, mask) - normalise_contrast(texture, mask)
    total = (difference.abs().mean(1, keepdim=True) * mask).flatten(1).sum(1)
    return total / mask.flatten(1).sum(1)


def both_textures(
    face_model: FaceModel, statistics: SubjectStatistics, image: Tensor, intrinsics: Tensor, state: FaceState
) -> tuple[Tensor, Tensor, Tensor]:
    """The texture that the camera saw and the model's, (B, 3, U, U) linear, and which texels are safely in view,
    (B, 1, U, U); arguments as `texture_residuals`."""
    texel_map = texel_map_of(face_model, statistics)
    view = face_model.clamp_view(view_direction(state.rotation, state.translation))
    vertices, texture = face_model.decode(state.latent, view)
    placed = transform(vertices, state.rotation, state.translation)
    size = image.shape[-1]
    seen = unwrap(rgb_to_linear_rgb(image), placed, intrinsics, texel_map)
    mask = erode(visibility(placed, intrinsics, texel_map, size, size), 1) * seen.in_frame
    return seen.texture, texture, mask


@torch.no_grad()
def sampled_residuals(
    face_model: FaceModel, statistics: SubjectStatistics, image: Tensor, intrinsics: Tensor, state: FaceState,
    number: Tensor,
) -> Tensor:
    """`texture_residuals` of every `RESIDUAL_FRAME_STEP`-th frame of a clip, nan for those between.

    Args:
        face_model, statistics, image, intrinsics, state: as `texture_residuals`.
        number: (B,) long, the frames' places in the clip.

    Returns:
        (B,).
    """
    chosen = number % RESIDUAL_FRAME_STEP == 0
    residual = image.new_full((len(image),), torch.nan)
    if bool(chosen.any()):
        some = FaceState(*(part[chosen] for part in state))
        residual[chosen] = texture_residuals(face_model, statistics, image[chosen], intrinsics[chosen], some)
    return residual


def texel_map_of(face_model: FaceModel, statistics: SubjectStatistics) -> TexelMap:
    """The texel map of a face model's subject, on the device of the statistics: made once a model, not once a call.

    Args:
        face_model: whose map is remembered; one model belongs to one subject.
        statistics: of that subject.
    """
    device = statistics.faces.device
    known = _TEXEL_MAPS.get(face_model)
    if known is None:
        known = TexelMap.from_topology(statistics.faces, statistics.uv, statistics.uv_faces, statistics.texture_size)
    if known.index.device != device:
        known = known.to(device)
    _TEXEL_MAPS[face_model] = known
    return known
