"""The decoder's floor: latents that are found again, and a track that is as near as the decoder can be."""

from __future__ import annotations

import torch
from pytorch3d.transforms import so3_exp_map

from steadyface.capture.clip_truth import ClipTruth
from steadyface.geometry.cameras import transform
from steadyface.tracking.floor import decoder_floor, fit_latent

FULL = torch.tensor([[620.0, 0.0, 239.5], [0.0, 620.0, 319.5], [0.0, 0.0, 1.0]])


def test_the_latent_of_a_decoded_mesh_is_found_again(tracked) -> None:
    latent = torch.randn(5, 4)
    vertices = tracked.face_model.decode_vertices(latent)
    found = fit_latent(tracked.face_model, vertices, 120)
    assert not found.requires_grad
    torch.testing.assert_close(found, latent, rtol=0, atol=0.15)
    distance = (tracked.face_model.decode_vertices(found) - vertices).norm(dim=-1)
    assert float(distance.mean()) < 0.1 * float((vertices - tracked.statistics.vertex_mean).norm(dim=-1).mean())


def test_frames_are_fitted_each_for_itself(tracked) -> None:
    vertices = tracked.face_model.decode_vertices(torch.randn(3, 4))
    together, alone = fit_latent(tracked.face_model, vertices, 120), fit_latent(tracked.face_model, vertices[:1], 120)
    torch.testing.assert_close(together[:1], alone, rtol=0, atol=0.05)


def test_the_floor_has_the_true_pose_and_nearly_the_true_mesh(tracked) -> None:
    """Truth in a gauge of its own: what counts is where the vertices are before the camera."""
    vertices = tracked.face_model.decode_vertices(torch.randn(4, 4))
    rotation, translation = so3_exp_map(0.3 * torch.randn(4, 3)), torch.tensor([[5.0, 0.0, 480.0]]).repeat(4, 1)
    turn, shift = so3_exp_map(torch.tensor([[0.1, -0.2, 0.1]])), torch.tensor([[9.0, -4.0, 6.0]])
    truth = ClipTruth(
        transform(vertices, turn.expand(4, 3, 3), shift.expand(4, 3)), rotation, translation, FULL.expand(4, 3, 3),
        torch.arange(4).double() / 30,
    )  # fmt: skip
    floor = decoder_floor(tracked.statistics, tracked.face_model, truth, 120)
    placed = transform(truth.vertices, rotation, translation)
    assert float((floor.camera_vertices() - placed).norm(dim=-1).mean()) < 0.5
    assert torch.equal(floor.time_s, truth.time_s) and torch.isnan(floor.texture_residual).all()
