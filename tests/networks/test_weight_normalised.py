"""Weight-normalised layers against their formula, written out."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck
from torch.nn import functional

from steadyface.networks.weight_normalised import (
    NormalisedConvolution,
    NormalisedLinear,
    NormalisedTransposed,
    with_length,
)

LAYERS = {
    "linear": (lambda: NormalisedLinear(5, 3), (2, 5)),
    "convolution": (lambda: NormalisedConvolution(2, 3, 4, stride=2), (2, 2, 6, 6)),
    "same size": (lambda: NormalisedConvolution(2, 3, 3), (2, 2, 5, 5)),
    "transposed": (lambda: NormalisedTransposed(2, 3), (2, 2, 3, 3)),
}


def disturbed(name: str) -> tuple[nn.Linear | nn.Conv2d | nn.ConvTranspose2d, Tensor]:
    """A layer with gains and biases of its own in each channel, and its input, in double precision."""
    torch.manual_seed(0)
    make, shape = LAYERS[name]
    layer = make().double()
    with torch.no_grad():
        layer.gain.uniform_(0.5, 2.0)
        layer.bias.normal_()
    return layer, torch.randn(*shape, dtype=torch.double, requires_grad=True)


def by_hand(layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d) -> Tensor:
    """The weight that the layer applies, number by number."""
    length = math.sqrt(sum(float(value) ** 2 for value in layer.weight.flatten()))
    weight = layer.weight.detach().clone()
    for channel, gain in enumerate(layer.gain):
        index = (slice(None), channel) if isinstance(layer, nn.ConvTranspose2d) else (channel,)
        weight[index] *= float(gain) / length
    return weight


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_its_formula(name: str) -> None:
    layer, features = disturbed(name)
    weight = by_hand(layer)
    if isinstance(layer, nn.Linear):
        expected = features @ weight.t() + layer.bias
    elif isinstance(layer, nn.Conv2d):
        expected = functional.conv2d(features, weight, layer.bias, layer.stride, padding=1)
    else:
        expected = functional.conv_transpose2d(features, weight, layer.bias, stride=2, padding=1)
    torch.testing.assert_close(layer(features), expected)


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_reach_features_weight_gain_and_bias(name: str) -> None:
    layer, features = disturbed(name)
    names = [part for part, _ in layer.named_parameters()]
    assert set(names) == {"weight", "gain", "bias"}

    def run(features: Tensor, *values: Tensor) -> Tensor:
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (features,))

    assert gradcheck(run, (features, *(value.detach().requires_grad_() for value in layer.parameters())))


def test_the_length_of_the_weight_does_not_matter() -> None:
    weight, gain = torch.randn(4, 3), torch.rand(4)
    torch.testing.assert_close(with_length(7.0 * weight, gain, 0), with_length(weight, gain, 0))


@pytest.mark.parametrize("name", LAYERS)
def test_a_fresh_layer_is_glorots(name: str) -> None:
    """The gain starts as the weight's norm, so that the applied weight is the drawn one."""
    layer = LAYERS[name][0]()
    axis = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
    torch.testing.assert_close(with_length(layer.weight, layer.gain, axis), layer.weight)
    assert float(layer.bias.detach().abs().max()) == 0.0


def test_a_fresh_layer_keeps_the_size_of_its_signal() -> None:
    torch.manual_seed(1)
    features = functional.leaky_relu(torch.randn(64, 400), 0.2)
    scale = float(NormalisedLinear(400, 400)(features).square().mean() / features.square().mean())
    assert scale == pytest.approx(2.0 / (1.0 + 0.2**2), rel=0.05)
    scale = float(NormalisedLinear(400, 400, slope=1.0)(features).square().mean() / features.square().mean())
    assert scale == pytest.approx(1.0, rel=0.05)


def test_a_fresh_transposed_convolution_repeats_texels() -> None:
    """A constant comes out constant away from the border: no chequerboard to unlearn."""
    grown = NormalisedTransposed(3, 2)(torch.ones(1, 3, 6, 6))[..., 1:-1, 1:-1]
    torch.testing.assert_close(grown, grown[..., :1, :1].expand_as(grown))
