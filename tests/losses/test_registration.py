"""Dense registration: the correlation against a slow loop, and offsets that are known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from steadyface.geometry.contrast import normalise_contrast
from steadyface.losses.registration import Registration, correlation_volume, look_up, register

SIZE = 32
ONE = torch.ones(1, 1, SIZE, SIZE)
MIDDLE = slice(10, SIZE - 10)


def waves(shift_x: float = 0.0, shift_y: float = 0.0) -> Tensor:
    """A smooth texture (1, 3, 32, 32) that can be evaluated between texels; moved by the shift."""
    generator = torch.Generator().manual_seed(5)
    y, x = torch.meshgrid(torch.arange(float(SIZE)), torch.arange(float(SIZE)), indexing="ij")
    texture = torch.zeros(1, 3, SIZE, SIZE)
    for _ in range(24):
        way = torch.randn(2, generator=generator) * 0.45
        phase = torch.rand(3, 1, 1, generator=generator) * 2 * math.pi
        texture += torch.cos(way[0] * (x - shift_x) + way[1] * (y - shift_y) + phase)
    return texture


def registered(shift_x: float, shift_y: float, **options: int) -> Registration:
    """Where ``waves()`` lies in an observation in which everything has moved by the shift."""
    observed, model = normalise_contrast(waves(shift_x, shift_y), ONE), normalise_contrast(waves(), ONE)
    return register(observed, model, ONE, ONE, **options)


def slow_correlation(observed: Tensor, model: Tensor, y: int, x: int, dy: int, dx: int, radius: int) -> float:
    """One entry by its definition: sums over the two patches' texels, zero beyond the border."""

    def at(texture: Tensor, row: int, column: int) -> Tensor:
        if 0 <= row < texture.shape[1] and 0 <= column < texture.shape[2]:
            return texture[:, row, column]
        return torch.zeros(len(texture))

    product = energy = model_energy = 0.0
    for j in range(-radius, radius + 1):
        for i in range(-radius, radius + 1):
            here, there = at(model, y + j, x + i), at(observed, y + dy + j, x + dx + i)
            product += float((here * there).sum())
            model_energy += float(here.square().sum())
            energy += float(there.square().sum())
    return product / math.sqrt(model_energy * energy + 1e-3)


def test_correlation_volume_against_a_loop() -> None:
    reach, radius, size = 2, 1, 6
    observed, model = torch.randn(1, 2, size, size), torch.randn(1, 2, size, size)
    observed_mask, model_mask = (torch.rand(2, 1, 1, size, size) > 0.2).float()
    volume = correlation_volume(observed, model, observed_mask, model_mask, reach, radius)
    assert volume.shape == (1, 25, size, size)
    seen, known = (observed * observed_mask)[0], (model * model_mask)[0]
    for y in range(size):
        for x in range(size):
            for dy in range(-reach, reach + 1):
                for dx in range(-reach, reach + 1):
                    if not (0 <= y + dy < size and 0 <= x + dx < size):
                        continue
                    entry = float(volume[0, (dy + reach) * 5 + dx + reach, y, x])
                    assert abs(entry - slow_correlation(seen, known, y, x, dy, dx, radius)) < 1e-4


def test_correlation_never_leaves_its_range_at_the_border() -> None:
    texture = torch.randn(1, 3, 10, 10)
    one = torch.ones(1, 1, 10, 10)
    assert float(correlation_volume(texture, texture, one, one, 3, 2).abs().max()) <= 1.0 + 1e-5


@pytest.mark.parametrize("shift", [(0.0, 0.0), (2.0, -1.0), (0.4, 0.0), (-1.3, 0.7), (1.5, 2.5)])
def test_a_shift_is_found_finer_than_a_texel(shift: tuple[float, float]) -> None:
    found = registered(*shift)
    error = found.offset - torch.tensor(shift).view(1, 2, 1, 1)
    inner = error[..., MIDDLE, MIDDLE]
    assert float(inner.norm(dim=1).mean()) < 0.2 and float(inner.norm(dim=1).max()) < 0.5
    assert float(found.weight[..., MIDDLE, MIDDLE].mean()) > 0.1


