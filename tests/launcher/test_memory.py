"""Freed memory is kept where the C library is glibc, and nothing breaks where it is not."""

from __future__ import annotations

import sys

import pytest
import torch

from launcher.memory import keep_freed_memory


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone has these switches")
def test_it_takes_effect_and_tensors_still_come_and_go() -> None:
    assert keep_freed_memory() and keep_freed_memory()
    assert float(sum(torch.ones(1_000_000).sum() for _ in range(3))) == 3_000_000


def test_elsewhere_it_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()
