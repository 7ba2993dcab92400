"""Runs a stage in its folder exactly once, whatever was killed before, on one process or several.

Under DDP every rank walks the same path: rank 0 alone decides and writes the record, the others
wait for it at the barriers and read what it decided.
"""

from __future__ import annotations

import fcntl
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch.distributed
from pytorch_lightning.utilities import rank_zero_only

from launcher.runs import (
    LAST_CHECKPOINT,
    RunRecord,
    Stage,
    StageResult,
    code_version,
    find_finished,
    read_record,
    write_atomically,
    write_record,
)
from steadyface.errors import InputError

Work = Callable[[Path, RunRecord], None]


def rank() -> int:
    """This process's number among those that train together, 0 when alone."""
    return int(getattr(rank_zero_only, "rank", 0))


def is_main_process() -> bool:
    """True in the one process that writes records and results (rank 0)."""
    return rank() == 0


def say(line: str) -> None:
    """A line for the console, once whatever the number of processes."""
    if is_main_process():
        print(line, flush=True)


def wait_for_all_ranks() -> None:
    """A barrier once the processes are connected; nothing before that or on one process."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()


def disconnect() -> None:
    """Leave the group once all ranks are done: what one process does alone is then the whole of it."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def execute(stage: Stage, runs: Path, experiment_name: str, resolved_yaml: str, work: Work) -> StageResult:
    """Run a stage in its folder, or take it from the folder where it was finished.

    Args:
        stage: what to run.
        runs: the folder of all runs; experiment_name: the folder in it that a new run goes to.
        resolved_yaml: the whole resolved experiment, written beside the record.
        work: gets the folder and the record; ``record.resumed_from`` names the checkpoint to go on from.
    """
    finished = find_finished(runs, stage)
    folder = runs / experiment_name / stage.folder_name
    if finished is None and not is_main_process():
        return _take_part(stage, folder, work)
    if finished is None:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            finished = find_finished(runs, stage)
            if finished is None:
                return _lead(stage, folder, resolved_yaml, work)
    record = read_record(finished)
    seconds = record.seconds if record else 0.0
    say(f"{stage.label}: taken from {finished} (made in {seconds:.0f} s)")
    return StageResult(finished, stage.label, seconds, reused=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a run folder alone; a second process waits. The system drops the lock of a killed process."""
    with (folder / "run.lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting: another process works in {folder}")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def begin(stage: Stage, folder: Path) -> RunRecord:
    """Write ``running`` into the folder's record; keeps the ids and the time of an earlier attempt."""
    earlier = read_record(folder)
    checkpoint = folder / LAST_CHECKPOINT
    record = RunRecord(
        id=f"{folder.parent.name}/{folder.name}",
        kind=stage.kind,
        label=stage.label,
        state="running",
        wandb_id=earlier.wandb_id if earlier else secrets.token_hex(4),
        code_version=code_version(),
        settings=stage.settings,
        inputs=stage.inputs,
        seconds=earlier.seconds if earlier else 0.0,
        resumed_from=str(checkpoint.resolve()) if earlier and checkpoint.is_file() else "",
    )
    write_record(folder, record)
    return record


def discard(folder: Path) -> None:
    """Remove a stage's folder, and the folders above it up to that of all runs where nothing else is in them."""
    shutil.rmtree(folder)
    for parent in (folder.parent, folder.parent.parent):
        if any(parent.iterdir()):
            return
        parent.rmdir()


def _lead(stage: Stage, folder: Path, resolved_yaml: str, work: Work) -> StageResult:
    """Rank 0: do the work; the record says running before it, and what became of it after.

    What a fault in the input stopped at its first attempt holds nothing of use: it is taken away again.
    """
    first = read_record(folder) is None
    record = begin(stage, folder)
    write_atomically(folder / "experiment.yaml", resolved_yaml)
    wait_for_all_ranks()
    say(f"{stage.label}: {'resumed' if record.resumed_from else 'started'} in {folder}")
    started, earlier_seconds = time.monotonic(), record.seconds
    try:
        work(folder, record)
        record.state = "finished"
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt | SystemExit)
        record.state = "interrupted" if stopped else "failed"
        record.error = f"{type(error).__name__}: {error}".splitlines()[0]
        raise
    finally:
        record.seconds = earlier_seconds + time.monotonic() - started
        write_record(folder, record)
        if first and isinstance(sys.exception(), InputError) and not (folder / LAST_CHECKPOINT).exists():
            discard(folder)
    wait_for_all_ranks()
    return StageResult(folder, stage.label, record.seconds, reused=False)


def _take_part(stage: Stage, folder: Path, work: Work) -> StageResult:
    """The other ranks: the same work under the record that rank 0 wrote."""
    wait_for_all_ranks()
    record = read_record(folder)
    if record is None:
        raise RuntimeError(f"{folder}: rank {rank()} found no record of the run it takes part in")
    work(folder, record)
    wait_for_all_ranks()
    return StageResult(folder, stage.label, record.seconds, reused=False)
