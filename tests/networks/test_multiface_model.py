"""The published architectures at a small size: what holds for every one of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from steadyface.errors import InputError
from steadyface.networks.checkpoints import describe_networks, load_networks
from steadyface.networks.face_model import FaceModelSettings
from steadyface.networks.face_models import build_face_model
from steadyface.networks.multiface_model import MULTIFACE_VARIANTS, MultifaceModel


def small(dome, variant: str = "base") -> MultifaceModel:
    torch.manual_seed(0)
    model = build_face_model(dome.statistics, FaceModelSettings(variant, 6, hidden=16, texture_width=4))
    assert isinstance(model, MultifaceModel)
    return model


def given(dome, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Meshes, textures and masks."""
    generator = torch.Generator().manual_seed(1)
    texture = 0.4 + 0.2 * torch.randn(count, 3, 32, 32, generator=generator)
    return dome.meshes[:count], texture, torch.ones(count, 1, 32, 32)


def views(count: int) -> Tensor:
    return normalize(torch.randn(count, 3, generator=torch.Generator().manual_seed(2)), dim=-1)


@pytest.mark.parametrize("variant", MULTIFACE_VARIANTS)
def test_shapes_and_the_start_of_the_posterior(dome, variant: str) -> None:
    model = small(dome, variant)
    posterior = model.encode(*given(dome, 7))
    assert posterior.mean.shape == posterior.log_variance.shape == (7, 6)
    assert float(posterior.log_variance.detach().abs().max()) < 0.5
    vertices, texture = model.decode(posterior.mean, views(7))
    assert vertices.shape == (7, *dome.statistics.vertex_mean.shape) and texture.shape == (7, 3, 32, 32)


@pytest.mark.parametrize("variant", MULTIFACE_VARIANTS)
def test_a_step_down_the_gradient_lowers_the_loss_and_every_parameter_takes_part(dome, variant: str) -> None:
    model = small(dome, variant)
    meshes, textures, seen = given(dome, 8)
    camera = torch.arange(8) % 3

    def loss() -> Tensor:
        latent = model.encode(meshes, textures, seen).mean
        vertices, decoded = model.decode(latent, views(8))
        decoded = model.correct_camera(decoded, camera)
        geometry = ((vertices - meshes) / model.vertex_std).square().mean()
        return geometry + ((decoded - textures) / model.texture_std).square().mean()

    optimizer = torch.optim.Adam(model.parameter_groups(1e-3))
    before = loss()
    before.backward()
    used = {name for name, value in model.named_parameters() if value.grad is not None and value.grad.abs().sum() > 0}
    assert used == dict(model.named_parameters()).keys()
    optimizer.step()
    assert float(loss()) < float(before)


@pytest.mark.parametrize("variant", MULTIFACE_VARIANTS)
def test_the_vertex_deviation_is_that_of_small_steps(dome, variant: str) -> None:
    model = small(dome, variant).requires_grad_(False)
    model.latent_mean.copy_(torch.linspace(-1, 1, 6))
    model.latent_std.copy_(torch.tensor([1.0, 0.5, 2.0, 1.0, 0.1, 1.0]))
    step, total = 1e-3, torch.zeros(dome.statistics.vertex_count, dtype=torch.double)
    double = model.double()
    for number in range(6):
        offset = torch.zeros(6, dtype=torch.double)
        offset[number] = step * double.latent_std[number]
        moved = double.decode_vertices(torch.stack([double.latent_mean + offset, double.latent_mean - offset]))
        total += ((moved[0] - moved[1]) / (2 * step)).square().sum(-1)
    torch.testing.assert_close(double.vertex_deviation(), total.sqrt(), rtol=1e-4, atol=1e-9)


def test_gain_and_bias_act_in_deviations_and_the_first_cameras_are_held(dome) -> None:
    model = small(dome)
    with torch.no_grad():
        model.camera_gain.uniform_(0.5, 1.5)
        model.camera_bias.normal_()
    _, textures, _ = given(dome, 3)
    corrected = model.correct_camera(textures, torch.tensor([0, 1, 2]))
    for camera in range(3):
        deviation = (textures[camera] - model.texture_mean) / model.texture_std
        gain, bias = model.camera_gain[camera].view(3, 1, 1), model.camera_bias[camera].view(3, 1, 1)
        expected = (deviation * gain + bias) * model.texture_std + model.texture_mean
        torch.testing.assert_close(corrected[camera], expected)
    corrected.square().sum().backward()
    for learned in (model.camera_gain, model.camera_bias):
        assert learned.grad is not None
        assert float(learned.grad[0].abs().max()) == 0.0 and float(learned.grad[1:].abs().min()) > 0.0


def test_texels_that_nobody_saw_do_not_reach_the_latent(dome) -> None:
    model = small(dome)
    meshes, textures, seen = given(dome, 2)
    seen[..., :10, :] = 0.0
    changed = torch.where(seen > 0, textures, 0.9)
    torch.testing.assert_close(model.encode(meshes, changed, seen).mean, model.encode(meshes, textures, seen).mean)


def test_the_view_changes_the_texture_and_never_the_mesh(dome) -> None:
    model, latent = small(dome), torch.randn(1, 6)
    one, other = (model.decode(latent, view[None]) for view in views(2))
    assert torch.equal(one[0], other[0]) and not torch.equal(one[1], other[1])


@pytest.mark.parametrize("variant", MULTIFACE_VARIANTS)
def test_a_checkpoint_gives_the_variant_back(dome, variant: str, tmp_path: Path) -> None:
    model = small(dome, variant)
    model.camera_free.copy_(torch.tensor([[True], [False], [True]]))
    weights = {f"face_model.{name}": value for name, value in model.state_dict().items()}
    torch.save({"networks": describe_networks(dome.statistics, model, None), "state_dict": weights}, tmp_path / "it")
    loaded = load_networks(tmp_path / "it")[1]
    latent = torch.randn(2, 6)
    for before, after in zip(model.decode(latent, views(2)), loaded.decode(latent, views(2)), strict=True):
        assert torch.equal(before, after)
    assert torch.equal(loaded.get_buffer("camera_free"), model.camera_free)


@pytest.mark.parametrize("size", [8, 48])
def test_a_texture_that_no_blocks_fit_is_refused(dome, size: int) -> None:
    statistics = replace(dome.statistics, texture_mean=torch.zeros(3, size, size))
    with pytest.raises(InputError, match=f"a power of two from 16 .* got {size}"):
        build_face_model(statistics, FaceModelSettings("base", 6, hidden=16, texture_width=4))


def test_an_unknown_architecture_is_refused(dome) -> None:
    with pytest.raises(InputError, match="one of components, base, res, non, bilinear, warp, got 'resnet'"):
        build_face_model(dome.statistics, FaceModelSettings("resnet"))
