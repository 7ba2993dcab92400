"""The face model: its linear start, its shapes, and what later stages rely on."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from steadyface.networks.component_model import ComponentFaceModel
from steadyface.networks.face_model import FaceModel, FaceModelSettings, Posterior
from steadyface.types import SubjectStatistics

TEXTURE, MASK = torch.full((40, 3, 32, 32), 0.4), torch.ones(40, 1, 32, 32)


def forward_view(count: int) -> Tensor:
    return torch.tensor([0.0, 0.0, -1.0]).expand(count, 3)


def test_shapes(dome, face_model: FaceModel) -> None:
    posterior = face_model.encode(dome.meshes, TEXTURE, MASK)
    assert posterior.mean.shape == posterior.log_variance.shape == posterior.sample().shape == (40, 5)
    vertices, texture = face_model.decode(posterior.mean, forward_view(40))
    assert vertices.shape == dome.meshes.shape and texture.shape == (40, 3, 32, 32)


@pytest.mark.parametrize("size", [16, 64])
def test_the_texture_has_the_size_of_the_statistics(dome, size: int) -> None:
    known = {name: getattr(dome.statistics, name) for name in vars(dome.statistics)}
    known["texture_mean"] = torch.rand(3, size, size)
    model = ComponentFaceModel(SubjectStatistics(**known), FaceModelSettings(latent_size=3, hidden=8, texture_width=4))
    texture = model.decode_texture_map(torch.zeros(2, 3), forward_view(2))
    assert texture.shape == (2, 3, size, size)
    masked = torch.ones(2, 1, size, size)
    assert model.encode(dome.meshes[:2], texture, masked).mean.shape == (2, 3)


def test_the_start_is_the_linear_model_of_the_meshes(dome, face_model: FaceModel) -> None:
    """The straight paths alone give every mesh back; the untrained rest beside them disturbs little."""
    code = face_model.encode_mesh(((dome.meshes - face_model.vertex_mean) / face_model.vertex_std).flatten(1))
    straight = face_model.to_mesh(code).view_as(dome.meshes) * face_model.vertex_std + face_model.vertex_mean
    torch.testing.assert_close(straight, dome.meshes, rtol=0, atol=1e-2)
    torch.testing.assert_close(code[:, :3].square().mean(0), torch.ones(3), rtol=0.05, atol=0)
    decoded = face_model.decode_vertices(face_model.encode(dome.meshes, TEXTURE, MASK).mean)
    spread = (dome.meshes - dome.statistics.vertex_mean).square().mean().sqrt()
    assert float((decoded.detach() - dome.meshes).square().mean().sqrt()) < 0.5 * float(spread)


def test_fewer_meshes_than_numbers_in_the_latent(dome) -> None:
    model = ComponentFaceModel(dome.statistics, FaceModelSettings(latent_size=8, hidden=8, texture_width=4))
    model.start_from_lab(dome.meshes[:4])
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())
    assert float(model.to_mesh.weight[:, 4:].detach().abs().max()) == 0.0


def test_the_posterior_draws_what_it_says() -> None:
    posterior = Posterior(torch.full((20000, 2), 3.0), torch.full((20000, 2), -2.0))
    drawn = posterior.sample()
    torch.testing.assert_close(drawn.mean(0), torch.full((2,), 3.0), rtol=0, atol=0.02)
    torch.testing.assert_close(drawn.std(0), torch.full((2,), float(torch.tensor(-1.0).exp())), rtol=0, atol=0.01)


def test_texels_that_nobody_saw_do_not_reach_the_latent(dome, face_model: FaceModel) -> None:
    mask = MASK[:2].clone()
    mask[..., :10, :] = 0.0
    texture = TEXTURE[:2].clone()
    texture[..., :10, :] = 0.9
    changed = face_model.encode(dome.meshes[:2], texture, mask)
    torch.testing.assert_close(changed.mean, face_model.encode(dome.meshes[:2], TEXTURE[:2], mask).mean)


def test_the_view_changes_the_texture_and_never_the_mesh(face_model: FaceModel) -> None:
    latent = torch.randn(1, 5)
    straight, sideways = (
        face_model.decode(latent, view) for view in (forward_view(1), torch.tensor([[0.8, 0.0, -0.6]]))
    )
    assert torch.equal(straight[0], sideways[0])
    assert not torch.equal(straight[1], sideways[1])


def test_the_camera_correction_leaves_camera_zero_alone(face_model: FaceModel) -> None:
    with torch.no_grad():
        face_model.camera_gain.copy_(torch.rand(3, 3) + 0.5)
        face_model.camera_bias.copy_(torch.rand(3, 3))
    texture = torch.rand(3, 3, 32, 32)
    corrected = face_model.correct_camera(texture, torch.tensor([0, 1, 2]))
    torch.testing.assert_close(corrected[0], texture[0])
    for camera in (1, 2):
        expected = texture[camera] * face_model.camera_gain[camera].view(3, 1, 1)
        torch.testing.assert_close(corrected[camera], expected + face_model.camera_bias[camera].view(3, 1, 1))
    corrected.sum().backward()
    assert face_model.camera_gain.grad is not None
    assert float(face_model.camera_gain.grad[0].abs().sum()) == 0.0
    assert float(face_model.camera_gain.grad[1:].abs().min()) > 0.0


def test_a_view_inside_the_cone_stays_and_one_outside_moves_to_its_edge(face_model: FaceModel) -> None:
    centre = normalize(torch.tensor([0.1, -0.2, -1.0]), dim=0)
    face_model.view_centre.copy_(centre)
    face_model.view_cosine.copy_(torch.tensor(0.9))
    views = normalize(torch.randn(200, 3), dim=-1)
    clamped = face_model.clamp_view(views)
    inside = (views @ centre) >= 0.9
    assert 0 < int(inside.sum()) < 200
    assert torch.equal(clamped[inside], views[inside])
    torch.testing.assert_close(clamped @ centre >= 0.9 - 1e-5, torch.ones(200, dtype=torch.bool))
    torch.testing.assert_close(clamped[~inside] @ centre, torch.full((int((~inside).sum()),), 0.9))
    torch.testing.assert_close(clamped.norm(dim=-1), torch.ones(200))
    # the edge's nearest point lies in the plane of the view and the centre
    normal = torch.linalg.cross(views, centre.expand_as(views))
    assert float((clamped * normal).sum(-1).abs().max()) < 1e-5


def test_the_clamped_view_carries_no_gradient(face_model: FaceModel) -> None:
    view = forward_view(2).clone().requires_grad_(True)
    assert not face_model.clamp_view(view).requires_grad


def test_whitened_latents_are_in_deviations_of_the_lab(face_model: FaceModel) -> None:
    latent = 3.0 + 2.0 * torch.randn(5000, 5)
    face_model.latent_mean.copy_(latent.mean(0))
    face_model.latent_std.copy_(latent.std(0))
    white = face_model.whiten(latent)
    torch.testing.assert_close(white.mean(0), torch.zeros(5), rtol=0, atol=1e-4)
    torch.testing.assert_close(white.std(0), torch.ones(5), rtol=1e-4, atol=0)


@pytest.mark.parametrize("centre", [[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.6, 0.0, -0.8]])
def test_a_view_from_exactly_behind_is_moved_to_the_cone(face_model: FaceModel, centre: list[float]) -> None:
    face_model.view_centre.copy_(torch.tensor(centre))
    face_model.view_cosine.fill_(0.8)
    views = torch.stack([-face_model.view_centre, face_model.view_centre])
    moved = face_model.clamp_view(views)
    torch.testing.assert_close(moved.norm(dim=-1), torch.ones(2))
    assert float(moved[0] @ face_model.view_centre) == pytest.approx(0.8, abs=1e-5)
    torch.testing.assert_close(moved[1], views[1])


def test_the_vertex_deviation_is_the_motion_of_the_linear_model(dome, face_model: FaceModel) -> None:
    """With independent latents of the lab's spread, the untrained model's vertices move as far as it says."""
    face_model.latent_std.copy_(torch.tensor([1.0, 0.5, 2.0, 1.0, 1.0]))
    drawn = torch.randn(4000, 5, generator=torch.Generator().manual_seed(0)) * face_model.latent_std
    offsets = (drawn @ face_model.to_mesh.weight.t()).view(4000, -1, 3) * face_model.vertex_std
    expected = offsets.var(0).sum(-1).sqrt()
    torch.testing.assert_close(face_model.vertex_deviation(), expected, rtol=0.05, atol=1e-4)
    still = dome.statistics.rigid_vertices
    assert float(face_model.vertex_deviation()[still].max()) < 0.1 * float(face_model.vertex_deviation().max())
