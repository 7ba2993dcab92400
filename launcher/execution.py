"""Runs a stage in its folder exactly once, whatever was killed before, on one process or several.

Under DDP every rank walks the same path: rank 0 alone decides and writes the record, the others
wait for it at the barriers and read what it decided.
"""

from __future__ import annotations

import secrets
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from pytorch_lightning.utilities import rank_zero_only

from launcher.distributed import share, wait_for_all_ranks
from launcher.local_ranks import killed_ranks
from launcher.locks import lock_path, read_holder, released_at_end, try_lock, write_holder
from launcher.runs import (
    EXPERIMENT,
    LAST_CHECKPOINT,
    RunRecord,
    Stage,
    StageResult,
    code_version,
    find_finished,
    find_unfinished,
    read_record,
    write_atomically,
    write_record,
)
from launcher.stopping import clean_stops
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


def execute(
    stage: Stage, runs: Path, experiment_name: str, resolved_yaml: str, work: Work, alone: bool = False
) -> StageResult:
    """Run a stage in its folder, or take it from the folder where it was finished.

    Only one process at a time works on a stage under ``runs``, whatever experiment asks for it: another waits, and
    takes the result. What another experiment began and was stopped at is gone on with in that experiment's folder.

    Args:
        stage: what to run.
        runs: the folder of all runs; experiment_name: the folder in it that a new run goes to.
        resolved_yaml: the whole resolved experiment, written beside the record.
        work: gets the folder and the record; ``record.resumed_from`` names the checkpoint to go on from.
        alone: rank 0 does the work while the others wait; else they take part in it.
    """
    with clean_stops():
        if not is_main_process():
            return _follow(stage, None if alone else work)
        return _take_or_lead(stage, runs, experiment_name, resolved_yaml, work)


def _take_or_lead(stage: Stage, runs: Path, experiment_name: str, resolved_yaml: str, work: Work) -> StageResult:
    """Rank 0 of `execute`."""
    finished = find_finished(runs, stage)
    if finished is not None:
        return _take(stage, finished)
    path = lock_path(runs, stage.folder_name)
    with released_at_end(_wait_for(stage, path), path) as lock:
        finished = find_finished(runs, stage)
        if finished is not None:
            return _take(stage, finished)
        folder = find_unfinished(runs, stage) or runs / experiment_name / stage.folder_name
        folder.mkdir(parents=True, exist_ok=True)
        write_holder(lock, str(folder.relative_to(runs)))
        own = folder.parent.name == experiment_name
        return _lead(stage, folder, resolved_yaml if own else None, work)


def _wait_for(stage: Stage, path: Path) -> IO[str]:
    """Rank 0: the stage's lock, once no other process holds it."""
    said = False
    while (lock := try_lock(path)) is None:
        if not said:
            holder = read_holder(path)
            say(f"{stage.label}: waiting, another process works on it" + (f" in {holder.folder}" if holder else ""))
            said = True
        time.sleep(0.5)
    return lock


def _take(stage: Stage, finished: Path) -> StageResult:
    """Rank 0: the result of an earlier run, as it is."""
    share(str(finished))
    record = read_record(finished)
    seconds = record.seconds if record else 0.0
    say(f"{stage.label}: taken from {finished} (made in {seconds:.0f} s)")
    return StageResult(finished, stage.label, seconds, reused=True)


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
    """Remove a stage's folder, and the experiment's above it where nothing else is in it."""
    shutil.rmtree(folder)
    if not any(folder.parent.iterdir()):
        folder.parent.rmdir()


def _lead(stage: Stage, folder: Path, resolved_yaml: str | None, work: Work) -> StageResult:
    """Rank 0: do the work; the record says running before it, and what became of it after.

    What a fault in the input stopped at its first attempt holds nothing of use: it is taken away again.
    """
    first = read_record(folder) is None
    record = begin(stage, folder)
    if resolved_yaml is not None:  # what goes on in another experiment's folder stays that experiment's
        write_atomically(folder / EXPERIMENT, resolved_yaml)
    share(str(folder))
    say(f"{stage.label}: {'resumed' if record.resumed_from else 'started'} in {folder}")
    started, earlier_seconds = time.monotonic(), record.seconds
    try:
        work(folder, record)
        record.state = "finished"
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt | SystemExit) or killed_ranks()
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


def _follow(stage: Stage, work: Work | None) -> StageResult:
    """The other ranks: what rank 0 decided, and the same work, if any, under the record that it wrote."""
    folder = Path(share(""))
    record = read_record(folder)
    if record is None:
        raise RuntimeError(f"{folder}: rank {rank()} found no record of the run it takes part in")
    if record.state == "finished":
        return StageResult(folder, stage.label, record.seconds, reused=True)
    if work is not None:
        work(folder, record)
    wait_for_all_ranks()
    return StageResult(folder, stage.label, record.seconds, reused=False)