def test_a_shift_is_found_whatever_the_light() -> None:
    observed = normalise_contrast(0.05 * waves(1.0, 0.0) + 0.7, ONE, floor=1e-3)
    found = register(observed, normalise_contrast(waves(), ONE), ONE, ONE)
    assert float((found.offset[:, 0] - 1.0)[..., MIDDLE, MIDDLE].abs().mean()) < 0.2


def test_a_peak_on_the_edge_of_the_window_weighs_nothing() -> None:
    """Moved further than the window reaches: the best offset is where the window ends, and is no match."""
    found = registered(3.0, 0.0, reach=2)
    best_on_edge = found.offset[:, :1].abs() > 1.7
    assert float(best_on_edge[..., MIDDLE, MIDDLE].float().mean()) > 0.5
    assert float((found.weight * best_on_edge)[..., MIDDLE, MIDDLE].max()) == 0.0


def test_flat_skin_weighs_nothing() -> None:
    observed, model = waves(1.0, 0.0), waves()
    model[..., : SIZE // 2] = 1.0
    model = normalise_contrast(model, ONE)
    model[..., : SIZE // 2] = 0.0
    found = register(normalise_contrast(observed, ONE), model, ONE, ONE, reach=3, radius=2)
    assert float(found.weight[..., : SIZE // 2 - 4].max()) == 0.0
    assert float(found.weight[..., SIZE // 2 + 4 : -8].mean()) > 0.05


def test_noise_that_matches_nowhere_weighs_little() -> None:
    observed, model = (normalise_contrast(torch.randn(1, 3, SIZE, SIZE), ONE) for _ in range(2))
    unrelated = float(register(observed, model, ONE, ONE).weight.mean())
    assert unrelated < 0.1 * float(registered(1.0, 0.0).weight[..., MIDDLE, MIDDLE].mean())


def test_a_target_that_was_not_observed_weighs_nothing() -> None:
    observed_mask = ONE.clone()
    observed_mask[..., 16:] = 0.0
    observed, model = normalise_contrast(waves(2.0, 0.0), observed_mask), normalise_contrast(waves(), ONE)
    found = register(observed, model, observed_mask, ONE)
    column = torch.arange(float(SIZE)).view(1, 1, 1, -1)
    beyond = column + found.offset[:, :1] > 15.02  # the mask, looked up there, falls below 0.98
    assert float((found.weight * beyond).max()) == 0.0
    assert float(found.weight[..., MIDDLE, 6:12].mean()) > 0.1


def test_off_the_model_nothing_weighs() -> None:
    model_mask = ONE.clone()
    model_mask[..., :12, :] = 0.0
    found = register(waves(), waves(), ONE, model_mask)
    assert float(found.weight[..., :12, :].max()) == 0.0 and float(found.weight[..., 16:-4, MIDDLE].mean()) > 0.1


def test_registration_carries_no_gradient() -> None:
    observed = waves().requires_grad_(True)
    found = register(observed, waves(), ONE, ONE)
    assert not any(part.requires_grad for part in found)


def test_look_up_against_a_loop() -> None:
    texture = torch.randn(1, 2, 7, 7, dtype=torch.float64)
    offset = torch.randn(1, 2, 7, 7, dtype=torch.float64) * 1.5
    found = look_up(texture, offset)
    for y in range(7):
        for x in range(7):
            place_x = min(max(x + float(offset[0, 0, y, x]), 0.0), 6.0)
            place_y = min(max(y + float(offset[0, 1, y, x]), 0.0), 6.0)
            left, top = min(int(place_x), 5), min(int(place_y), 5)
            share_x, share_y = place_x - left, place_y - top
            expected = sum(
                texture[0, :, top + j, left + i]
                * (share_x if i else 1 - share_x) * (share_y if j else 1 - share_y)
                for i in (0, 1) for j in (0, 1)
            )  # fmt: skip
            torch.testing.assert_close(found[0, :, y, x], expected)
