"""Does the tracked motion explain the picture's motion? PSNR of an earlier frame warped to a later one."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric

from steadyface.geometry.cameras import project
from steadyface.geometry.rasterizer import interpolate, rasterize
from steadyface.geometry.texture_space import sample_pixels
from steadyface.metrics.accumulate import total
from steadyface.metrics.photometric import decibels, square_terms


def pixel_grid(height: int, width: int, like: Tensor) -> Tensor:
    """Every pixel's own position, (H, W, 2) as (x, y)."""
    rows = torch.arange(height, dtype=like.dtype, device=like.device)
    columns = torch.arange(width, dtype=like.dtype, device=like.device)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack((x, y), dim=-1)


def correspondence(
    current: Tensor,
    earlier: Tensor,
    faces: Tensor,
    current_intrinsics: Tensor,
    earlier_intrinsics: Tensor,
    height: int,
    width: int,
) -> Tensor:
    """Where each pixel of frame t was at frame t - k, by the tracked mesh.

    Args:
        current: (B, N, 3) mm, camera-frame vertices at t.
        earlier: (B, N, 3) mm, camera-frame vertices at t - k.
        faces: (F, 3) long.
        current_intrinsics: (B, 3, 3) of frame t; earlier_intrinsics: (B, 3, 3) of frame t - k.
        height, width: of the frames, pixels.

    Returns:
        (B, H, W, 2) positions (x, y) in frame t - k; a pixel off the mesh keeps its own.
    """
    fragments = rasterize(current, faces, current_intrinsics, height, width)
    surface = interpolate(fragments, earlier[:, faces])
    moved = project(surface.flatten(1, 2), earlier_intrinsics).view(*surface.shape[:3], 2)
    stay = pixel_grid(height, width, moved).expand_as(moved)
    return torch.where((fragments.triangle >= 0)[..., None], moved, stay)


def unoccluded_mask(
    current: Tensor,
    earlier: Tensor,
    faces: Tensor,
    current_intrinsics: Tensor,
    earlier_intrinsics: Tensor,
    height: int,
    width: int,
    tolerance_mm: float = 3.0,
) -> Tensor:
    """Pixels of frame t on the mesh whose surface point was also seen at t - k, (B, 1, H, W).

    Give it geometry that is NOT judged (the truth's, or the frozen source's): a mask from the
    judged prediction would pay for hiding what it gets wrong. Arguments as `correspondence`;
    ``tolerance_mm`` is the depth a point may lie behind the depth buffer.
    """
    fragments = rasterize(current, faces, current_intrinsics, height, width)
    surface = interpolate(fragments, earlier[:, faces])
    pixels = project(surface.flatten(1, 2), earlier_intrinsics)
    buffer = rasterize(earlier, faces, earlier_intrinsics, height, width).depth
    x, y = pixels.round().long().unbind(dim=-1)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    place = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
    nearest = buffer.flatten(1).gather(1, place)
    in_front = surface.flatten(1, 2)[..., 2] <= nearest + tolerance_mm
    seen = (fragments.triangle.flatten(1) >= 0) & inside & in_front & (nearest > 0)
    return seen.view(-1, 1, height, width).to(current.dtype)


def _square_sums(current: Tensor, earlier: Tensor, positions: Tensor, mask: Tensor) -> Tensor:
    """Squared error with the warp, without it, and the count: (3,) float64."""
    earlier = earlier.to(positions.dtype)
    warped = sample_pixels(earlier, positions.flatten(1, 2)).transpose(1, 2).view_as(earlier)
    with_warp, count = total(square_terms(warped, current, mask))
    without_warp, _ = total(square_terms(earlier, current, mask))
    return torch.stack((with_warp, without_warp, count))


def _gain_db(sums: Tensor) -> Tensor:
    return decibels(sums[0] / sums[2]) - decibels(sums[1] / sums[2])


def warp_psnr_db(current: Tensor, earlier: Tensor, positions: Tensor, mask: Tensor) -> Tensor:
    """PSNR of the warped earlier frame minus that of no warp, both over the mask, dB.

    Above 0: the tracked motion explains the picture's. Evaluate it at k = 1 and k = 5 frames.

    Args:
        current: (B, 3, H, W) sRGB in [0, 1], frame t.
        earlier: (B, 3, H, W) sRGB in [0, 1], frame t - k.
        positions: (B, H, W, 2), from `correspondence` of the judged geometry.
        mask: (B, 1, H, W), from `unoccluded_mask` of independent geometry.
    """
    return _gain_db(_square_sums(current, earlier, positions, mask))


class WarpPsnrDb(Metric):
    """`warp_psnr_db` over batches: squared errors are pooled over all masks."""

    is_differentiable = False
    full_state_update = False
    sums: Tensor

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.add_state("sums", torch.zeros(3, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, current: Tensor, earlier: Tensor, positions: Tensor, mask: Tensor) -> None:
        """Add frame pairs, as `warp_psnr_db`."""
        self.sums += _square_sums(current, earlier, positions, mask).to(self.sums)

    def compute(self) -> Tensor:
        """The gain over no warp, over everything seen, dB."""
        return _gain_db(self.sums)
