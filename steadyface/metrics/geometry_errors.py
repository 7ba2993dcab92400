"""Where the tracked face is wrong: expression, camera-frame position, picture position, head pose."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from steadyface.metrics.accumulate import RatioOfSums, Terms, mean_terms, ratio


def distances(predicted: Tensor, truth: Tensor, region: Tensor | None = None) -> Tensor:
    """Norms of the difference of two point sets, (B, n), float64.

    Args:
        predicted: (B, N, D).
        truth: (B, N, D).
        region: (n,) long, the vertices to look at; all of them when None.
    """
    if region is not None:
        predicted, truth = predicted[:, region], truth[:, region]
    return (predicted.double() - truth.double()).norm(dim=-1)


def vertex_error_mm(predicted: Tensor, truth: Tensor, region: Tensor | None = None) -> Tensor:
    """Mean distance between predicted and true vertices in the head frame: the expression's error.

    Args:
        predicted: (B, N, 3) mm, canonical (`head_frame.canonicalise`).
        truth: (B, N, 3) mm, canonical in the same frame.
        region: (n,) long, the vertices to look at; all of them when None.

    Returns:
        A scalar, mm.
    """
    return ratio(mean_terms(distances(predicted, truth, region)))


def vertex_error_camera_mm(predicted: Tensor, truth: Tensor) -> Tensor:
    """Mean distance between predicted and true vertices in the camera frame, both (B, N, 3) mm."""
    return ratio(mean_terms(distances(predicted, truth)))


def vertex_error_camera_lateral_mm(predicted: Tensor, truth: Tensor) -> Tensor:
    """The part of the camera-frame error across the line of sight (x and y), both (B, N, 3) mm."""
    return ratio(mean_terms(distances(predicted[..., :2], truth[..., :2])))


def _log_depth_terms(predicted: Tensor, truth: Tensor) -> Terms:
    # a vertex behind the camera has no log depth; a micrometre keeps a collapsed face's figure finite
    depth, true_depth = (points[..., 2].double().clamp_min(1e-3) for points in (predicted, truth))
    return mean_terms((depth / true_depth).log().abs())


def vertex_error_camera_log_depth(predicted: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute difference of the logarithms of depth, both (B, N, 3) mm; 0.01 is 1 % of depth.

    Depth in mm hides that a focal length 10 % off moves the face by 10 % of its distance.
    """
    return ratio(_log_depth_terms(predicted, truth))


def reprojection_error_px(predicted: Tensor, truth: Tensor) -> Tensor:
    """Mean distance between projected predicted and true vertices, pixels of the full frame.

    Args:
        predicted: (B, N, 2) px, projected with the tracker's intrinsics.
        truth: (B, N, 2) px, projected with the true ones.
    """
    return ratio(mean_terms(distances(predicted, truth)))


def rotation_angles_deg(predicted: Tensor, truth: Tensor) -> Tensor:
    """Angles of ``predicted^T truth``, (B,) degrees, float64.

    Through atan2 of sine and cosine: arccos has a floor of 0.02 degrees in float32.
    """
    relative = predicted.double().transpose(-1, -2) @ truth.double()
    skew = relative - relative.transpose(-1, -2)
    sine = torch.stack((skew[..., 2, 1], skew[..., 0, 2], skew[..., 1, 0]), dim=-1).norm(dim=-1)
    cosine = relative.diagonal(dim1=-2, dim2=-1).sum(dim=-1) - 1.0
    return torch.rad2deg(torch.atan2(sine, cosine))  # both carry the same factor 2


def head_rotation_error_deg(predicted: Tensor, truth: Tensor) -> Tensor:
    """Mean angle between predicted and true head rotations, both (B, 3, 3), canonical poses."""
    return ratio(mean_terms(rotation_angles_deg(predicted, truth)))


def head_translation_error_mm(predicted: Tensor, truth: Tensor) -> Tensor:
    """Mean distance between predicted and true head translations, both (B, 3) mm, canonical poses."""
    return ratio(mean_terms((predicted.double() - truth.double()).norm(dim=-1)))


class VertexErrorMm(RatioOfSums):
    """`vertex_error_mm` over batches; ``region`` (n,) long picks vertices, all when None."""

    region: Tensor | None

    def __init__(self, region: Tensor | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.register_buffer("region", region, persistent=False)

    def update(self, predicted: Tensor, truth: Tensor) -> None:
        """Add canonical vertices, both (B, N, 3) mm."""
        self.add(mean_terms(distances(predicted, truth, self.region)))


class VertexErrorCameraMm(RatioOfSums):
    """`vertex_error_camera_mm` over batches."""

    def update(self, predicted: Tensor, truth: Tensor) -> None:
        """Add camera-frame vertices, both (B, N, 3) mm."""
        self.add(mean_terms(distances(predicted, truth)))


class VertexErrorCameraLateralMm(RatioOfSums):
    """`vertex_error_camera_lateral_mm` over batches."""

    def update(self, predicted: Tensor, truth: Tensor) -> None:
        """Add camera-frame vertices, both (B, N, 3) mm."""
        self.add(mean_terms(distances(predicted[..., :2], truth[..., :2])))


class VertexErrorCameraLogDepth(RatioOfSums):
    """`vertex_error_camera_log_depth` over batches."""

    def update(self, predicted: Tensor, truth: Tensor) -> None:
        """Add camera-frame vertices, both (B, N, 3) mm."""
        self.add(_log_depth_terms(predicted, truth))


class ReprojectionErrorPx(RatioOfSums):
    """`reprojection_error_px` over batches."""

    def update(self, predicted: Tensor, truth: Tensor) -> None:
        """Add projected vertices, both (B, N, 2) px of the full frame."""
        self.add(mean_terms(distances(predicted, truth)))


class HeadRotationErrorDeg(RatioOfSums):
    """`head_rotation_error_deg` over batches."""

    def update(self, predicted: Tensor, truth: Tensor) -> None:
        """Add head rotations, both (B, 3, 3)."""
        self.add(mean_terms(rotation_angles_deg(predicted, truth)))


class HeadTranslationErrorMm(RatioOfSums):
    """`head_translation_error_mm` over batches."""

    def update(self, predicted: Tensor, truth: Tensor) -> None:
        """Add head translations, both (B, 3) mm."""
        self.add(mean_terms((predicted.double() - truth.double()).norm(dim=-1)))
