"""A trial of a second or two that goes on where it was stopped: a line in steps.txt for each step, and no step twice.

starts.txt has a line for each start, with the step it went on from. Words: ``x=1 y=2``, and ``steps`` of 0.05 s each.
While there is a file ``hold`` in the folder of runs, a trial stays at its fifth step, for ten minutes at most.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def main(words: dict[str, str], folder: Path) -> None:
    steps = folder / "steps.txt"
    started = time.monotonic()
    done = len(steps.read_text(encoding="utf-8").splitlines()) if steps.exists() else 0
    with (folder / "starts.txt").open("a", encoding="utf-8") as stream:
        stream.write(f"{done}\n")
    for step in range(done, int(words["steps"])):
        time.sleep(0.05)
        while step == 5 and (folder.parent / "hold").exists() and time.monotonic() < 600 + started:
            time.sleep(0.05)
        with steps.open("a", encoding="utf-8") as stream:
            stream.write(f"{step}\n")
    part = folder / "summary.part"
    error = float(words["x"]) + float(words["y"])
    part.write_text(json.dumps({"held_out_clip": {"adapted": {"error": [error]}}}), encoding="utf-8")
    part.replace(folder / "summary.json")


if __name__ == "__main__":
    main(dict(word.split("=", 1) for word in sys.argv[1:]), Path(os.environ["STEADYFACE_TRIAL"]))
