"""How much of the face something else covers, as far as the model can tell: texels that it does not explain.

Contrast-normalised differences do not tell: a flat hand over a cheek differs from the model by no more than the clean
cheek does (measured: 0.29 of the texels out of range with a third of the face covered, 0.21 without). The
correlation of the two textures does.
"""

from __future__ import annotations

import torch
from torch import Tensor

from steadyface.geometry.contrast import box_sum
from steadyface.networks.face_model import FaceModel
from steadyface.tracking.residual import both_textures
from steadyface.types import FaceState, SubjectStatistics

NEIGHBOURHOOD = 1 / 16
"""Half side of the square over which textures are correlated, in sides of the texture."""

STRUCTURE = 0.03
"""The model's deviation in that square, linear, below which it shows too little to be recognised by."""

EXPLAINED = 0.1
"""The correlation below which a texel shows something else. Measured on the held-out clip of a synthetic subject, with
its source and its adapted network: clean 12 % and 8 % of the texels; with a tenth of the face covered 23 % and 16 %,
with 0.33 to 0.41 of it 44 to 57 %, by flat colour, noise and skin alike."""

_NOISE = 0.01  # deviation of the sensor's noise, linear


@torch.no_grad()
def unexplained_share(
    face_model: FaceModel, statistics: SubjectStatistics, image: Tensor, intrinsics: Tensor, state: FaceState
) -> Tensor:
    """The share of the model's visible texels with structure that the picture does not show.

    Args:
        face_model, statistics: of the subject.
        image: (B, 3, S, S) sRGB crop.
        intrinsics: (B, 3, 3) of the crop.
        state: of the B frames.

    Returns:
        (B,) in [0, 1]; nan where nothing of the face is in the picture.
    """
    seen, texture, mask = both_textures(face_model, statistics, image, intrinsics, state)
    radius = max(1, round(NEIGHBOURHOOD * statistics.texture_size))
    alike, deviation = local_correlation(seen, texture, mask, radius)
    told = mask * (deviation > STRUCTURE)
    return ((alike < EXPLAINED) * told).flatten(1).sum(1) / told.flatten(1).sum(1)


def local_correlation(seen: Tensor, expected: Tensor, mask: Tensor, radius: int) -> tuple[Tensor, Tensor]:
    """Correlation of two textures around each texel, over all channels and the mask's texels alone.

    Args:
        seen, expected: (B, C, U, U).
        mask: (B, 1, U, U), 0 or 1.
        radius: half side of the neighbourhood, texels.

    Returns:
        correlation (B, 1, U, U), drawn towards 0 where there is no more than noise; and the deviation of
        ``expected`` there, (B, 1, U, U).
    """
    count = box_sum(mask, radius).clamp(min=0.5)
    one = (seen - box_sum(seen * mask, radius) / count) * mask
    other = (expected - box_sum(expected * mask, radius) / count) * mask

    def mean(values: Tensor) -> Tensor:
        return (box_sum(values, radius) / count).sum(1, keepdim=True).clamp(min=0.0)

    both = (box_sum(one * other, radius) / count).sum(1, keepdim=True)
    spread, expected_spread = mean(one.square()), mean(other.square())
    correlation = both / ((spread + _NOISE**2) * (expected_spread + _NOISE**2)).sqrt()
    return correlation * mask, expected_spread.sqrt()
