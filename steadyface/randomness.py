"""Every draw a function of seed, step and purpose, so that a resumed run draws what the whole one drew."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derive_seed(seed: int, *keys: int | str) -> int:
    """A 63-bit seed that depends on every key.

    >>> derive_seed(0, "augment", 5) == derive_seed(0, "augment", 5) != derive_seed(0, "augment", 6)
    True
    """
    digest = hashlib.sha256(repr((seed, *keys)).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


@contextmanager
def drawing(seed: int, *keys: int | str) -> Iterator[None]:
    """Inside, torch's global generators are seeded from the keys; outside they go on as if nothing was drawn."""
    with torch.random.fork_rng():
        torch.manual_seed(derive_seed(seed, *keys))
        yield
