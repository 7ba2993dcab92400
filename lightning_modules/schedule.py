"""A warm-up and a half cosine to zero, over a known number of steps."""

from __future__ import annotations

import math
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
