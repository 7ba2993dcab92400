"""Landmarks in the picture against annotations, or against a detector that is named with the figure."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from steadyface.errors import InputError
from steadyface.metrics.accumulate import RatioOfSums, mean_terms, ratio


def landmark_nmes(predicted: Tensor, annotated: Tensor, left_eye: int, right_eye: int) -> Tensor:
    """Mean landmark distance over inter-ocular distance for each frame, (B,), float64.

    Args:
        predicted: (B, L, 2) px.
        annotated: (B, L, 2) px, which also gives the inter-ocular distance.
        left_eye: index of the landmark at the left eye's outer corner.
        right_eye: index of the landmark at the right eye's outer corner.

    Raises:
        InputError: the two eyes lie at one point in an annotation.
    """
    annotated = annotated.double()
    between = (annotated[:, left_eye] - annotated[:, right_eye]).norm(dim=-1)
    if not bool((between > 0).all()):
        raise InputError(
            "landmark annotations", "two eye corners apart", "both at one point",
            "check the landmark indices of the eyes",
        )  # fmt: skip
    return (predicted.double() - annotated).norm(dim=-1).mean(dim=-1) / between


def landmark_nme(predicted: Tensor, annotated: Tensor, left_eye: int, right_eye: int) -> Tensor:
    """Normalised mean error of landmarks, averaged over frames; arguments as `landmark_nmes`."""
    return ratio(mean_terms(landmark_nmes(predicted, annotated, left_eye, right_eye)))


class LandmarkNme(RatioOfSums):
    """`landmark_nme` over batches; the eyes are landmark indices of the outer corners."""

    def __init__(self, left_eye: int, right_eye: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.left_eye, self.right_eye = left_eye, right_eye

    def update(self, predicted: Tensor, annotated: Tensor) -> None:
        """Add landmarks, both (B, L, 2) px."""
        self.add(mean_terms(landmark_nmes(predicted, annotated, self.left_eye, self.right_eye)))
