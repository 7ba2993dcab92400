from __future__ import annotations

import numpy as np
import pytest
import torch

from steadyface.capture.crop import crop_image
from steadyface.geometry.cameras import crop_intrinsics


def test_a_ramp_lands_where_the_convention_says() -> None:
    """On a linear ramp the triangle filter is exact, so grey values are coordinates."""
    y, x = np.mgrid[0:100, 0:120]
    image = np.stack([2 * x, 2 * y, 0 * x], axis=-1).astype(np.uint8)
    for box, size in (
        ((10.0, 20.0, 40.0, 40.0), 40),
        ((11.3, 8.6, 60.0, 60.0), 24),
        ((30.25, 30.5, 16.0, 20.0), 50),
    ):
        crop = crop_image(image, box, size).astype(float) / 2
        centre = np.arange(size) + 0.5
        assert np.abs(crop[:, :, 0] - (box[0] + centre * box[2] / size - 0.5)).max() <= 0.26
        assert np.abs(crop[:, :, 1] - (box[1] + centre * box[3] / size - 0.5)[:, None]).max() <= 0.26


def test_a_point_lands_where_crop_intrinsics_projects_it() -> None:
    y, x = np.mgrid[0:90, 0:70]
    blob = 255 * np.exp(-((x - 31) ** 2 + (y - 41) ** 2) / (2 * 3.0**2))
    image = np.repeat(blob.round().astype(np.uint8)[..., None], 3, axis=-1)
    box, size = (12.4, 17.7, 45.0, 45.0), 64
    crop = crop_image(image, box, size)[..., 0].astype(float)
    rows, columns = np.mgrid[0:size, 0:size]
    found = [(crop * columns).sum() / crop.sum(), (crop * rows).sum() / crop.sum()]
    intrinsics = crop_intrinsics(torch.eye(3, dtype=torch.double), torch.tensor(box, dtype=torch.double), size)
    expected = (intrinsics @ torch.tensor([31.0, 41.0, 1.0], dtype=torch.double))[:2]
    assert np.abs(np.array(found) - expected.numpy()).max() < 0.02


def test_black_outside_and_anti_aliased_inside() -> None:
    white = np.full((20, 20, 3), 255, np.uint8)
    crop = crop_image(white, (-10.0, -10.0, 40.0, 40.0), 40)
    assert crop[:9].max() == 0 and crop[:, 31:].max() == 0 and crop[12:28, 12:28].min() == 255
    assert crop_image(white, (100.0, 100.0, 10.0, 10.0), 8).max() == 0
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    middle = crop_image(stripes, (0.0, 0.0, 64.0, 64.0), 8)[2:6, 2:6]
    assert middle.min() > 110 and middle.max() < 145  # nearest or plain bilinear would give 0 or 255


def test_a_box_without_area_is_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        crop_image(np.zeros((4, 4, 3), np.uint8), (0, 0, 0, 4), 8)
