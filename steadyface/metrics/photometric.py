"""How well the rendered face explains the picture: masked L1, PSNR and SSIM, sRGB in [0, 1].

All three look at the same mask and at nothing else: no value outside the mask enters, not even
through SSIM's windows.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from steadyface.metrics.accumulate import RatioOfSums, Terms, masked_terms, ratio, total

_WINDOW, _SIGMA = 11, 1.5  # of SSIM: Wang et al. 2004, section III.C
_C1, _C2 = 0.01**2, 0.03**2


def decibels(mean_square: Tensor) -> Tensor:
    """PSNR of a mean squared error of values in [0, 1], dB; inf where the error is 0."""
    return -10.0 * torch.log10(mean_square)


def absolute_terms(rendered: Tensor, observed: Tensor, mask: Tensor) -> Terms:
    """Masked sums of the absolute difference, two (B,) tensors; shapes as `photometric_error`."""
    return masked_terms((rendered.double() - observed.double()).abs(), mask)


def square_terms(rendered: Tensor, observed: Tensor, mask: Tensor) -> Terms:
    """Masked sums of the squared difference, two (B,) tensors; shapes as `photometric_error`."""
    return masked_terms((rendered.double() - observed.double()).square(), mask)


def photometric_error(rendered: Tensor, observed: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute difference over the mask, a scalar in [0, 1].

    Args:
        rendered: (B, 3, H, W) sRGB in [0, 1].
        observed: (B, 3, H, W) sRGB in [0, 1].
        mask: (B, 1, H, W) in [0, 1], the face's pixels.
    """
    return ratio(total(absolute_terms(rendered, observed, mask)))


def photometric_psnr_db(rendered: Tensor, observed: Tensor, mask: Tensor) -> Tensor:
    """PSNR of the mean squared error over the mask, dB; arguments as `photometric_error`."""
    return decibels(ratio(total(square_terms(rendered, observed, mask))))


def _gaussian_window(like: Tensor) -> Tensor:
    offsets = torch.arange(_WINDOW, dtype=like.dtype, device=like.device) - _WINDOW // 2
    line = torch.exp(-0.5 * (offsets / _SIGMA).square())
    window = line[:, None] * line[None, :]
    return (window / window.sum())[None, None]


def ssim_map(rendered: Tensor, observed: Tensor, mask: Tensor) -> Tensor:
    """Structural similarity at every pixel, (B, 3, H, W), from the masked part of each window.

    Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity, 2004,
    eq. 13, with the Gaussian window's weights multiplied by the mask.
    """
    rendered, observed, mask = rendered.double(), observed.double(), mask.double()
    window = _gaussian_window(rendered)
    weight = conv2d(mask, window, padding=_WINDOW // 2).clamp_min(1e-12)

    def local(values: Tensor) -> Tensor:
        kept = torch.where(mask > 0, values, 0.0) * mask
        blurred = conv2d(kept.flatten(0, 1)[:, None], window, padding=_WINDOW // 2)
        return blurred.view_as(values) / weight

    mean_x, mean_y = local(rendered), local(observed)
    variance_x = (local(rendered.square()) - mean_x.square()).clamp_min(0.0)
    variance_y = (local(observed.square()) - mean_y.square()).clamp_min(0.0)
    covariance = local(rendered * observed) - mean_x * mean_y
    above = (2 * mean_x * mean_y + _C1) * (2 * covariance + _C2)
    return above / ((mean_x.square() + mean_y.square() + _C1) * (variance_x + variance_y + _C2))


def photometric_ssim(rendered: Tensor, observed: Tensor, mask: Tensor) -> Tensor:
    """Mean structural similarity over the mask, at most 1; arguments as `photometric_error`."""
    return ratio(total(masked_terms(ssim_map(rendered, observed, mask), mask)))


class PhotometricError(RatioOfSums):
    """`photometric_error` over batches."""

    def update(self, rendered: Tensor, observed: Tensor, mask: Tensor) -> None:
        """Add images (B, 3, H, W), sRGB, and their mask (B, 1, H, W)."""
        self.add(total(absolute_terms(rendered, observed, mask)))


class PhotometricPsnrDb(RatioOfSums):
    """`photometric_psnr_db` over batches: of the squared error pooled over all masks."""

    def update(self, rendered: Tensor, observed: Tensor, mask: Tensor) -> None:
        """Add images (B, 3, H, W), sRGB, and their mask (B, 1, H, W)."""
        self.add(total(square_terms(rendered, observed, mask)))

    def compute(self) -> Tensor:
        """The PSNR over everything seen, dB."""
        return decibels(super().compute())


class PhotometricSsim(RatioOfSums):
    """`photometric_ssim` over batches."""

    def update(self, rendered: Tensor, observed: Tensor, mask: Tensor) -> None:
        """Add images (B, 3, H, W), sRGB, and their mask (B, 1, H, W)."""
        self.add(total(masked_terms(ssim_map(rendered, observed, mask), mask)))
