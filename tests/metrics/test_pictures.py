"""Photometric and texture metrics against slow loops, and that no pixel off the mask enters."""

from __future__ import annotations

import math

import pytest
import torch

from steadyface.errors import InputError
from steadyface.geometry.contrast import normalise_contrast
from steadyface.metrics import photometric, texture
from steadyface.metrics.landmarks import LandmarkNme, landmark_nme
from steadyface.metrics.latents import LatentDistance, latent_distance, latent_distances, latent_statistics


def _pair(batch=3, size=14):
    mask = (torch.rand(batch, 1, size, size) > 0.4).float()
    return torch.rand(batch, 3, size, size), torch.rand(batch, 3, size, size), mask


def _loop(first, second, mask, term):
    total = count = 0.0
    for b, c, y, x in torch.nonzero(mask.expand_as(first)).tolist():
        total += term(float(first[b, c, y, x]) - float(second[b, c, y, x]))
        count += 1
    return total / count


def _batched(metric, *tensors):
    metric.update(*(t[:1] for t in tensors))
    metric.update(*(t[1:] for t in tensors))
    return float(metric.compute())


def test_photometric_error_and_psnr_are_means_over_the_mask():
    rendered, observed, mask = _pair()
    absolute = _loop(rendered, observed, mask, abs)
    psnr = -10 * math.log10(_loop(rendered, observed, mask, lambda d: d * d))
    assert float(photometric.photometric_error(rendered, observed, mask)) == pytest.approx(absolute)
    assert float(photometric.photometric_psnr_db(rendered, observed, mask)) == pytest.approx(psnr)
    assert _batched(photometric.PhotometricError(), rendered, observed, mask) == pytest.approx(absolute)
    assert _batched(photometric.PhotometricPsnrDb(), rendered, observed, mask) == pytest.approx(psnr)


def _loop_ssim(first, second, mask):
    window = [[math.exp(-((i - 5) ** 2 + (j - 5) ** 2) / (2 * 1.5**2)) for j in range(11)] for i in range(11)]
    values = []
    for b, _, y, x in torch.nonzero(mask).tolist():
        for c in range(3):
            near = [
                (window[i][j], float(first[b, c, y + i - 5, x + j - 5]), float(second[b, c, y + i - 5, x + j - 5]))
                for i in range(11) for j in range(11)
                if 0 <= y + i - 5 < mask.shape[2] and 0 <= x + j - 5 < mask.shape[3]
                and mask[b, 0, y + i - 5, x + j - 5]
            ]  # fmt: skip
            weight = sum(w for w, _, _ in near)
            mx, my = sum(w * p for w, p, _ in near) / weight, sum(w * q for w, _, q in near) / weight
            vx = sum(w * (p - mx) ** 2 for w, p, _ in near) / weight
            vy = sum(w * (q - my) ** 2 for w, _, q in near) / weight
            cov = sum(w * (p - mx) * (q - my) for w, p, q in near) / weight
            above = (2 * mx * my + 1e-4) * (2 * cov + 9e-4)
            values.append(above / ((mx * mx + my * my + 1e-4) * (vx + vy + 9e-4)))
    return sum(values) / len(values)


def test_ssim_looks_only_inside_the_mask():
    rendered, observed, mask = _pair(batch=2, size=12)
    expected = _loop_ssim(rendered, observed, mask)
    assert float(photometric.photometric_ssim(rendered, observed, mask)) == pytest.approx(expected, rel=1e-6)
    outside = torch.where(mask > 0, observed, torch.full_like(observed, torch.nan))
    assert _batched(photometric.PhotometricSsim(), rendered, outside, mask) == pytest.approx(
        expected, rel=1e-6
    )
    assert float(photometric.photometric_ssim(rendered, rendered, mask)) == pytest.approx(1.0)


def test_a_soft_mask_weighs_its_pixels():
    rendered, observed, mask = _pair()
    soft = mask * torch.rand_like(mask)
    weighted = float((soft * (rendered - observed).abs()).sum() / (3 * soft.sum()))
    assert float(photometric.photometric_error(rendered, observed, soft)) == pytest.approx(weighted, rel=1e-5)
    whole, half = (photometric.photometric_ssim(rendered, observed, m) for m in (mask, 0.5 * mask))
    assert float(half) == pytest.approx(float(whole), rel=1e-9)  # only the weights' ratios matter


