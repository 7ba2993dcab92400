"""The other processes of this machine: started by the one that a user started, watched, and ended with it.

They get rank 0's resolved experiment, and none reads its file again. All are of one process group of the system's, so
what stops a job stops each of them; where one is killed alone, the others end too: none is left behind, none waits.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch.distributed as dist

HOST = "127.0.0.1"
PAUSE_S = 3.0  # that another rank's fault waits for rank 0's own, which is mostly the same and is told once
NOTICE_S, GIVE_UP_S = 30.0, 120.0  # after which rank 0 is stopped where no error tells it that another is gone


class Part(NamedTuple):
    """What another rank is told: its rank among ``world``, the port of rank 0's store, and the work."""

    rank: int
    world: int
    port: int
    work: Any


class OtherRanks:
    """The processes that rank 0 started, one a rank above 0.

    Args:
        world: all processes, this one among them.
        port: of rank 0's store.
        work: what each is to take part in; anything that can be pickled.
    """

    def __init__(self, world: int, port: int, work: Any) -> None:
        self.processes = {rank: _start(Part(rank, world, port, work)) for rank in range(1, world)}
        self.over = threading.Event()
        for rank, process in self.processes.items():
            threading.Thread(target=self._watch, args=(rank, process), daemon=True).start()

    def lost(self) -> dict[int, int]:
        """The ranks that ended before the work did, with their exit codes; looked for during a second."""
        deadline = time.monotonic() + 1.0
        while not (found := self._ended()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return found

    def end(self) -> None:
        """Stop them all."""
        self.over.set()
        for process in self.processes.values():
            process.kill()
            process.wait()

    def _ended(self) -> dict[int, int]:
        codes = {rank: process.poll() for rank, process in self.processes.items()}
        return {rank: code for rank, code in codes.items() if code is not None}

    def _watch(self, rank: int, process: subprocess.Popen[bytes]) -> None:
        """Where rank 0 does not notice, as its connections break, that another is gone: end it."""
        code = process.wait()
        if self.over.is_set() or self.over.wait(NOTICE_S):
            return
        print(f"steadyface: {_ending(rank, code)}: stopping", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGTERM)
        if not self.over.wait(GIVE_UP_S):
            os.kill(os.getpid(), signal.SIGKILL)


_started: list[OtherRanks] = []


@contextmanager
def other_ranks(world: int, work: Any) -> Iterator[dist.Store]:
    """Start the ranks above 0 of this machine over a block; gives the store where they meet rank 0.

    Raises:
        RuntimeError: in place of the error of a connection to a rank that ended too early.
    """
    store = dist.TCPStore(HOST, 0, is_master=True, wait_for_workers=False)
    others = OtherRanks(world, store.port, work)
    _started.append(others)
    try:
        yield store
        others.over.set()
    except Exception as error:
        lost = others.lost() if isinstance(error, RuntimeError) else {}
        if lost:
            raise RuntimeError("; ".join(_ending(*item) for item in lost.items())) from error
        raise
    finally:
        _started.remove(others)
        if not others.over.is_set():
            others.end()


def killed_ranks() -> bool:
    """Whether a rank that this process started was killed: what then fails here was stopped, and can go on."""
    return any(code < 0 or code > 128 for others in _started for code in others.lost().values())


def take_part() -> tuple[Part, dist.Store]:
    """In another rank: what it is to do, from standard input, and where it meets rank 0."""
    part: Part = pickle.load(sys.stdin.buffer)
    return part, dist.TCPStore(HOST, part.port, is_master=False, wait_for_workers=False)


@contextmanager
def told_after_rank_0() -> Iterator[None]:
    """In another rank: let rank 0 tell a fault that both have; it then ends this process."""
    try:
        yield
    except Exception:
        time.sleep(PAUSE_S)
        raise


def _start(part: Part) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "launcher.take_part", str(os.getpid())]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert process.stdin is not None
    with process.stdin as stream:
        pickle.dump(part, stream)
    return process


def _ending(rank: int, code: int) -> str:
    return f"process {rank} was killed by signal {-code}" if code < 0 else f"process {rank} ended with exit code {code}"
