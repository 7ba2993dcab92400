"""Landmark reprojection: the model's vertices onto landmarks that were detected in the frame."""

from __future__ import annotations

from torch import Tensor

from steadyface.losses.robust import charbonnier


def landmark_error(pixels: Tensor, detected: Tensor, doubt_px: Tensor, scale_px: float = 1.0) -> Tensor:
    """Robust mean distance in pixels, each landmark weighted by how sure its detection is.

    Args:
        pixels: (B, L, 2), where the model's vertices lie.
        detected: (B, L, 2), where the landmarks were detected.
        doubt_px: (B, L), the scale of their errors: a landmark weighs by its inverse.
        scale_px: distance at which the penalty turns from quadratic to linear.

    Returns:
        scalar; 0 without landmarks.
    """
    sureness = doubt_px.reciprocal()
    cost = charbonnier((pixels - detected).norm(dim=-1), scale_px)
    return (cost * sureness).sum() / sureness.sum().clamp(min=1e-6)
