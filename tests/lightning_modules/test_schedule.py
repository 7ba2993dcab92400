"""The learning-rate schedule: up in a line, down in a half cosine."""

from __future__ import annotations

import math

import torch

from lightning_modules.schedule import cosine_factor, cosine_schedule


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


def test_outside_of_its_steps_nothing_is_learned() -> None:
    assert [cosine_factor(step, 4, 2) for step in (-1, 0, 1, 4, 5)] == [0.0, 0.5, 1.0, 0.0, 0.0]
