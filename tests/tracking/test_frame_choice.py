"""Few frames of a clip: the greedy choice against loops, on places whose right choice is known."""

from __future__ import annotations

import math

import pytest
import torch
from pytorch3d.transforms import so3_exp_map
from torch import Tensor

from steadyface.tracking.frame_choice import (
    LEAST_LIMIT,
    LEAST_QUALITY,
    choose_frames,
    first_frames,
    frame_places,
    frame_quality,
    largest_distance,
)
from steadyface.types import FaceState


def slow_choice(windows: list[list[int]], place: Tensor, quality: list[float], budget: int) -> list[int]:
    """The rule with loops, one window at a time."""
    middle = [torch.stack([place[f] for f in window]).mean(0) for window in windows]
    worth = [min(quality[f] for f in window) for window in windows]
    usable = [i for i in range(len(windows)) if worth[i] >= LEAST_QUALITY]
    target = torch.stack([middle[i] for i in usable]).median(0).values
    chosen: list[int] = []
    taken: set[int] = set()
    while True:
        fits = [i for i in usable if 0 < len(set(windows[i]) - taken) <= budget - len(taken)]
        fresh = [i for i in fits if not set(windows[i]) & taken]
        if not (fresh or fits):
            return sorted(taken)

        def gain(i: int) -> float:
            if not chosen:
                return -float((middle[i] - target).norm())
            return min(float((middle[i] - middle[c]).norm()) for c in chosen) * worth[i]

        best = max(fresh or fits, key=lambda i: (gain(i), -i))
        chosen.append(best)
        taken |= set(windows[best])


@pytest.mark.parametrize("budget", [2, 3, 7, 12, 100])
@pytest.mark.parametrize("length", [1, 2, 3])
def test_the_choice_is_that_of_the_loops(budget: int, length: int) -> None:
    torch.manual_seed(budget)
    place, quality = torch.randn(30, 4).cumsum(0), torch.rand(30)
    starts = [i for i in range(30 - length) if i not in (9, 10)]  # a cut
    windows = [[i + step for step in range(length)] for i in starts]
    if budget < length:
        assert len(choose_frames(torch.tensor(windows), place, quality, budget).frames) == 0
        return
    chosen = choose_frames(torch.tensor(windows), place, quality, budget)
    assert chosen.frames.tolist() == slow_choice(windows, place, quality.tolist(), budget)
    assert len(chosen.frames) <= budget
    again = choose_frames(torch.tensor(windows), place, quality, budget)
    assert torch.equal(again.frames, chosen.frames)


def pairs(count: int) -> Tensor:
    return torch.stack([torch.arange(count - 1), torch.arange(1, count)], dim=1)


def test_poses_are_covered_that_the_first_frames_miss() -> None:
    """A head that is still for long, and turns to each side for a moment."""
    place = torch.zeros(60, 2)
    place[40:44, 0], place[50:54, 0], place[56:, 1] = 3.0, -3.0, 2.0
    chosen = choose_frames(pairs(60), place, torch.ones(60), 8)
    assert chosen.distance == 0.0 and len(chosen.frames) == 8
    first = first_frames(pairs(60), 8)
    assert first.tolist() == list(range(8)) and largest_distance(place, torch.arange(60), first) == 3.0


def test_lost_and_blurred_frames_are_not_chosen_though_they_lie_farthest() -> None:
    place, blur, implausible = torch.zeros(40, 1), torch.full((40,), 0.5), torch.full((40,), 0.3)
    place[10:14], place[20:24], place[30:34] = 9.0, -9.0, 2.0
    blur[10:14], implausible[20:24] = 4.0, 1.5
    quality = frame_quality(implausible, blur)
    chosen = choose_frames(pairs(40), place, quality, 6)
    assert not {*range(10, 14), *range(20, 24)} & set(chosen.frames.tolist())
    assert {*range(30, 34)} & set(chosen.frames.tolist()) and chosen.refused == 8


def test_a_doubtful_frame_adds_less_than_a_sure_one() -> None:
    quality = frame_quality(torch.tensor([0.1, 0.1, 0.1, 0.4]), torch.tensor([1.0, 1.0, 2.0, 1.0]))
    assert quality.tolist() == pytest.approx([1.0, 1.0, 0.5, 1 / (1 + (2 / 3) ** 2)])
    assert frame_quality(torch.tensor([2.0, 3.0]), torch.ones(2)).tolist() == [0.0, 0.0]


def test_where_no_frame_is_good_all_may_be_chosen() -> None:
    chosen = choose_frames(pairs(10), torch.randn(10, 2), torch.zeros(10), 4)
    assert len(chosen.frames) == 4 and chosen.refused == 0


def turning_head() -> FaceState:
    angle = torch.linspace(-0.3, 0.3, 21, dtype=torch.float64)
    rotation = so3_exp_map(angle.unsqueeze(1) * torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64))
    translation = torch.tensor([[10.0, -20.0, 500.0]], dtype=torch.float64).repeat(21, 1)
    return FaceState(torch.zeros(21, 5, dtype=torch.float64), rotation, translation)


def test_a_place_is_pose_in_stated_steps() -> None:
    state = turning_head()
    place = frame_places(state, state.latent)
    assert torch.allclose(torch.pdist(place), torch.pdist(torch.linspace(-2.5, 2.5, 21).double()[:, None]))
    nearer = state.translation.clone()
    nearer[4] *= 0.8
    nearer[5, 0] += 50
    place = frame_places(state._replace(translation=nearer), state.latent)
    assert (place[4] - place[3])[3:6].tolist() == pytest.approx([0, 0, math.log(0.8) / 0.1], abs=1e-6)
    assert (place[5] - place[3])[3:6].tolist() == pytest.approx([1.0, 0, 0], abs=1e-6)


def test_a_failure_does_not_count_without_limit() -> None:
    """A frame where the network is lost lies as far as the limit, whatever it says; a true turn counts in full."""
    torch.manual_seed(0)
    state, whitened = turning_head(), 0.1 * torch.randn(21, 5, dtype=torch.float64)
    whitened[7] = 1e6
    far = state.translation.clone()
    far[7, 2] = 1e5
    place = frame_places(state._replace(translation=far), whitened)
    assert float((place[7] - place.median(0).values).abs().max()) <= 2 * LEAST_LIMIT
    assert float(place[20, 1] - place[0, 1]) == pytest.approx(5.0)


def test_distances_between_expressions_do_not_depend_on_the_axes_of_the_latent() -> None:
    """Principal components: another basis of few numbers gives the same distances, up to where it clips."""
    torch.manual_seed(1)
    base = torch.randn(40, 3, dtype=torch.float64) * 0.3
    state = FaceState(base, torch.eye(3, dtype=torch.float64).repeat(40, 1, 1), torch.tensor([[0.0, 0, 500]]).double())
    state = state._replace(translation=state.translation.repeat(40, 1))
    place = frame_places(state, base.clamp(-0.4, 0.4))
    assert torch.allclose(torch.pdist(place[:, 6:]) * 0.35, torch.pdist(base.clamp(-0.4, 0.4)), atol=1e-9)
