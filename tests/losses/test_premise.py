"""The premise between two frames: against a slow loop over texels, and what each disturbance may raise."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from steadyface.geometry.contrast import normalise_contrast
from steadyface.losses.premise import (
    RADIUS,
    REACH,
    SPREAD,
    UNRELATED,
    FrameLook,
    PairPremise,
    frame_look,
    pair_premise,
    pair_weights,
)  # fmt: skip
from steadyface.losses.registration import look_up, register

LIMIT, SIZE = 0.8, 128
PARTS = ("light", "motion", "occlusion", "floor")


def skin(count: int = 1, size: int = SIZE, seed: int = 0) -> Tensor:
    """Smooth random textures with structure of some texels, linear, (B, 3, U, U)."""
    noise = torch.rand(count, 3, size // 6, size // 6, generator=torch.Generator().manual_seed(seed))
    return 0.15 + 0.5 * interpolate(noise, size=(size, size), mode="bilinear", align_corners=True)


def look(observed: Tensor, model: Tensor, mask: Tensor | None = None) -> FrameLook:
    return frame_look(observed, model, torch.ones_like(model[:, :1]) if mask is None else mask, LIMIT)


def premise(one: Tensor, other: Tensor, model: Tensor) -> PairPremise:
    return pair_premise(look(one, model), look(other, model), LIMIT)


def with_hand(texture: Tensor, seed: int = 9) -> Tensor:
    covered = texture.clone()
    covered[..., 40:88, 32:96] = skin(seed=seed)[..., 40:88, 32:96]
    return covered


def slow_pair(first: FrameLook, later: FrameLook) -> dict[str, float]:
    """One pair of textures of at most 32 texels a side, texel by texel; registration has its own reference."""
    size = first.texture.shape[-1]
    places = [(r, c) for r in range(size) for c in range(size)]
    both = first.mask * later.mask
    hidden = torch.maximum(first.hidden, later.hidden) * both

    def near(values: Tensor, r: int, c: int, radius: int) -> Tensor:
        return values[0, :, max(r - radius, 0) : r + radius + 1, max(c - radius, 0) : c + radius + 1]

    def local(values: Tensor, weight: Tensor, radius: int) -> Tensor:
        found = torch.zeros_like(values)
        for r, c in places:
            total = near(weight, r, c, radius).sum()
            if total > 0:
                found[0, :, r, c] = (near(values, r, c, radius) * near(weight, r, c, radius)).sum((1, 2)) / total
        return found

    def deviation(texture: Tensor) -> Tensor:
        centred = texture - local(texture, both, 6)
        return local(centred.square(), both, 6)

    a, b = normalise_contrast(first.texture, both), normalise_contrast(later.texture, both)
    found = register(b, a, both, both, REACH, RADIUS)
    flow = torch.zeros_like(found.offset)
    for r, c in places:
        weights, offsets = near(found.weight, r, c, SPREAD), near(found.offset, r, c, SPREAD)
        flow[0, :, r, c] = (weights * offsets).sum((1, 2)) / (weights.sum() + 0.2)
    moved = look_up(b, flow)
    contrast = float(first.contrast + later.contrast) / 2
    spread = ((deviation(first.texture) + deviation(later.texture)) / 2 + 1e-4).sqrt()
    weight = both - hidden

    def smooth(difference: Tensor) -> Tensor:
        return local(difference.abs().mean(1, keepdim=True) / contrast, weight, 1)

    raw, normalised = smooth((first.texture - later.texture) / spread), smooth(a - b)
    again = smooth(a - moved)
    total = dict.fromkeys(PARTS, 0.0)
    for r, c in places:
        share, d0, d1 = (float(values[0, 0, r, c]) for values in (weight, raw, normalised))
        d2 = min(d1, float(again[0, 0, r, c]))
        total["light"] += share * max(d0 - d1, 0.0)
        total["motion"] += share * (d1 - d2)
        total["occlusion"] += float(hidden[0, 0, r, c]) * UNRELATED + (share * d2 if d2 > LIMIT else 0.0)
        total["floor"] += share * d2 if d2 <= LIMIT else 0.0
    parts = {name: value / LIMIT / float(both.sum()) for name, value in total.items()}
    return parts | {"score": math.exp(-parts["occlusion"] - parts["floor"])}


def test_parts_against_a_slow_loop() -> None:
    model = skin(1, 16)
    one = 0.7 * model + 0.02 * torch.randn(1, 3, 16, 16)
    other = torch.roll(one, 1, dims=-1) + 0.03 * torch.randn(1, 3, 16, 16)
    other[..., 9:, :7] = torch.rand(1, 3, 7, 7)
    masks = (torch.rand(2, 1, 1, 16, 16) > 0.15).float()
    first, later = look(one, model, masks[0]), look(other, model, masks[1])
    found, expected = pair_premise(first, later, LIMIT), slow_pair(first, later)
    for name, value in expected.items():
        assert float(getattr(found, name)) == pytest.approx(value, rel=2e-3, abs=1e-4), name
    assert all(expected[name] > 1e-3 for name in PARTS)  # each part was there to be compared
    torch.testing.assert_close(found.residual, found.motion + found.occlusion + found.floor)
    either = float(torch.maximum(masks[0], masks[1]).sum())
    assert float(found.shared) == pytest.approx(float((masks[0] * masks[1]).sum()) / either)


def test_identical_frames_of_the_face_hold_it_wholly() -> None:
    texture = skin(2)
    found = premise(texture, texture, texture)
    torch.testing.assert_close(found.score, torch.ones(2))
    for name in (*PARTS, "residual", "misfit"):
        torch.testing.assert_close(getattr(found, name), torch.zeros(2), atol=1e-6, rtol=0)
    torch.testing.assert_close(found.raw_score, torch.ones(2))


def test_exposure_and_white_balance_change_the_light_alone() -> None:
    texture = skin() + 0.01 * torch.randn(1, 3, SIZE, SIZE)
    other = skin() + 0.01 * torch.randn(1, 3, SIZE, SIZE)
    before = premise(texture, other, skin())
    for gain in (torch.tensor(0.6), torch.tensor([1.3, 1.0, 0.8]).view(1, 3, 1, 1)):
        after = premise(texture, gain * other + 0.03, skin())
        assert float(after.light) > float(before.light) + 0.1
        assert float(after.score) == pytest.approx(float(before.score), abs=0.01)
        assert float(after.raw_score) < float(before.raw_score) - 0.05
        assert float(after.motion) == pytest.approx(float(before.motion), abs=0.01)


def test_a_dark_pair_is_no_better_than_a_bright_one() -> None:
    """Under the floor of contrast normalisation all differences shrink; the premise's do not."""
    texture, other = (skin() + 0.02 * torch.randn(1, 3, SIZE, SIZE) for _ in range(2))
    bright, dark = premise(texture, other, skin()), premise(0.1 * texture, 0.1 * other, skin())
    assert float(dark.floor) == pytest.approx(float(bright.floor), rel=0.1)


