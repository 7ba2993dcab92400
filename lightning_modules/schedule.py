"""A warm-up and a half cosine to zero, over a known number of steps; one after the other for several groups."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def cosine_factor(step: int, steps: int, warmup: int) -> float:
    """Linear warm-up over ``warmup`` steps, then a half cosine to 0 at ``steps``; 0 outside of these steps."""
    if not 0 <= step < steps:
        return 0.0
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def cosine_schedule(optimizer: Optimizer, steps: int, warmup: int) -> dict[str, Any]:
    """Lightning's optimiser configuration: linear warm-up over ``warmup`` steps, then a half cosine to 0."""

    factor = partial(cosine_factor, steps=steps, warmup=warmup)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": LambdaLR(optimizer, factor), "interval": "step"}}


def schedule_one_after_the_other(
    optimizer: Optimizer, steps: Sequence[int], warmups: Sequence[int]
) -> dict[str, Any]:
    """Lightning's optimiser configuration: each group of parameters learns for its own steps, after the one before.

    Raises:
        ValueError: not as many steps and warm-ups as the optimiser has groups.
    """
    starts = list(itertools.accumulate(steps, initial=0))[:-1]

    def of_group(start: int, own: int, warmup: int) -> Callable[[int], float]:
        return lambda step: cosine_factor(step - start, own, min(warmup, own))

    factors = [of_group(*group) for group in zip(starts, steps, warmups, strict=True)]
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": LambdaLR(optimizer, factors), "interval": "step"}}
