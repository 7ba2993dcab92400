"""The processes that rank 0 starts: none is waited for in vain, none is left behind."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from launcher import local_ranks
from launcher.local_ranks import killed_ranks, other_ranks
from launcher.settings import TrainerSettings


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
    with other_ranks(2, (SimpleNamespace(trainer=TrainerSettings()), None)) as store:
        said.send(started().processes[1].pid)
        while store.num_keys() < 2:  # the other has come to the meeting, and waits there for this one
            time.sleep(0.05)
        said.send("there")
        time.sleep(600)


def test_the_others_end_with_rank_0_even_when_it_is_killed():
    here, there = multiprocessing.Pipe()
    rank_0 = multiprocessing.get_context("fork").Process(target=_rank_0, args=(there,))
    rank_0.start()
    other = here.recv()
    assert here.poll(timeout=200) and here.recv() == "there"
    assert Path(f"/proc/{other}").exists()
    rank_0.kill()
    rank_0.join()
    deadline = time.monotonic() + 30
    while _runs(other):
        assert time.monotonic() < deadline, "the other rank was left behind"
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] not in "ZX"
    except FileNotFoundError:
        return False
