"""Half an oracle: what is known is the truth's, what is not is the source's."""

from __future__ import annotations

import torch
from pytorch3d.transforms import so3_exp_map

from steadyface.capture.clip_truth import ClipTruth
from steadyface.metrics.evaluate_track import evaluate_track
from steadyface.tracking.floor import decoder_floor
from steadyface.tracking.oracles import oracle_latent, oracle_pose
from steadyface.tracking.track import Track
from steadyface.tracking.tracker import canonical_track
from steadyface.types import FaceState

FULL = torch.tensor([[620.0, 0.0, 239.5], [0.0, 620.0, 319.5], [0.0, 0.0, 1.0]])
FRAMES = 5
TIME = torch.arange(FRAMES).double() / 30


def clip(tracked) -> tuple[Track, ClipTruth]:
    """A source that is wrong in pose, latent and focal length, and a truth in a gauge of its own."""
    vertices = tracked.face_model.decode_vertices(torch.randn(FRAMES, 4))
    turn, shift = so3_exp_map(torch.tensor([[0.1, -0.2, 0.1]]))[0], torch.tensor([9.0, -4.0, 6.0])
    rotation, place = so3_exp_map(0.2 * torch.randn(FRAMES, 3)), torch.tensor([[5.0, 0.0, 480.0]]).repeat(FRAMES, 1)
    truth = ClipTruth(vertices @ turn.T + shift, rotation, place, FULL.expand(FRAMES, 3, 3), TIME)
    state = FaceState(torch.randn(FRAMES, 4), so3_exp_map(0.1 * torch.randn(FRAMES, 3)) @ rotation, place + 8.0)
    decoded = tracked.face_model.decode_vertices(state.latent)
    guessed = FULL * torch.tensor([[1.1], [1.1], [1.0]])
    return canonical_track(tracked.statistics, state, decoded, TIME, guessed, torch.ones(FRAMES)), truth


def scores(tracked, track: Track, truth: ClipTruth) -> dict[str, float]:
    facts = tracked.statistics
    return evaluate_track(track, truth, {}, facts.rigid_vertices, facts.vertex_mean)


def test_the_true_pose_leaves_the_sources_expression(tracked) -> None:
    source, truth = clip(tracked)
    found = oracle_pose(tracked.statistics, source, truth)
    before, after = scores(tracked, source, truth), scores(tracked, found, truth)
    assert after["head_rotation_error_deg"] < 1e-2 and after["head_translation_error_mm"] < 1e-2
    assert abs(after["vertex_error_mm"] - before["vertex_error_mm"]) < 1e-4
    assert after["reprojection_error_px"] < 0.3 * before["reprojection_error_px"]


def test_the_best_latent_leaves_the_sources_pose(tracked) -> None:
    source, truth = clip(tracked)
    floor = decoder_floor(tracked.statistics, tracked.face_model, truth, 120)
    found = oracle_latent(source, floor)
    before, after = scores(tracked, source, truth), scores(tracked, found, truth)
    assert after["vertex_error_mm"] < 0.2 * before["vertex_error_mm"]
    assert torch.equal(found.rotation, source.rotation) and torch.equal(found.intrinsics, source.intrinsics)
    assert abs(after["head_rotation_error_deg"] - before["head_rotation_error_deg"]) < 0.05
    assert torch.isnan(found.texture_residual).all() and torch.equal(source.texture_residual, torch.ones(FRAMES))
