"""``python -m launcher.take_part PID``: the stages in a process that rank 0, PID, started: `launcher.local_ranks`."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux


def main() -> int:
    """Take part in every stage; the exit code: 0, or 2 after a fault in the input."""
    end_with(int(sys.argv[1]))  # before the imports, which take seconds
    from launcher.distributed import Place, joined
    from launcher.experiment import run_stages
    from launcher.local_ranks import take_part, told_after_rank_0
    from launcher.logs import quiet_console
    from launcher.stopping import clean_stops
    from steadyface.errors import InputError

    part, store = take_part()
    quiet_console()
    experiment, plan = part.work
    place = Place(part.rank, part.world, part.rank)
    try:
        with clean_stops(), joined(place, experiment.trainer.accelerator, store), told_after_rank_0():
            run_stages(experiment, plan)
    except InputError as fault:
        print(f"steadyface: process {part.rank}: {' '.join(str(fault).split())}", file=sys.stderr)
        return 2
    return 0


def end_with(parent: int) -> None:
    """Have the system end this process with its parent, however that ends: an orphan would wait for it for ever."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


if __name__ == "__main__":
    sys.exit(main())
