"""A sweep whose trials train in two processes each: real runs, a toy source network beneath them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from launcher.experiment import run_stages
from launcher.load import load_experiment
from launcher.metrics_file import read_metrics
from launcher.plan import make_plan
from launcher.runs import read_record

ROOT = Path(__file__).resolve().parents[2]
SMALLEST = (
    "studio.lab_frames=6", "studio.cameras=3", "studio.cameras_per_frame=2", "studio.lab_image_height=64",
    "studio.lab_image_width=48", "lab.held_out_cameras=['400002']", "studio.adapt_frames=5",
    "studio.held_out_frames=0", "evaluation.held_out_clip=", "variants={}", "wandb.mode=disabled",
    "appearance.steps=1", "pretraining.steps=1", "adaptation.steps=2", "adaptation.lab_batch=2",
)  # fmt: skip
METRIC = "val/acceleration_px_s2"

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def sweep(tmp_path: Path) -> list[str]:
    """The command of a sweep over a source network that is there already, trained in one process."""
    smoke = ROOT / "experiments" / "smoke.yaml"
    with contextlib.chdir(tmp_path):
        experiment = load_experiment(smoke, [*SMALLEST, "adapt=false", "name=before"])
        source = run_stages(experiment, make_plan(experiment)).source
    content = {
        "name": "two", "method": "grid", "metric": {"name": METRIC, "goal": "minimize"},
        "parameters": {"adaptation.learning_rate": {"values": [1e-4, 1e-2]}},
        "command": ["steadyface", "run", str(smoke), *SMALLEST, f"source={source}", "trainer.devices=2",
                    "${args_no_hyphens}"],
    }  # fmt: skip
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(content))
    return [sys.executable, "-m", "launcher.cli", "sweep", "sweep.yaml", "--workers=2"]


def test_each_trial_of_a_sweep_trains_in_two_processes(sweep: list[str], tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (tmp_path / "sweep.txt").open("w") as said:
        process = subprocess.Popen(sweep, cwd=tmp_path, env=environment, stdout=said, stderr=said)
    seen: dict[int, int] = {}
    while process.poll() is None:
        seen |= second_processes(process.pid)
        time.sleep(0.05)
    said_ = (tmp_path / "sweep.txt").read_text()
    assert process.returncode == 0, said_ + "".join(log.read_text() for log in tmp_path.glob("runs/two-*/trial.log"))
    assert len(seen) == len(set(seen.values())) == 2, "one more process for each of the two trials"
    assert not any(Path(f"/proc/{pid}").exists() for pid in seen), "a process was left behind"
    trials = json.loads((tmp_path / "runs" / "two" / "sweep.json").read_text())["trials"]
    assert [trial["state"] for trial in trials] == ["finished"] * 2
    assert trials[0]["value"] != trials[1]["value"] and all(trial["value"] > 0 for trial in trials)
    for trial in trials:
        (folder,) = (tmp_path / "runs" / trial["folder"]).glob("adaptation-*")
        record = read_record(folder)
        assert record is not None and record.state == "finished" and record.settings["devices"] == 2
        rows = read_metrics(folder / "metrics.csv")
        assert [step for step, name, _ in rows if name == "train/motc"] == [0, 1]
        assert [value for _, name, value in rows if name == METRIC][-1] == trial["value"]


def second_processes(sweep: int) -> dict[int, int]:
    """The processes that the trials of a sweep started to train with them, each with the trial's process."""
    found = {}
    for trial in children(sweep):
        for pid in children(trial):
            with contextlib.suppress(OSError):
                if b"launcher.take_part" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found[pid] = trial
    return found


def children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []
