"""A head pose in the coordinates of the crop that shows it, so that a regression need not learn K.

Where a face appears in a crop, how large, and how it is turned to the ray that meets it: three
things that pixels show. K and the crop turn them into a pose and back, exactly; a crop moved over
the frame changes the place in the crop alone.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from pytorch3d.transforms import rotation_6d_to_matrix
from torch import Tensor

from steadyface.geometry.cameras import NEAREST_DEPTH_MM


class CropPose(NamedTuple):
    """A head pose as B crops of S pixels show it.

    Shapes: rotation (B, 3, 3), of the head to the ray through its anchor; position (B, 2), of the
    anchor in sides of the crop, 0 at its centre; log_depth (B,), of the anchor's depth in mm times
    S over the focal length in pixels: the logarithm of the mm that the crop's side spans there.
    """

    rotation: Tensor
    position: Tensor
    log_depth: Tensor


def to_crop_rays(
    rotation: Tensor, translation: Tensor, anchor: Tensor, intrinsics: Tensor, image_size: int
) -> CropPose:
    """Pose (B, 3, 3), (B, 3) mm, head -> camera, as crops with K (B, 3, 3) show it; anchor (3,) head frame, mm."""
    place = rotation @ anchor + translation
    depth = place[:, 2].clamp(min=NEAREST_DEPTH_MM)
    ray = torch.cat([place[:, :2] / depth.unsqueeze(-1), torch.ones_like(place[:, :1])], dim=-1)
    pixels = (intrinsics @ ray.unsqueeze(-1)).squeeze(-1)[:, :2]
    log_depth = torch.log(depth * image_size / focal_length(intrinsics))
    turned = turn_to_ray(ray).transpose(-1, -2) @ rotation
    return CropPose(turned, (pixels + 0.5) / image_size - 0.5, log_depth)


def from_crop_rays(
    pose: CropPose, anchor: Tensor, intrinsics: Tensor, image_size: int
) -> tuple[Tensor, Tensor]:
    """The inverse of ``to_crop_rays``: rotation (B, 3, 3) and translation (B, 3) mm, head -> camera."""
    pixels = (pose.position + 0.5) * image_size - 0.5
    homogeneous = torch.cat([pixels, torch.ones_like(pixels[:, :1])], dim=-1)
    ray = torch.linalg.solve(intrinsics, homogeneous.unsqueeze(-1)).squeeze(-1)
    depth = torch.exp(pose.log_depth) * focal_length(intrinsics) / image_size
    rotation = turn_to_ray(ray) @ pose.rotation
    return rotation, ray * depth.unsqueeze(-1) - rotation @ anchor


def rotation_from_numbers(numbers: Tensor) -> Tensor:
    """Six numbers (B, 6) -> rotation (B, 3, 3); zeros give the identity (Zhou et al. 2019, section 4)."""
    start = numbers.new_tensor([1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
    return rotation_6d_to_matrix(numbers + start)


def focal_length(intrinsics: Tensor) -> Tensor:
    """Pixels to a radian at the centre, (B, 3, 3) -> (B,): the mean of both axes, whatever the camera's roll."""
    determinant = intrinsics[:, 0, 0] * intrinsics[:, 1, 1] - intrinsics[:, 0, 1] * intrinsics[:, 1, 0]
    return determinant.abs().sqrt()


def turn_to_ray(ray: Tensor) -> Tensor:
    """The shortest turn from the camera's axis z to rays (B, 3) with z above 0: (B, 3, 3)."""
    x, y, z = torch.nn.functional.normalize(ray, dim=-1).unbind(-1)
    shrink = 1.0 / (1.0 + z)
    return torch.stack(
        [1 - x * x * shrink, -x * y * shrink, x, -x * y * shrink, 1 - y * y * shrink, y, -x, -y, z], dim=-1
    ).view(-1, 3, 3)
