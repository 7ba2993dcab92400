"""A real sweep, killed twice: twelve toy trials over one source network, three at a time, one of them made to fail.

    python tests/reliability/sweep.py --out kept/sweep

What is done already is not done again: start it a second time and it goes on. About twelve minutes on four idle cores
by estimate; the trials are processes that each load torch.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from launcher.sweep.parameters import grid_points, trial_name
from launcher.sweep.sweep_file import read_sweep

ROOT = Path(__file__).resolve().parents[2]
SWEEP = Path("experiments", "sweeps", "smoke.yaml")
KILLED_AFTER = (2, 6)  # finished trials
WORKERS = 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder of runs; kept")
    out = parser.parse_args().out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    spoil_one(out)
    for finished in KILLED_AFTER:
        kill_after(out, finished)
    subprocess.run(words(out), cwd=ROOT, check=False)
    faults = faults_of(out)
    print("\n".join(faults) or "11 finished once each, 1 failed and listed, none twice; one source network")
    return 1 if faults else 0


def words(out: Path) -> list[str]:
    return [sys.executable, "-m", "launcher.cli", "sweep", str(SWEEP), f"runs={out}", f"--workers={WORKERS}"]


def spoil_one(out: Path) -> None:
    """Let the fifth trial fail: where it is to write its list of stages there is a folder."""
    sweep = read_sweep(ROOT / SWEEP)
    point = list(grid_points(sweep.parameters))[4]
    (out / trial_name(sweep.name, point) / "stages.json").mkdir(parents=True, exist_ok=True)


def trials(out: Path) -> list[dict[str, Any]]:
    path = out / "smoke_sweep" / "sweep.json"
    return json.loads(path.read_text())["trials"] if path.is_file() else []  # type: ignore[no-any-return]


def kill_after(out: Path, finished: int) -> None:
    """Kill the sweep's process group once so many trials have finished; nothing where more have already."""
    if sum(trial["state"] == "finished" for trial in trials(out)) > finished:
        return
    process = subprocess.Popen(words(out), cwd=ROOT, start_new_session=True)
    while sum(trial["state"] == "finished" for trial in trials(out)) < finished and process.poll() is None:
        time.sleep(0.5)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    print(f"killed with {finished} finished", flush=True)


def faults_of(out: Path) -> list[str]:
    """What is not as it should be."""
    faults = []
    found = Counter(trial["state"] for trial in trials(out))
    if found != {"finished": 11, "failed": 1}:
        faults.append(f"states {dict(found)}")
    folders = [trial["folder"] for trial in trials(out)]
    if len(set(folders)) != 12 or len(list(out.glob("smoke_sweep-*"))) != 12:
        faults.append(f"{len(set(folders))} trials in {len(list(out.glob('smoke_sweep-*')))} folders")
    for kind in ("studio", "appearance", "pretraining"):
        finished = [
            path for path in out.glob(f"*/{kind}-*/run.json") if json.loads(path.read_text())["state"] == "finished"
        ]
        if len(finished) != 1:
            faults.append(f"{kind} was finished in {len(finished)} folders")
    return faults


if __name__ == "__main__":
    sys.exit(main())
