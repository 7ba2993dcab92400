from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from steadyface.networks.point_network import PointNetwork
from steadyface.networks.precision import convolve, in_network_precision, in_single_precision, network_precision


class Answer(NamedTuple):
    features: Tensor
    more: tuple[Tensor, ...]
    count: Tensor


@in_network_precision
def answer(features: Tensor) -> Answer:
    product = features @ features
    return Answer(product, (product * 2,), torch.tensor([1]))


def test_products_are_rounded_and_handed_on_in_single_precision() -> None:
    features = torch.rand(8, 8)
    exact = answer(features)
    with network_precision("bf16-mixed"):
        rounded = answer(features)
    assert rounded.features.dtype == rounded.more[0].dtype == torch.float32 and rounded.count.dtype == torch.int64
    error = (rounded.features - exact.features).abs().max() / exact.features.max()
    assert 1e-4 < error < 1e-2
    assert torch.equal(answer(features).features, exact.features), "the precision stayed open"


def test_places_are_read_in_single_precision() -> None:
    seen = []

    @in_single_precision
    def place(heat: Tensor) -> Tensor:
        seen.append(heat.dtype)
        return heat @ heat

    @in_network_precision
    def forward(features: Tensor) -> Tensor:
        return place(features @ features)

    features = torch.rand(4, 4)
    with network_precision("bf16-mixed"):
        found = forward(features)
    half = (features.bfloat16() @ features.bfloat16()).float()
    assert seen == [torch.float32] and torch.equal(found, half @ half)


def test_points_stay_within_a_fraction_of_a_pixel() -> None:
    network, image = PointNetwork(8, 5), torch.rand(2, 3, 64, 64)
    exact = network(image)
    with network_precision("bf16-mixed"):
        rounded = network(image)
        rounded.pixels.sum().backward()
    assert rounded.pixels.dtype == torch.float32
    assert 0 < (rounded.pixels - exact.pixels).abs().max() < 0.5
    assert all(p.grad is None or p.grad.dtype == torch.float32 for p in network.parameters())


def test_layers_are_convolved_as_they_are_without_a_precision() -> None:
    layers, features = nn.Conv2d(3, 4, 3), torch.rand(1, 3, 8, 8)
    assert torch.equal(convolve(layers, features), layers(features))


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ValueError, match="bf16-mixed"), network_precision("16"):
        pass