def test_texture_residual_raw_and_normalised():
    observed, model, mask = _pair()
    expected = _loop(observed, model, mask, abs)
    assert float(texture.texture_residual(observed, model, mask)) == pytest.approx(expected)
    assert _batched(texture.TextureResidual(), observed, model, mask) == pytest.approx(expected)
    each = texture.texture_residual(observed, model, mask, reduction="none")
    assert float(each[1]) == pytest.approx(_loop(observed[1:2], model[1:2], mask[1:2], abs))
    flat = [normalise_contrast(t, mask, radius=2, floor=0.02) for t in (observed, model)]
    expected = _loop(flat[0], flat[1], mask, abs)
    found = texture.texture_residual_normalised(observed, model, mask, radius=2, floor=0.02)
    assert float(found) == pytest.approx(expected, rel=1e-5)
    metric = texture.TextureResidualNormalised(radius=2, floor=0.02)
    assert _batched(metric, observed, model, mask) == pytest.approx(expected, rel=1e-5)


def test_the_normalised_residual_is_blind_to_gain_and_bias():
    observed, _, mask = _pair()
    relit = 0.6 * observed + 0.1
    assert float(texture.texture_residual(observed, relit, mask)) > 0.05
    assert float(texture.texture_residual_normalised(observed, relit, mask, floor=1e-4)) < 1e-3


def test_coverage_counts_what_the_source_saw():
    source, seen = torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 4, 4)
    source[0, 0, :2], seen[0, 0, :1] = 1.0, 1.0  # 8 seen by the source, 4 still seen
    source[1, 0, 0, :2], seen[1, 0, 2:] = 1.0, 1.0  # 2 seen by the source, none still; others do not count
    assert float(texture.texture_coverage(source, seen)) == pytest.approx(4 / 10)
    assert texture.texture_coverage(source, seen, reduction="none").tolist() == pytest.approx([0.5, 0.0])
    assert _batched(texture.TextureCoverage(), source, seen) == pytest.approx(4 / 10)


def test_latent_distance_is_the_mahalanobis_norm():
    means, variances = torch.randn(200, 4) * torch.tensor([1.0, 2.0, 0.5, 3.0]), torch.rand(200, 4)
    statistics = latent_statistics(means, variances)
    slow = torch.zeros(4, 4, dtype=torch.float64)
    for row in means.double():
        slow += torch.outer(row - means.double().mean(0), row - means.double().mean(0)) / 200
    slow += torch.diag(variances.double().mean(0))
    torch.testing.assert_close(statistics.covariance, slow)
    latent = torch.randn(5, 4)
    expected = []
    for row in latent.double() - statistics.mean:
        expected.append(math.sqrt(float(row @ torch.linalg.inv(slow) @ row)))
    assert latent_distances(latent, *statistics).tolist() == pytest.approx(expected, rel=1e-4)
    assert float(latent_distance(latent, *statistics)) == pytest.approx(sum(expected) / 5, rel=1e-4)
    assert _batched(LatentDistance(*statistics), latent) == pytest.approx(sum(expected) / 5, rel=1e-4)


def test_a_latent_direction_that_never_moved_gives_a_finite_distance():
    means = torch.randn(50, 3)
    means[:, 2] = 0.0
    assert math.isfinite(float(latent_distance(torch.randn(2, 3), *latent_statistics(means))))


def test_landmark_nme_divides_by_the_annotated_eyes():
    annotated, predicted = torch.rand(3, 6, 2) * 100, torch.rand(3, 6, 2) * 100
    values = []
    for frame in range(3):
        eyes = math.dist(annotated[frame, 1].tolist(), annotated[frame, 4].tolist())
        apart = [math.dist(predicted[frame, k].tolist(), annotated[frame, k].tolist()) for k in range(6)]
        values.append(sum(apart) / 6 / eyes)
    expected = sum(values) / 3
    assert float(landmark_nme(predicted, annotated, 1, 4)) == pytest.approx(expected)
    assert _batched(LandmarkNme(1, 4), predicted, annotated) == pytest.approx(expected)
    with pytest.raises(InputError, match="eye corners"):
        landmark_nme(predicted, torch.zeros_like(annotated), 1, 4)
