"""The stacked hourglass: shapes, that it sees the whole crop, and that it learns where a spot is."""

from __future__ import annotations

import torch
from torch import Tensor

from steadyface.losses.supervised import point_error
from steadyface.networks.hourglass import Hourglass, StackedHourglass
from steadyface.networks.point_network import STRIDE


def test_every_stack_finds_every_landmark() -> None:
    seen = StackedHourglass(48, stacks=3, width=8, landmarks=5)(torch.rand(2, 3, 48, 48))
    assert seen.features.shape == (2, 8, 12, 12) and len(seen.found) == 3
    for found in seen.found:
        assert found.pixels.shape == (2, 5, 2) and found.log_heat.shape == (2, 5, 12, 12)
    assert not torch.equal(seen.found[0].pixels, seen.found[1].pixels)


def test_one_cell_hears_of_the_opposite_corner() -> None:
    """A single residual block reaches two cells; an hourglass reaches across the crop."""
    features = torch.randn(1, 8, 16, 16, requires_grad=True)
    Hourglass(8, 2)(features)[0, :, 0, 0].sum().backward()
    assert features.grad is not None and float(features.grad[0, :, -1, -1].abs().sum()) > 0


def test_a_later_stack_builds_on_what_an_earlier_one_found() -> None:
    network = StackedHourglass(32, stacks=2, width=8, landmarks=3)
    network(torch.rand(1, 3, 32, 32)).found[1].pixels.sum().backward()
    first = network.stacks[0]
    assert first.to_heat.weight.grad is not None and float(first.to_heat.weight.grad.abs().sum()) > 0


def spots(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Crops (8, 3, 32, 32) with a bright spot each, and where it is, (8, 1, 2) pixels."""
    place = 6 + 20 * torch.rand(8, 1, 2, generator=generator)
    steps = torch.arange(32.0)
    x, y = steps - place[:, :, 0, None], steps - place[:, :, 1, None]
    spot = torch.exp(-0.1 * (x.unsqueeze(2).square() + y.unsqueeze(3).square()))
    return spot.expand(-1, 3, -1, -1) + 0.05 * torch.randn(8, 3, 32, 32, generator=generator), place


def test_it_learns_where_a_spot_is() -> None:
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    network = StackedHourglass(32, stacks=2, width=8, landmarks=1)
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(40):
        image, place = spots(generator)
        loss = torch.stack([point_error(found, place, STRIDE) for found in network(image).found]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    image, place = spots(generator)
    errors = [float((found.pixels - place).norm(dim=-1).mean().detach()) for found in network(image).found]
    assert max(errors) < 2.5, errors  # of about 9 by chance
