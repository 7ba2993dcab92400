"""Presence: hysteresis against a slow machine, and stretches that are too short."""

from __future__ import annotations

import pytest
import torch

from steadyface.tracking.presence import LEAST_COVERAGE, PresenceRule, present

EVERY_FRAME = PresenceRule(shortest_found_s=0.0, shortest_lost_s=0.0)


def said(probability: list[float], rule: PresenceRule | None = None, fps: float = 30.0, **more) -> str:
    """A letter a frame: X there, . not."""
    time_s = torch.arange(len(probability)).double() / fps
    found = present(torch.tensor(probability), torch.ones(len(probability)), time_s, rule=rule, **more)
    return "".join("X" if one else "." for one in found.tolist())


def test_hysteresis_against_a_slow_machine() -> None:
    probability = torch.rand(200, generator=torch.Generator().manual_seed(3)).tolist()
    there, expected = probability[0] >= 0.3, ""
    for value in probability:
        if there and value < 0.3:
            there = False
        elif not there and value > 0.6:
            there = True
        expected += "X" if there else "."
    assert said(probability, EVERY_FRAME) == expected and 50 < expected.count("X") < 150


def test_between_the_thresholds_it_stays_as_it_was() -> None:
    assert said([0.9, 0.5, 0.5, 0.1, 0.5, 0.5, 0.7], EVERY_FRAME) == "XXX...X"
    assert said([0.5, 0.5, 0.9], EVERY_FRAME) == "XXX"


def test_a_moment_of_doubt_is_bridged_a_sure_loss_is_not() -> None:
    face = [0.95] * 10
    assert said([*face, 0.2, 0.2, *face]) == "X" * 22
    assert said([*face, 0.2, 0.01, *face]) == "X" * 10 + ".." + "X" * 10
    assert said([*face, *[0.2] * 4, *face]) == "X" * 10 + "...." + "X" * 10
    assert said([*face, 0.2]) == "X" * 10 + "."  # at the end nothing says that it comes back


def test_a_face_for_a_moment_is_none() -> None:
    assert said([0.0] * 8 + [0.9] * 4 + [0.0] * 8) == "." * 20
    assert said([0.0] * 8 + [0.9] * 5 + [0.0] * 8) == "." * 8 + "X" * 5 + "." * 8


def test_time_and_not_frames_counts() -> None:
    assert said([0.0] * 8 + [0.9] * 2 + [0.0] * 8, fps=10.0) == "." * 8 + "XX" + "." * 8
    assert said([0.0] * 8 + [0.9] * 7 + [0.0] * 8, fps=60.0) == "." * 23


def test_nothing_is_carried_over_a_cut() -> None:
    shot = torch.tensor([0] * 6 + [1] * 6)
    undecided = [0.9] * 6 + [0.5] * 6
    assert said(undecided, shot=shot) == "X" * 12
    assert said([0.0] * 6 + [0.5] * 6, shot=shot) == "." * 6 + "X" * 6  # unsure, but not of this shot
    assert said([0.9] * 6 + [0.2] + [0.9] * 5, shot=shot) == "X" * 6 + "." + "X" * 5  # no bridge over the border


def test_out_of_the_picture_or_unknown_it_is_absent() -> None:
    coverage = torch.tensor([1.0] * 6 + [0.5 * LEAST_COVERAGE] * 6)
    time_s = torch.arange(12).double() / 30
    assert present(torch.full((12,), 0.99), coverage, time_s).tolist() == [True] * 6 + [False] * 6
    unknown = torch.tensor([0.9] * 6 + [torch.nan] * 6)
    assert present(unknown, torch.ones(12), time_s).tolist() == [True] * 6 + [False] * 6


@pytest.mark.parametrize("count", [0, 1])
def test_the_shortest_clips(count) -> None:
    found = present(torch.full((count,), 0.9), torch.ones(count), torch.zeros(count))
    assert found.tolist() == [True] * count
