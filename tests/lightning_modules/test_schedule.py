"""The learning-rate schedule: up in a line, down in a half cosine."""

from __future__ import annotations

import math

import pytest
import torch

from lightning_modules.schedule import cosine_factor, cosine_schedule, schedule_one_after_the_other


def rates(steps: int, warmup: int) -> list[float]:
    """The learning rate of every step, and of the one after the last."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = cosine_schedule(optimizer, steps, warmup)["lr_scheduler"]["scheduler"]
    found = []
    for _ in range(steps + 1):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def test_warm_up_then_half_a_cosine_to_zero() -> None:
    found = rates(20, 4)
    assert found[:4] == [0.5, 1.0, 1.5, 2.0]
    for step in range(4, 21):
        assert math.isclose(found[step], 1.0 + math.cos(math.pi * (step - 4) / 16), abs_tol=1e-9)


def test_a_stage_that_is_all_warm_up_has_no_division_by_zero() -> None:
    assert rates(3, 3)[:3] == [2 / 3, 4 / 3, 2.0]


def test_the_schedule_moves_with_every_step_and_not_every_epoch() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    assert cosine_schedule(optimizer, 5, 1)["lr_scheduler"]["interval"] == "step"


def test_groups_learn_one_after_the_other() -> None:
    first, second = (torch.nn.Parameter(torch.zeros(1)) for _ in range(2))
    optimizer = torch.optim.SGD([{"params": [first], "lr": 2.0}, {"params": [second], "lr": 0.5}])
    schedule = schedule_one_after_the_other(optimizer, (6, 4), (2, 9))["lr_scheduler"]["scheduler"]
    found = []
    for _ in range(11):
        found.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        schedule.step()
    assert [first for first, _ in found] == [2.0 * cosine_factor(step, 6, 2) for step in range(11)]
    assert [second for _, second in found] == [0.0] * 6 + [0.125, 0.25, 0.375, 0.5, 0.0]
    with pytest.raises(ValueError, match="shorter"):
        schedule_one_after_the_other(optimizer, (6, 4), (2,))
