"""How well the unwrapped observation fits the model's texture, and how much of the face is still seen."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor

from steadyface.geometry.contrast import normalise_contrast
from steadyface.metrics.accumulate import RatioOfSums, Terms, masked_terms, ratio, total
from steadyface.metrics.photometric import absolute_terms

Reduction = Literal["mean", "none"]


def _reduced(terms: Terms, reduction: Reduction) -> Tensor:
    return ratio(total(terms) if reduction == "mean" else terms)


def texture_residual(observed: Tensor, model: Tensor, mask: Tensor, reduction: Reduction = "mean") -> Tensor:
    """Masked L1 between the unwrapped observation and the model's texture.

    Args:
        observed: (B, C, U, U), as unwrapped from the image.
        model: (B, C, U, U), as decoded.
        mask: (B, 1, U, U) in [0, 1], the texels that count.
        reduction: ``mean`` over all texels of all samples, or ``none``: one value a sample.

    Returns:
        A scalar, or (B,); nan where the mask is empty.
    """
    return _reduced(absolute_terms(observed, model, mask), reduction)


def _normalised_terms(observed: Tensor, model: Tensor, mask: Tensor, options: dict[str, Any]) -> Terms:
    first, second = (normalise_contrast(texture, mask, **options) for texture in (observed, model))
    return absolute_terms(first, second, mask)


def texture_residual_normalised(
    observed: Tensor,
    model: Tensor,
    mask: Tensor,
    radius: int = 6,
    floor: float = 0.01,
    reduction: Reduction = "mean",
) -> Tensor:
    """`texture_residual` of locally contrast-normalised textures: blind to slow changes of the light.

    ``radius`` (texels) and ``floor`` are those of `geometry.contrast.normalise_contrast`; the mask
    must be 0 or 1.
    """
    return _reduced(_normalised_terms(observed, model, mask, {"radius": radius, "floor": floor}), reduction)


def texture_coverage(source_visible: Tensor, seen: Tensor, reduction: Reduction = "mean") -> Tensor:
    """Share of the texels visible in the source prediction that are still seen and in frame.

    A residual can be lowered by showing less of the face; this is what gives that away.

    Args:
        source_visible: (B, 1, U, U) 0 or 1, visible under the frozen source's prediction.
        seen: (B, 1, U, U) 0 or 1, visible and in frame under the prediction that is judged.
        reduction: ``mean`` over all texels of all samples, or ``none``: one value a sample.
    """
    return _reduced(masked_terms(seen, source_visible), reduction)


class TextureResidual(RatioOfSums):
    """`texture_residual` over batches."""

    def update(self, observed: Tensor, model: Tensor, mask: Tensor) -> None:
        """Add textures (B, C, U, U) and their mask (B, 1, U, U)."""
        self.add(total(absolute_terms(observed, model, mask)))


class TextureResidualNormalised(RatioOfSums):
    """`texture_residual_normalised` over batches, with one radius and floor."""

    def __init__(self, radius: int = 6, floor: float = 0.01, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.options = {"radius": radius, "floor": floor}

    def update(self, observed: Tensor, model: Tensor, mask: Tensor) -> None:
        """Add textures (B, C, U, U) and their mask (B, 1, U, U)."""
        self.add(total(_normalised_terms(observed, model, mask, self.options)))


class TextureCoverage(RatioOfSums):
    """`texture_coverage` over batches."""

    def update(self, source_visible: Tensor, seen: Tensor) -> None:
        """Add visibilities, both (B, 1, U, U), 0 or 1."""
        self.add(total(masked_terms(seen, source_visible)))
