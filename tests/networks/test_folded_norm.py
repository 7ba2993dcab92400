"""Folded batch norms say, and learn, what the layers do."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from steadyface.networks.folded_norm import run_folded
from steadyface.networks.imagenet import feature_layers


def layers() -> nn.Sequential:
    """The first layers of MobileNetV2 under norms that have seen something, in double precision."""
    torch.manual_seed(0)
    network = feature_layers(6).double().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.running_mean, module.bias):
                assert values is not None
                nn.init.normal_(values, std=0.3)
            for values in (module.running_var, module.weight):
                assert values is not None
                nn.init.uniform_(values, 0.5, 2.0)
    return network


def gradients(network: nn.Module, found: Tensor, weight: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad((found * weight).sum(), list(network.parameters())))


def test_values_and_gradients_are_those_of_the_layers() -> None:
    network, image = layers(), torch.rand(2, 3, 32, 32, dtype=torch.float64)
    plain, folded = network(image), run_folded(network, image)
    torch.testing.assert_close(folded, plain, rtol=1e-10, atol=1e-10)
    weight = torch.randn_like(plain)
    for one, other in zip(gradients(network, folded, weight), gradients(network, plain, weight), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)


def test_the_order_of_channels_in_memory_does_not_matter() -> None:
    network, image = layers(), torch.rand(2, 3, 32, 32, dtype=torch.float64)
    sideways = run_folded(network, image.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(sideways, network(image), rtol=1e-10, atol=1e-10)


def test_a_norm_that_gathers_statistics_is_refused() -> None:
    with pytest.raises(ValueError, match="gathers statistics"):
        run_folded(layers().train(), torch.rand(2, 3, 32, 32, dtype=torch.float64))
