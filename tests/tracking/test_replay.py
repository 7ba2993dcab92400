"""Expressions rendered into a clip: light against a slow loop, pictures where the truth says, draws by the seed."""

from __future__ import annotations

import pytest
import torch
from pytorch3d.transforms import so3_exp_map

from steadyface.geometry.cameras import project, transform
from steadyface.tracking.clip_evidence import ClipEvidence
from steadyface.tracking.replay import FARTHEST, Replayer, as_filmed, draw_face, draw_latents, light_map
from steadyface.types import FaceState

K = torch.tensor([[150.0, 0.0, 31.5], [0.0, 150.0, 31.5], [0.0, 0.0, 1.0]])


def place(tracked, count: int = 2) -> FaceState:
    rotation = so3_exp_map(torch.tensor([[0.0, 0.2, 0.0], [0.1, -0.3, 0.0]]))[:count]
    translation = torch.tensor([[5.0, 0.0, 620.0], [-8.0, 4.0, 660.0]])[:count]
    return FaceState(tracked.face_model.latent_mean.expand(count, -1).clone(), rotation, translation)


@pytest.fixture
def replayer(tracked) -> Replayer:
    evidence = ClipEvidence(tracked.statistics, tracked.face_model)
    latents = torch.randn(6, 4, generator=torch.Generator().manual_seed(3))
    return Replayer(tracked.statistics, tracked.face_model, evidence, latents)


def test_light_is_the_ratio_of_local_sums() -> None:
    generator = torch.Generator().manual_seed(0)
    observed, model = torch.rand(1, 3, 9, 9, generator=generator), 0.2 + torch.rand(1, 3, 9, 9, generator=generator)
    mask = (torch.rand(1, 1, 9, 9, generator=generator) > 0.3).float()
    radius, gain = 2, light_map(observed, model, mask, 2)
    for channel in range(3):
        whole = float((observed[0, channel] * mask[0, 0]).sum() / (model[0, channel] * mask[0, 0]).sum())
        few = 0.02 * (2 * radius + 1) ** 2 * float(model.mean())
        for row in range(9):
            for column in range(9):
                window = (slice(max(0, row - 2), row + 3), slice(max(0, column - 2), column + 3))
                there = mask[0, 0][window]
                top = float((observed[0, channel][window] * there).sum()) + few * whole
                low = float((model[0, channel][window] * there).sum()) + few
                assert float(gain[0, channel, row, column]) == pytest.approx(top / low, rel=1e-4)


def test_light_of_a_gain_is_the_gain_and_of_nothing_seen_is_bounded() -> None:
    model = 0.1 + torch.rand(1, 3, 12, 12)
    mask = torch.ones(1, 1, 12, 12)
    torch.testing.assert_close(light_map(1.7 * model, model, mask, 3), torch.full_like(model, 1.7))
    assert bool(light_map(model, model, mask * 0, 3).isfinite().all())


def test_the_face_is_drawn_where_its_vertices_project_and_the_rest_is_the_picture(tracked) -> None:
    state = place(tracked, 1)
    placed = transform(tracked.statistics.vertex_mean[None], state.rotation, state.translation)[0]
    behind = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(1))
    white = torch.ones(3, 32, 32)
    drawn = draw_face(behind, placed, white, K, tracked.statistics)
    pixels = project(placed[None], K[None])[0]
    low, high = pixels.amin(0).floor().long(), pixels.amax(0).ceil().long()
    covered = (drawn > 0.999).all(0)
    rows, columns = torch.nonzero(covered, as_tuple=True)
    assert abs(int(columns.min()) - int(low[0])) <= 2 and abs(int(columns.max()) - int(high[0])) <= 2
    assert abs(int(rows.min()) - int(low[1])) <= 2
    away = torch.ones(64, 64, dtype=torch.bool)
    away[max(0, int(low[1]) - 1) : int(high[1]) + 2, max(0, int(low[0]) - 1) : int(high[0]) + 2] = False
    flat = draw_face(torch.full((3, 64, 64), 0.4), placed, white, K, tracked.statistics)
    torch.testing.assert_close(flat[:, away], torch.full_like(flat[:, away], 0.4), atol=1e-4, rtol=0)


def test_a_replayed_view_shows_what_it_says(tracked, replayer) -> None:
    state = place(tracked, 1)
    look = replayer.look(torch.full((1, 3, 64, 64), 0.3), K[None], state, torch.ones(1, 1, 32, 32))
    torch.manual_seed(5)
    replayed = replayer.render(look)
    view = replayed.view
    torch.testing.assert_close(replayed.vertices, tracked.face_model.decode_vertices(replayed.latent))
    assert float((view.translation - state.translation).norm(dim=-1).max()) < 60.0
    assert not torch.equal(view.rotation, state.rotation)
    box = project(transform(replayed.vertices, view.rotation, view.translation), K[None])[0]
    columns = torch.nonzero((view.image[0] - 0.3).abs().amax(0) > 1e-3)[:, 1]
    assert abs(float(columns.min()) - float(box[:, 0].min())) < 2.0
    assert abs(float(columns.max()) - float(box[:, 0].max())) < 2.0
    torch.manual_seed(5)
    assert torch.equal(replayer.render(look).view.image, view.image)


def test_latents_stay_in_reach_and_draws_follow_the_seed(tracked, replayer) -> None:
    latent = 50.0 * torch.ones(8, 4)
    torch.manual_seed(1)
    first = draw_latents(tracked.face_model, replayer.lab_latents, latent)
    torch.manual_seed(1)
    assert torch.equal(first, draw_latents(tracked.face_model, replayer.lab_latents, latent))
    assert float(tracked.face_model.whiten(first).abs().max()) <= FARTHEST + 1e-4
    torch.manual_seed(2)
    assert not torch.equal(first, draw_latents(tracked.face_model, replayer.lab_latents, latent))


def test_what_a_camera_adds_stays_a_picture() -> None:
    torch.manual_seed(0)
    pictures = torch.rand(2, 3, 32, 32)
    filmed = as_filmed(pictures, 0.0)
    assert float(filmed.min()) >= 0.0 and float(filmed.max()) <= 1.0
    assert 0.0 < float((filmed - pictures).abs().mean()) < 0.3
