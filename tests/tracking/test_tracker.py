"""A clip's track: one gauge, and the same frame by frame as at once."""

from __future__ import annotations

from dataclasses import replace

import torch
from pytorch3d.transforms import so3_exp_map

from steadyface.geometry.cameras import transform
from steadyface.tracking.tracker import canonical_track, shows_somebody_else, track_clip
from steadyface.types import ClipBatch, FaceState

FRAMES = 6
CROP = torch.tensor([[130.0, 0.0, 31.5], [0.0, 130.0, 31.5], [0.0, 0.0, 1.0]])
FULL = torch.tensor([[620.0, 0.0, 239.5], [0.0, 620.0, 319.5], [0.0, 0.0, 1.0]])


def batches(images: torch.Tensor, size: int) -> list[ClipBatch]:
    """The frames in order as windows of one frame, ``size`` a batch."""
    number = torch.arange(FRAMES)[:, None]
    return [
        ClipBatch(
            images[index][:, None], CROP.expand(len(index), 1, 3, 3), number[index].double() / 30,
            torch.zeros(len(index), dtype=torch.long), number[index],
        )
        for index in torch.arange(FRAMES).split(size)
    ]  # fmt: skip


def moved_meshes(tracked) -> tuple[FaceState, torch.Tensor]:
    """States, and meshes that hold a rigid motion of their own."""
    turn, shift = so3_exp_map(0.05 * torch.randn(8, 3)), 4.0 * torch.randn(8, 3)
    pose = so3_exp_map(0.3 * torch.randn(8, 3)), torch.randn(8, 3) * 20 + torch.tensor([0.0, 0.0, 500.0])
    return FaceState(torch.randn(8, 4), *pose), transform(tracked.meshes, turn, shift)


def test_the_gauge_moves_nothing_in_the_camera_frame(tracked) -> None:
    state, meshes = moved_meshes(tracked)
    track = canonical_track(tracked.statistics, state, meshes, torch.arange(8.0), FULL, torch.zeros(8))
    before = transform(meshes, state.rotation, state.translation)
    torch.testing.assert_close(track.camera_vertices(), before, rtol=0, atol=1e-2)


def test_the_rigid_motion_of_meshes_goes_into_the_pose(tracked) -> None:
    """Meshes that differ by a rigid motion only end as one mesh."""
    state, meshes = moved_meshes(tracked)
    still = canonical_track(tracked.statistics, state, tracked.meshes, torch.arange(8.0), FULL, torch.zeros(8))
    track = canonical_track(tracked.statistics, state, meshes, torch.arange(8.0), FULL, torch.zeros(8))
    torch.testing.assert_close(track.vertices, still.vertices, rtol=0, atol=1e-2)
    assert float((track.rotation - still.rotation).abs().max()) > 0.01
    rigid = tracked.statistics.rigid_vertices
    spread = (track.vertices[:, rigid] - tracked.statistics.vertex_mean[rigid]).norm(dim=-1).mean()
    assert float(spread) < float((meshes[:, rigid] - tracked.statistics.vertex_mean[rigid]).norm(dim=-1).mean())


def test_a_clip_at_once_is_the_clip_frame_by_frame(tracked) -> None:
    images = torch.rand(FRAMES, 3, 64, 64)
    whole, single = (
        track_clip(tracked.statistics, tracked.face_model, tracked.encoder, batches(images, size), FULL)
        for size in (4, 1)
    )
    assert len(whole) == len(single) == FRAMES
    for name in ("latent", "rotation", "vertices", "texture_residual", "time_s", "intrinsics"):
        torch.testing.assert_close(getattr(whole, name), getattr(single, name), rtol=1e-3, atol=1e-2, equal_nan=True)
    torch.testing.assert_close(whole.translation, single.translation, rtol=1e-3, atol=1.0)
    torch.testing.assert_close(whole.time_s, torch.arange(FRAMES).double() / 30)
    assert torch.equal(whole.intrinsics, FULL.expand(FRAMES, 3, 3))


def test_a_track_shows_what_encoder_and_decoder_say(tracked) -> None:
    images = torch.rand(FRAMES, 3, 64, 64)
    track = track_clip(tracked.statistics, tracked.face_model, tracked.encoder, batches(images, 3), FULL)
    state = tracked.encoder(images, CROP.expand(FRAMES, 3, 3))
    torch.testing.assert_close(track.latent, state.latent, rtol=1e-3, atol=1e-3)
    placed = transform(tracked.face_model.decode_vertices(state.latent), state.rotation, state.translation)
    torch.testing.assert_close(track.camera_vertices(), placed, rtol=1e-3, atol=1.0)


def test_somebody_else_is_told_by_the_residual(tracked) -> None:
    images = torch.rand(FRAMES, 3, 64, 64)
    track = track_clip(tracked.statistics, tracked.face_model, tracked.encoder, batches(images, 3), FULL)
    nan = float("nan")
    tracked.encoder.lab_residual.copy_(torch.tensor([0.3, 0.5]))
    alike = replace(track, texture_residual=torch.tensor([0.4, 0.5, 0.45, nan, 0.4, 9.0]))
    foreign = replace(track, texture_residual=torch.tensor([1.4, 1.5, 1.45, nan, 1.4, 0.1]))
    nothing = replace(track, texture_residual=torch.full((FRAMES,), nan))
    assert not shows_somebody_else(tracked.encoder, alike)
    assert shows_somebody_else(tracked.encoder, foreign) and shows_somebody_else(tracked.encoder, nothing)
    tracked.encoder.lab_residual.zero_()  # the lab was never measured: nothing to compare with
    assert not shows_somebody_else(tracked.encoder, foreign)
