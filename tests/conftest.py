"""What every test starts from: one thread, no network, fixed seeds.

Two torch threads beside another process can be a hundred times slower than one, so the count is
set before torch is imported anywhere.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import random
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["WANDB_MODE"] = "offline"
os.environ["WANDB_SILENT"] = "true"

import numpy as np
import pytest
import torch

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True, warn_only=True)


@pytest.fixture(autouse=True)
def fixed_seeds() -> None:
    """Each test draws the same numbers whichever tests ran before it."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(scope="session", autouse=True)
def own_cache_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What is kept from start to start stays out of the user's folder, in child processes too."""
    os.environ["STEADYFACE_CACHE"] = str(tmp_path_factory.mktemp("cache"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out the tests marked gpu where there is no CUDA device."""
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture
def in_processes(tmp_path: Path) -> Callable[..., list[Any]]:
    """Calls a function of the rank in several connected processes (gloo); gives what each returned.

    They are forked from this one, which has everything imported. With ``raising`` it gives what each raised, as
    text; with ``killed`` processes that end without a word are but waited for.
    """
    import torch.distributed

    from launcher.distributed import Place, joined

    def process(work: Callable[[int], Any], rank: int, world: int, meeting: Path, results: Any) -> None:
        gc.freeze()  # what the parent left, a store and its thread among it, is not for a forked process to take down
        torch.set_num_threads(1)
        try:
            with joined(Place(rank, world, rank), "cpu", torch.distributed.FileStore(str(meeting), world)):
                found = work(rank)
        except BaseException as error:
            results.put((rank, f"{type(error).__name__}: {error}", traceback.format_exc()))
        else:
            results.put((rank, found, ""))

    def run(work: Callable[[int], Any], world: int = 2, raising: bool = False, killed: bool = False) -> list[Any]:
        context = multiprocessing.get_context("fork")
        results, meeting = context.Queue(), tmp_path / f"meeting{len(list(tmp_path.glob('meeting*')))}"
        common = (world, meeting, results)
        processes = [
            context.Process(target=process, args=(work, rank, *common), daemon=True) for rank in range(world)
        ]
        for one in processes:
            one.start()
        found = [] if killed else [results.get(timeout=3000) for _ in processes]
        for one in processes:
            one.join(timeout=3000)
            assert not one.is_alive(), "a process waits for one that is gone"
        assert raising or not any(trace for _, _, trace in found), "\n".join(trace for _, _, trace in found)
        return [value for _, value, _ in sorted(found, key=lambda item: item[0])]

    return run
