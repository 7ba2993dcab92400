"""One look at a crop: the same whatever crops are looked at beside it, in pixels of the full frame."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from steadyface.geometry.cameras import project, transform
from steadyface.tracking.sighting import HEAD_SHARE, Sighter, head_boxes
from steadyface.types import FaceState

K = torch.tensor([[300.0, 0.0, 99.5], [0.0, 300.0, 79.5], [0.0, 0.0, 1.0]])
BOXES = [(20.0, 10.0, 120.0, 120.0), (-30.0, 5.0, 150.0, 150.0), (60.0, 40.0, 64.0, 64.0)]


@pytest.fixture
def sighter(tracked):
    return Sighter(tracked.statistics, tracked.face_model, tracked.encoder, K)


def _picture():
    return np.random.default_rng(0).integers(0, 255, (160, 200, 3), dtype=np.uint8)


def test_a_look_does_not_depend_on_those_beside_it(sighter):
    together = sighter.look(_picture(), BOXES, residual=True)
    for box, one in zip(BOXES, together, strict=True):
        (alone,) = sighter.look(_picture(), [box], residual=True)
        assert one.box == alone.box == box
        for name in ("doubt", "misfit", "residual"):
            assert getattr(one, name) == pytest.approx(getattr(alone, name), rel=1e-3, abs=1e-5)
        assert torch.allclose(one.points, alone.points, atol=1e-2)


def test_points_and_misfit_are_those_of_a_plain_loop(sighter, tracked):
    (seen,) = sighter.look(_picture(), BOXES[:1])
    mesh = tracked.face_model.decode_vertices(seen.state.latent)[0].detach()
    apart = []
    for vertex, point in zip(tracked.encoder.landmark_vertices.tolist(), seen.points, strict=True):
        placed = seen.state.rotation[0] @ mesh[vertex] + seen.state.translation[0]
        pixel = (K @ placed / placed[2])[:2]
        apart.append(float((pixel - point).norm()) / BOXES[0][2])
    assert seen.misfit == pytest.approx(float(torch.tensor(apart).median()), rel=1e-3)
    assert seen.doubt == pytest.approx(float(seen.doubt_px.mean()) / BOXES[0][2], rel=1e-4)


def test_a_heads_box_is_square_around_the_mean_head(tracked):
    turn = torch.linalg.matrix_exp(torch.tensor([[0.0, -0.3, 0.2], [0.3, 0.0, 0.1], [-0.2, -0.1, 0.0]]))[None]
    state = FaceState(torch.randn(1, 4), turn, torch.tensor([[30.0, -10.0, 800.0]]))
    (box,) = head_boxes(tracked.statistics, state, K)
    pixels = project(transform(tracked.statistics.vertex_mean[None], turn, state.translation), K[None])[0]
    low, high = pixels.min(0).values, pixels.max(0).values
    assert box[2] == box[3] == pytest.approx(float((high - low).max()) / HEAD_SHARE, rel=1e-5)
    assert torch.allclose(torch.tensor(box[:2]) + box[2] / 2 - 0.5, (low + high) / 2, atol=1e-3)
