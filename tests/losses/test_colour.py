"""The colour models: each the identity at first, its fit against an obvious one, its gradient."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from steadyface.errors import InputError
from steadyface.losses.colour import COLOUR_MODELS, ColourMatrix, ToneCurve, build_colour_model
from steadyface.losses.colour_fit import fit_colour_matrix, fit_maps

TRUE = torch.tensor([[0.8, 0.1, 0.02, 0.03], [0.05, 0.9, 0.0, -0.02], [0.0, 0.15, 0.6, 0.05]])
LEARNED = [name for name in COLOUR_MODELS if name != "none"]


def colours(size: int = 24) -> tuple[Tensor, Tensor, Tensor]:
    """The model's colours, the same through TRUE, and a mask outside of which the latter are nonsense."""
    model = torch.rand(2, 3, size, size)
    observed = (torch.einsum("ij,bjyx->biyx", TRUE[:, :3], model) + TRUE[:, 3].view(1, 3, 1, 1)).clone()
    mask = (torch.rand(2, 1, size, size) > 0.5).float()
    observed[mask.expand_as(observed) == 0] = 9.0  # what is hidden must not count
    return model, observed, mask


def slow_fit(design: list[list[float]], target: list[float], start: list[float], ridge: float = 1e-3) -> Tensor:
    """Least squares by stacking the pull below the pixels' rows, one row a pixel."""
    weight = (ridge * len(design)) ** 0.5
    rows = design + [[weight * float(i == j) for j in range(len(start))] for i in range(len(start))]
    right = target + [weight * value for value in start]
    return torch.linalg.lstsq(torch.tensor(rows).double(), torch.tensor(right).double()).solution.float()


def seen_pixels(model: Tensor, observed: Tensor, mask: Tensor) -> list[tuple[list[float], list[float]]]:
    return [
        (model[b, :, y, x].tolist(), observed[b, :, y, x].tolist())
        for b in range(len(model)) for y in range(model.shape[2]) for x in range(model.shape[3]) if mask[b, 0, y, x]
    ]  # fmt: skip


@pytest.mark.parametrize("name", COLOUR_MODELS)
def test_a_new_model_changes_nothing(name: str) -> None:
    texture = 1.6 * torch.rand(2, 3, 16, 16) - 0.3  # also what lies outside [0, 1]
    torch.testing.assert_close(build_colour_model(name)(texture), texture, rtol=0, atol=1e-6)


def test_an_unknown_name_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(InputError, match=r"tone_curve.*got spline"):
        build_colour_model("spline")


def test_applying_is_a_matrix_and_a_bias_a_texel() -> None:
    colour, texture = ColourMatrix(), torch.rand(1, 3, 2, 2)
    with torch.no_grad():
        colour.matrix.copy_(TRUE[:, :3])
        colour.bias.copy_(TRUE[:, 3])
    for y in range(2):
        for x in range(2):
            torch.testing.assert_close(colour(texture)[0, :, y, x], TRUE[:, :3] @ texture[0, :, y, x] + TRUE[:, 3])


def test_a_known_matrix_is_found_again() -> None:
    model, observed, mask = colours()
    exact = fit_colour_matrix(model, observed, mask, ridge=0.0)
    torch.testing.assert_close(exact, TRUE, rtol=0, atol=1e-5)
    colour = ColourMatrix()
    colour.fit(model, observed, mask)
    torch.testing.assert_close(colour(model) * mask, observed * mask, rtol=0, atol=0.02)


@pytest.mark.parametrize("name", ["gain", "gain_bias", "matrix", "convolution"])
def test_a_fit_against_one_pixel_a_row(name: str) -> None:
    model, observed, mask = colours(8)
    colour, pixels = build_colour_model(name), seen_pixels(model, observed, mask)
    colour.fit(model, observed, mask)
    one = [1.0] if name in {"gain_bias", "convolution"} else []
    for channel in range(3):
        target = [there[channel] for _, there in pixels]
        if name.startswith("gain"):
            expected = slow_fit([[here[channel], *one] for here, _ in pixels], target, [1.0, 0.0][: 1 + len(one)])
            found = torch.stack([part[channel] for part in colour.parameters()])
        else:
            start = [float(channel == other) for other in range(3 + len(one))]
            expected = slow_fit([here + one for here, _ in pixels], target, start)
            found = torch.cat([part[channel].flatten() for part in colour.parameters()])
        torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)


