"""Where bfloat16 may be used: in the convolutions, never in geometry.

Eight bits of mantissa are half a pixel at a place of 128, so automatic mixed precision over a whole
training step would ruin poses and projections. Here only what is marked with ``@in_network_precision``
changes its precision, and hands on single precision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor, nn

PRECISIONS = ("32-true", "bf16-mixed")

Inputs = ParamSpec("Inputs")
Output = TypeVar("Output")
_PRECISION: ContextVar[str] = ContextVar("network_precision", default=PRECISIONS[0])


@contextmanager
def network_precision(precision: str) -> Iterator[None]:
    """The precision of the marked parts of all networks while it is open: one of ``PRECISIONS``."""
    if precision not in PRECISIONS:
        raise ValueError(f"expected one of {', '.join(PRECISIONS)}, got {precision}")
    token = _PRECISION.set(precision)
    try:
        yield
    finally:
        _PRECISION.reset(token)


def in_network_precision(forward: Callable[Inputs, Output]) -> Callable[Inputs, Output]:
    """Run a network's part in the precision that is open; tensors it returns, in tuples too, are single."""

    @wraps(forward)
    def run(*inputs: Inputs.args, **options: Inputs.kwargs) -> Output:
        if _PRECISION.get() == PRECISIONS[0]:
            return forward(*inputs, **options)
        with torch.autocast(_device_of(inputs), torch.bfloat16):
            return _single(forward(*inputs, **options))

    return run


@in_network_precision
def convolve(layers: nn.Module, features: Tensor) -> Tensor:
    """Layers' answer to features, in the precision that is open."""
    return layers(features)


def in_single_precision(function: Callable[Inputs, Output]) -> Callable[Inputs, Output]:
    """Run a part of a part in single precision, whatever is open: where places in a picture come from."""

    @wraps(function)
    def run(*inputs: Inputs.args, **options: Inputs.kwargs) -> Output:
        if _PRECISION.get() == PRECISIONS[0]:
            return function(*inputs, **options)
        with torch.autocast(_device_of(inputs), enabled=False):
            return function(*(_single(part) for part in inputs), **options)

    return run


def _device_of(inputs: tuple[Any, ...]) -> str:
    return next(part.device.type for part in inputs if isinstance(part, Tensor))


def _single(value: Any) -> Any:
    """A tensor of half precision, alone or in (named) tuples, as float32; anything else as it is."""
    if isinstance(value, Tensor):
        return value.float() if value.dtype == torch.bfloat16 else value
    if isinstance(value, tuple):
        parts = [_single(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value
