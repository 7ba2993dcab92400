"""The processes that rank 0 starts: none is waited for in vain, none is left behind."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from launcher import local_ranks
from launcher.local_ranks import killed_ranks, other_ranks


def children() -> list[int]:
    own = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    return [int(pid) for pid in own.read_text().split()]


def started() -> local_ranks.OtherRanks:
    return local_ranks._started[-1]


def test_a_killed_rank_is_named_and_the_others_end():
    before = children()
    with pytest.raises(RuntimeError, match="process 2 was killed by signal 9") as raised, other_ranks(3, None):
        assert not started()._ended()
        started().processes[2].kill()
        try:
            raise RuntimeError("connection closed by peer")
        finally:
            assert killed_ranks()  # so that the stage is said to be interrupted and not to have failed
    assert "connection closed" in str(raised.value.__cause__)
    assert children() == before and not killed_ranks()


def test_an_error_of_rank_0_ends_the_others_and_stays_its_own():
    before = children()
    with pytest.raises(ValueError, match="mine"), other_ranks(2, None):
        raise ValueError("mine")
    assert children() == before


def _rank_0(said) -> None:
    with other_ranks(2, None):
        said.send(started().processes[1].pid)
        time.sleep(600)


def test_the_others_end_with_rank_0_even_when_it_is_killed():
    here, there = multiprocessing.Pipe()
    rank_0 = multiprocessing.get_context("fork").Process(target=_rank_0, args=(there,), daemon=True)
    rank_0.start()
    other = Path(f"/proc/{here.recv()}")
    _until(lambda: "libtorch" in (other / "maps").read_text(), "the other rank did not begin")
    rank_0.kill()
    rank_0.join()
    _until(lambda: not _runs(other), "the other rank was left behind")


def _until(true: Callable[[], bool], otherwise: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)


def _runs(process: Path) -> bool:
    try:
        return (process / "stat").read_text().split(") ")[1][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