def test_the_maps_fit_against_one_pixel_a_row() -> None:
    model, observed, mask = torch.rand(2, 3, 6, 6), torch.rand(2, 3, 6, 6), (torch.rand(2, 1, 6, 6) > 0.3).float()
    spread = torch.rand(36, 4)
    gain, bias = fit_maps(model, observed, mask, spread)
    ridge = float(mask.sum()) / 4 * 1e-3
    for channel in range(3):
        rows, target = [], []
        for b in range(2):
            for y in range(6):
                for x in range(6):
                    if mask[b, 0, y, x]:
                        share = spread[6 * y + x].tolist()
                        rows.append([float(model[b, channel, y, x]) * part for part in share] + share)
                        target.append(float(observed[b, channel, y, x]))
        expected = slow_fit(rows, target, [1.0] * 4 + [0.0] * 4, ridge / len(rows))
        torch.testing.assert_close(torch.cat([gain[channel], bias[channel]]), expected, rtol=0, atol=1e-4)


def residual(name: str, model: Tensor, observed: Tensor, mask: Tensor) -> float:
    """Sum of squares over the mask that a fitted model leaves."""
    colour = build_colour_model(name)
    colour.fit(model, observed, mask)
    with torch.no_grad():
        return float(((colour(model) - observed).square() * mask).sum())


def test_every_rung_of_the_ladder_fits_better_than_those_below() -> None:
    """Under a matrix, a bias, and a gain that grows across the texture."""
    model, observed, mask = colours()
    observed = observed * torch.linspace(0.4, 1.6, 24)
    left = {name: residual(name, model, observed, mask) for name in COLOUR_MODELS}
    below = [("none", "gain"), ("gain", "gain_bias"), ("gain", "matrix"), ("gain_bias", "convolution"),
             ("matrix", "convolution"), ("convolution", "maps")]  # fmt: skip
    assert all(left[richer] < left[poorer] for poorer, richer in below), left
    assert left["tone_curve"] == left["convolution"]  # its curve is learned, not fitted


def test_only_maps_take_up_light_from_one_side() -> None:
    model, _, mask = colours()
    observed = model * torch.linspace(0.4, 1.6, 24)
    left = {name: residual(name, model, observed, mask) for name in ("convolution", "maps")}
    assert left["maps"] < 0.1 * left["convolution"]


@pytest.mark.parametrize("name", LEARNED)
def test_the_gradient_holds(name: str) -> None:
    colour = build_colour_model(name).double()
    texture = (0.1 + 0.8 * torch.rand(1, 3, 3, 3, dtype=torch.float64)).requires_grad_()
    learned = list(colour.parameters())
    with torch.no_grad():
        for part in learned:
            part.add_(0.05 * torch.rand_like(part))

    def apply(image: Tensor, *values: Tensor) -> Tensor:
        names = [key for key, _ in colour.named_parameters()]
        return torch.func.functional_call(colour, dict(zip(names, values, strict=True)), (image,))

    assert torch.autograd.gradcheck(apply, (texture, *learned))


def test_the_tone_curve_only_ever_rises() -> None:
    curve = ToneCurve()
    with torch.no_grad():
        curve.slope.copy_(4 * torch.randn(3, 8))
    steps = torch.linspace(-0.5, 1.5, 400).view(1, 1, 1, -1).repeat(1, 3, 1, 1)
    assert bool((curve.curve(steps).diff(dim=-1) > 0).all())
    assert float(curve.curve(torch.zeros(1, 3, 1, 1)).abs().max()) == 0.0


def test_the_tone_curve_learns_a_gamma_that_no_matrix_has() -> None:
    model = torch.rand(1, 3, 24, 24)
    observed, mask = model**0.6, torch.ones(1, 1, 24, 24)
    colour = build_colour_model("tone_curve")
    colour.fit(model, observed, mask)
    fitted = residual("tone_curve", model, observed, mask) / observed.numel()
    optimizer = torch.optim.Adam(colour.parameters(), lr=0.05)
    for _ in range(80):
        optimizer.zero_grad()
        (colour(model) - observed).square().mean().backward()
        optimizer.step()
    assert (colour(model) - observed).square().mean().item() < 0.3 * fitted


def test_grey_alone_leaves_what_it_cannot_tell_at_the_identity() -> None:
    """One colour everywhere says nothing of the other directions: the pull to the identity decides."""
    model = torch.full((1, 3, 8, 8), 0.4)
    found = fit_colour_matrix(model, 0.5 * model, torch.ones(1, 1, 8, 8))
    assert torch.isfinite(found).all()
    grey = found[:, :3] @ torch.full((3,), 0.4) + found[:, 3]
    torch.testing.assert_close(grey, torch.full((3,), 0.2), rtol=0, atol=5e-3)
    across = torch.tensor([1.0, -1.0, 0.0])
    torch.testing.assert_close(found[:, :3] @ across, across, rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", COLOUR_MODELS)
def test_nothing_seen_gives_the_identity(name: str) -> None:
    colour, texture = build_colour_model(name), torch.rand(1, 3, 16, 16)
    colour.fit(texture, torch.rand(1, 3, 16, 16), torch.zeros(1, 1, 16, 16))
    torch.testing.assert_close(colour(texture), texture, rtol=0, atol=1e-5)
