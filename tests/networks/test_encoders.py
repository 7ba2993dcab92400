"""One interface for every encoder: what the stages rely on, whichever network they train."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
import torch

from steadyface.capture.phone_augmentation import PhoneView
from steadyface.errors import InputError
from steadyface.networks.encoders import ENCODERS, TRAINED, Encoder, build_encoder, encoder_settings
from steadyface.networks.i2znet import I2ZNetSettings
from steadyface.networks.state_encoder import StateEncoderSettings

K = torch.tensor([[[130.0, 0.0, 31.5], [0.0, 130.0, 31.5], [0.0, 0.0, 1.0]]])
SETTINGS = {
    "texture_space": StateEncoderSettings(
        image_size=64, texture_size=32, point_width=8, still_points=12, moving_points=10, expression_width=8
    ),
    "i2znet": I2ZNetSettings(image_size=64, stacks=2, width=8, landmarks=10, hidden=16),
}


@pytest.fixture(params=list(ENCODERS))
def network(request: pytest.FixtureRequest, dome: Any) -> Encoder:
    """Each encoder in turn, its vertices chosen on the dome."""
    torch.manual_seed(0)
    made = build_encoder(request.param, dome.statistics, SETTINGS[request.param], 5)
    moving = dome.statistics.regions["lips"]
    made.choose(dome.statistics.vertex_mean, dome.meshes, dome.whitened, dome.statistics.rigid_vertices, moving)
    return made


def test_a_prediction_is_the_state_and_the_points_of_its_vertices(network: Encoder) -> None:
    image, intrinsics = torch.rand(2, 3, 64, 64), K.expand(2, 3, 3)
    state, points, earlier = network.predict(image, intrinsics)
    vertices = network.landmark_vertices
    assert points is not None and vertices is not None and points.pixels.shape == (2, len(vertices), 2)
    assert len(vertices.unique()) == len(vertices)
    assert all(torch.equal(one, other) for one, other in zip(state, network(image, intrinsics), strict=True))
    alone = network.find_points(image)
    assert len(alone) == 1 + len(earlier) and torch.equal(alone[-1].pixels, points.pixels)


def test_a_name_and_settings_build_it_again(network: Encoder, dome: Any) -> None:
    settings = encoder_settings(network.name, asdict(network.settings))
    again = build_encoder(network.name, dome.statistics, settings, 5)
    again.load_state_dict(network.state_dict())
    image = torch.rand(1, 3, 64, 64)
    assert again.image_size == 64
    assert all(torch.equal(one, other) for one, other in zip(again(image, K), network(image, K), strict=True))


def test_an_unknown_name_is_refused(dome: Any) -> None:
    with pytest.raises(InputError, match="expected one of texture_space, i2znet, got 'resnet'"):
        build_encoder("resnet", dome.statistics, SETTINGS["i2znet"], 5)
    with pytest.raises(TypeError):
        build_encoder("i2znet", dome.statistics, SETTINGS["texture_space"], 5)


def test_what_may_be_trained_grows_and_is_shared_out(network: Encoder) -> None:
    """heads < last_block < all; the points' side and the expression's have nothing in common; all of it learns."""
    network.start_from_imagenet()
    before: set[int] = set()
    for what in reversed(TRAINED):
        groups = network.trained_parameters(what)
        assert set(groups) == {"points", "expression"}
        points, expression = ({id(part) for part in parts} for parts in groups.values())
        assert points and expression and not points & expression
        assert before < points | expression
        before = points | expression
    state, found, earlier = network.predict(torch.rand(2, 3, 64, 64), K.expand(2, 3, 3))
    assert found is not None
    said = [*state, *(part for points in (found, *earlier) for part in points[:2])]
    torch.stack([part.sum() for part in said]).sum().backward()
    # what gets a gradient is trained, but for the weight of the points' prior
    learning = {id(part) for name, part in network.named_parameters() if part.grad is not None and "prior" not in name}
    assert learning == before
    with pytest.raises(ValueError, match="heads"):
        network.trained_parameters("tail")


def test_heads_are_linear_and_1x1_layers_alone(network: Encoder) -> None:
    groups = network.trained_parameters("heads")
    assert all(part.dim() < 4 or part.shape[-1] == 1 for parts in groups.values() for part in parts)
    assert len(groups["expression"]) == 2  # weight and bias of the layer that says the latent


def test_heads_say_the_answer(network: Encoder) -> None:
    """Each group's heads alone change what they stand for, and the expression's change nothing else."""
    image = torch.rand(1, 3, 64, 64)
    before, found, _ = network.predict(image, K)
    with torch.no_grad():
        for part in network.trained_parameters("heads")["expression"]:
            part.add_(0.1)
    after, same, _ = network.predict(image, K)
    assert not torch.equal(before.latent, after.latent) and torch.equal(before.rotation, after.rotation)
    assert found is not None and same is not None and torch.equal(found.pixels, same.pixels)


def test_in_the_lab_it_answers_for_every_view(network: Encoder) -> None:
    view = PhoneView(torch.rand(3, 3, 64, 64), K.expand(3, 3, 3), torch.eye(3).expand(3, 3, 3),
                     torch.tensor([[0.0, 0.0, 520.0]]).expand(3, 3))
    own = network.predict(view.image, view.intrinsics)
    late = network.predict_in_lab(view, 1.0)
    assert all(torch.equal(one, other) for one, other in zip(own.state, late.state, strict=True))
    assert network.predict_in_lab(view, 0.0).state.latent.shape == (3, 5)