@pytest.mark.parametrize("texels", [2, 4, 6])
def test_a_shift_raises_the_motion_most(texels: int) -> None:
    texture = skin()
    found = premise(texture, torch.roll(texture, texels, dims=-1), texture)
    still = premise(texture, texture, texture)
    rise = {name: float(getattr(found, name) - getattr(still, name)) for name in PARTS}
    assert rise["motion"] > 0.05 and max(rise, key=lambda name: rise[name]) == "motion"
    assert float(found.score) > math.exp(-float(found.residual))  # it is not held against the premise
    assert SIZE * float(found.offset) == pytest.approx(texels / 2, rel=0.25)  # mean of the still and the moved frame


def test_an_occluder_raises_the_occlusion_most() -> None:
    texture = skin()
    found = premise(texture, with_hand(texture), texture)
    rise = {name: float(getattr(found, name)) for name in PARTS}
    assert max(rise, key=lambda name: rise[name]) == "occlusion" and rise["occlusion"] > 2 * rise["floor"]
    assert float(found.score) < 0.85


def test_the_same_hand_in_both_frames_is_no_agreement() -> None:
    texture = skin()
    found = premise(with_hand(texture), with_hand(texture), texture)
    assert float(found.score) < 0.92 and float(found.occlusion) > 0.08
    assert float(found.residual) == pytest.approx(float(found.occlusion))


def test_noise_raises_the_floor_most_and_more_of_it_lowers_the_score() -> None:
    texture = skin()
    scores = []
    for sigma in (0.0, 0.005, 0.01, 0.02, 0.04):
        found = premise(*(texture + sigma * torch.randn(1, 3, SIZE, SIZE) for _ in range(2)), texture)
        scores.append(float(found.score))
    assert scores == sorted(scores, reverse=True) and float(found.floor) > float(found.motion + found.occlusion)


def test_unrelated_textures_break_it() -> None:
    found = premise(skin(seed=1), skin(seed=2), skin(seed=3))
    assert 0.0 < float(found.score) < 0.45


def test_nothing_seen_in_both() -> None:
    texture, mask = skin(), torch.zeros(1, 1, SIZE, SIZE)
    left, right = mask.clone(), mask.clone()
    left[..., :64], right[..., 64:] = 1, 1
    for one, other in ((left, right), (mask, mask)):
        found = pair_premise(look(texture, texture, one), look(texture, texture, other), LIMIT)
        assert float(found.score) == 0.0 and all(torch.isfinite(value).all() for value in found)
        assert float(found.shared) == 0.0


def test_pairs_do_not_mix() -> None:
    textures, models = skin(3), skin(3, seed=4)
    together = premise(textures, models, models)
    for row in range(3):
        alone = premise(textures[row : row + 1], models[row : row + 1], models[row : row + 1])
        for one, other in zip(together.at(slice(row, row + 1)), alone, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_weights_keep_their_sum_and_carry_no_gradient() -> None:
    score = torch.tensor([0.2, 0.5, 0.9], requires_grad=True)
    weight = pair_weights(score, 2.0)
    assert not weight.requires_grad and float(weight.sum()) == pytest.approx(3.0)
    torch.testing.assert_close(weight[2] / weight[0], torch.tensor(0.81 / 0.04))
    torch.testing.assert_close(pair_weights(score, 0.0), torch.ones(3))
    torch.testing.assert_close(pair_weights(torch.zeros(2), 2.0), torch.ones(2))


def test_squares_are_textures_averaged() -> None:
    """A hidden square covers the texels that were averaged in it."""
    texture = skin()
    hidden = look(with_hand(texture), texture).hidden
    torch.testing.assert_close(interpolate(avg_pool2d(hidden, 2), scale_factor=2), hidden)
    assert float(hidden[..., 48:80, 44:84].mean()) > 0.5 > 0.1 > float(hidden[..., :24, :].mean())
