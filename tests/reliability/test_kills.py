"""Two kills a stage; ``make reliability`` has ten. One process forks them all: the imports are paid for once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

DRIVER = Path(__file__).with_name("kills.py")


@pytest.mark.timeout(1800)
def test_a_killed_stage_ends_as_if_nobody_had_killed_it(tmp_path: Path) -> None:
    """Weights, optimiser, schedules, callbacks, metrics.csv, and each value once in one W&B run."""
    command = [sys.executable, str(DRIVER), "--out", str(tmp_path), "--kills", "few"]
    # W&B's service of this process, where an earlier test started one, would not notice that a stage was killed.
    environment = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "results.json").read_text())
    assert [(row[0], row[4]) for row in rows] == [
        (stage, "yes") for stage in ("studio", "appearance", "pretraining", "adaptation") for _ in range(2)
    ]
    went_on = {row[3] for row in rows if row[0] != "studio"}
    assert went_on == {"step 3", "step 6"}, "killed in the write of step 6: from step 3; after it: from step 6"
