"""Dense registration in texture space: where in the picture each texel should lie.

For every texel, the model's contrast-normalised texture around it is compared with the observed
one around all offsets within a window, by local correlation. The best offset says where the
texel's true place in the picture is. Nothing here carries a gradient: the result is a target
for the projected position, so the basin is as wide as the window and no image derivative is used.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, pad

from steadyface.geometry.contrast import box_sum


class Registration(NamedTuple):
    """offset (B, 2, U, U) in texels, x then y; peak (B, 1, U, U), the correlation there, -1 to 1;
    weight (B, 1, U, U), 0 where the match says nothing."""

    offset: Tensor
    peak: Tensor
    weight: Tensor


def correlation_volume(
    observed: Tensor, model: Tensor, observed_mask: Tensor, model_mask: Tensor, reach: int, radius: int
) -> Tensor:
    """Local normalised correlation of model(u) with observed(u + d), for all |d| <= reach in x and y.

    Args:
        observed, model: (B, C, U, U), contrast-normalised.
        observed_mask, model_mask: (B, 1, U, U).
        reach: largest offset, texels.
        radius: half side of the compared patches, texels.

    Returns:
        (B, (2 reach + 1)^2, U, U), row-major over (dy, dx), in [-1, 1]; 0 where nothing overlaps.
    """
    size = observed.shape[-1]
    observed, model = observed * observed_mask, model * model_mask
    model_energy = box_sum(model.square().sum(1, keepdim=True), radius).clamp(min=0.0)
    wide = pad(observed, [reach] * 4)
    wide_energy = box_sum(wide.square().sum(1, keepdim=True), radius).clamp(min=0.0)
    scores = []
    for dy in range(2 * reach + 1):
        for dx in range(2 * reach + 1):
            window = (..., slice(dy, dy + size), slice(dx, dx + size))
            product = box_sum((model * wide[window]).sum(1, keepdim=True), radius)
            scores.append(product * torch.rsqrt(model_energy * wide_energy[window] + 1e-3))
    return torch.cat(scores, dim=1)


@torch.no_grad()
def register(
    observed: Tensor, model: Tensor, observed_mask: Tensor, model_mask: Tensor, reach: int = 4, radius: int = 4,
    temperature: float = 0.04,
) -> Registration:
    """Find for each texel of the model where the observation shows it.

    The offset is the softmax mean of the correlation within two texels of its peak, so it is finer
    than a texel and a second, distant peak does not pull on it.

    Args: as ``correlation_volume``; temperature: of the softmax, in units of correlation.
    """
    volume = correlation_volume(observed, model, observed_mask, model_mask, reach, radius)
    side = 2 * reach + 1
    steps = torch.arange(-reach, reach + 1, device=volume.device, dtype=volume.dtype).view(1, -1, 1, 1)
    peak, best = volume.max(dim=1, keepdim=True)
    best_y, best_x = best.div(side, rounding_mode="floor") - reach, best % side - reach
    # by row and column: only what depends on both is worked out for every offset
    near_y, near_x = ((steps - place).abs() <= 2 for place in (best_y, best_x))
    share = volume.sub_(peak).div_(temperature).exp_().unflatten(1, (side, side))
    share.mul_(near_y.unsqueeze(2)).mul_(near_x.unsqueeze(1))
    rows, columns = share.sum(2), share.sum(1)
    total = rows.sum(1, keepdim=True)
    rows, columns = rows / total, columns / total
    offset = torch.cat([(part * steps).sum(1, keepdim=True) for part in (columns, rows)], dim=1)
    # a peak on the window's edge is no peak; a broad one or a weak one says little
    inner = (best_x.abs() < reach) & (best_y.abs() < reach)
    spread = sum(
        (part * (steps - offset[:, axis : axis + 1]).square()).sum(1, keepdim=True)
        for axis, part in enumerate((columns, rows))
    )
    # a match that lies in part on texels not observed has no place in the picture
    whole = (look_up(observed_mask, offset) > 0.99).to(peak.dtype)
    weight = (peak - 0.3).clamp(min=0.0) / 0.7 * torch.exp(-spread) * inner * model_mask * whole
    return Registration(offset, peak, weight)


def look_up(texture: Tensor, offset: Tensor) -> Tensor:
    """A texture at every texel's place plus an offset: (B, C, U, U), (B, 2, U, U) x, y -> (B, C, U, U)."""
    size = texture.shape[-1]
    steps = torch.arange(size, device=texture.device, dtype=texture.dtype)
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    grid = torch.stack([x, y], dim=-1) + offset.permute(0, 2, 3, 1)
    grid = grid * (2.0 / (size - 1)) - 1.0
    return grid_sample(texture, grid, align_corners=True, padding_mode="border")
