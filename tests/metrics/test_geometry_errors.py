"""Position and pose errors against slow loops over frames and vertices."""

from __future__ import annotations

import math

import pytest
import torch
from pytorch3d.transforms import axis_angle_to_matrix

from steadyface.metrics import geometry_errors as errors


def _loop(predicted, truth, region=None):
    norms = []
    for frame in range(len(predicted)):
        for vertex in range(predicted.shape[1]) if region is None else region.tolist():
            difference = predicted[frame, vertex].double() - truth[frame, vertex].double()
            norms.append(math.sqrt(sum(float(d) ** 2 for d in difference)))
    return sum(norms) / len(norms)


@pytest.mark.parametrize(
    ("function", "metric", "width"),
    [
        (errors.vertex_error_mm, errors.VertexErrorMm, 3),
        (errors.vertex_error_camera_mm, errors.VertexErrorCameraMm, 3),
        (errors.reprojection_error_px, errors.ReprojectionErrorPx, 2),
    ],
)
def test_distances_are_means_over_frames_and_vertices(function, metric, width):
    predicted, truth = torch.randn(5, 7, width), torch.randn(5, 7, width)
    expected = _loop(predicted, truth)
    assert float(function(predicted, truth)) == pytest.approx(expected, rel=1e-9)
    counted = metric()
    counted.update(predicted[:1], truth[:1])  # uneven batches: a mean of means would differ
    counted.update(predicted[1:], truth[1:])
    assert float(counted.compute()) == pytest.approx(expected, rel=1e-9)
    assert counted.compute().dtype == torch.float64


def test_a_region_is_scored_alone():
    predicted, truth = torch.randn(4, 9, 3), torch.randn(4, 9, 3)
    region = torch.tensor([1, 5, 6])
    metric = errors.VertexErrorMm(region)
    metric.update(predicted, truth)
    expected = _loop(predicted, truth, region)
    assert float(errors.vertex_error_mm(predicted, truth, region)) == pytest.approx(expected)
    assert float(metric.compute()) == pytest.approx(expected)


def test_the_lateral_error_does_not_see_depth():
    truth = torch.randn(3, 6, 3)
    predicted = truth + torch.tensor([3.0, 4.0, 100.0])
    metric = errors.VertexErrorCameraLateralMm()
    metric.update(predicted, truth)
    assert float(errors.vertex_error_camera_lateral_mm(predicted, truth)) == pytest.approx(5.0, rel=1e-6)
    assert float(metric.compute()) == pytest.approx(5.0, rel=1e-6)


def test_log_depth_is_relative_and_finite_behind_the_camera():
    truth = torch.rand(3, 6, 3) * 100 + 400
    predicted = truth * torch.tensor([1.0, 1.0, 1.1])
    metric = errors.VertexErrorCameraLogDepth()
    metric.update(predicted, truth)
    assert float(metric.compute()) == pytest.approx(math.log(1.1), rel=1e-5)
    assert math.isfinite(float(errors.vertex_error_camera_log_depth(-predicted, truth)))


@pytest.mark.parametrize("degrees", [0.0, 1e-3, 0.5, 90.0, 179.9])
def test_rotation_angles_are_found_from_tiny_to_half_a_turn(degrees):
    axis = torch.nn.functional.normalize(torch.randn(8, 3), dim=-1)
    truth = axis_angle_to_matrix(torch.randn(8, 3))
    predicted = truth @ axis_angle_to_matrix(axis * math.radians(degrees))
    found = errors.head_rotation_error_deg(predicted, truth)
    assert float(found) == pytest.approx(degrees, rel=1e-3, abs=2e-5)  # arccos would be 0.02 off
    metric = errors.HeadRotationErrorDeg()
    metric.update(predicted, truth)
    assert float(metric.compute()) == pytest.approx(float(found))


def test_translation_errors_are_distances():
    predicted, truth = torch.randn(6, 3), torch.randn(6, 3)
    expected = _loop(predicted[:, None], truth[:, None])
    metric = errors.HeadTranslationErrorMm()
    metric.update(predicted[:2], truth[:2])
    metric.update(predicted[2:], truth[2:])
    assert float(errors.head_translation_error_mm(predicted, truth)) == pytest.approx(expected)
    assert float(metric.compute()) == pytest.approx(expected)


def test_nothing_counted_is_nan_and_not_a_perfect_score():
    metric = errors.VertexErrorMm()
    with pytest.warns(UserWarning, match="called before"):
        assert math.isnan(float(metric.compute()))


def test_a_billion_small_errors_do_not_lose_digits():
    metric = errors.HeadTranslationErrorMm()
    metric.numerator += 1e9
    metric.denominator += 1e9
    metric.update(torch.ones(1, 3) * 0, torch.tensor([[0.0, 0.0, 3.0]]))
    assert float(metric.numerator) == 1e9 + 3  # float32 would give 1e9
