"""``python -m launcher.take_part``: the stages in a process that rank 0 started; see `launcher.local_ranks`."""

from __future__ import annotations

import sys

from launcher.distributed import Place, joined
from launcher.experiment import run_stages
from launcher.local_ranks import take_part, told_after_rank_0
from launcher.logs import quiet_console
from launcher.stopping import clean_stops
from steadyface.errors import InputError


def main() -> int:
    """Take part in every stage; the exit code: 0, or 2 after a fault in the input."""
    part, store = take_part()
    quiet_console()
    experiment, plan = part.work
    try:
        place = Place(part.rank, part.world, part.rank)
        with joined(place, experiment.trainer.accelerator, store), clean_stops(), told_after_rank_0():
            run_stages(experiment, plan)
    except InputError as fault:
        print(f"steadyface: process {part.rank}: {' '.join(str(fault).split())}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
