"""The W&B run of a stage, read back: what it is called, what is in it, and that it stays in its folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from launcher.checkpoint_io import saved_step
from launcher.runs import LAST_CHECKPOINT, RunRecord
from launcher.settings import WandbSettings
from launcher.wandb_artifacts import checkpoint_artifact, input_artifacts
from launcher.wandb_runs import group_of, start_run, summary_of, tags_of

BIN = Path(sys.executable).parent
STAGE = Path(__file__).with_name("tiny_wandb_stage.py")
OUTSIDE = {"HOME": "home", "TMPDIR": "tmp", "XDG_CACHE_HOME": "cache", "XDG_CONFIG_HOME": "config"}

pytestmark = pytest.mark.timeout(900)


class Trained:
    """What a process of its own left behind that trained the tiny stage."""

    def __init__(self, base: Path, mode: str) -> None:
        self.base, self.folder = base, base / "runs" / "demo" / "adaptation-1"
        outside = {name: str(base / place) for name, place in OUTSIDE.items()}
        for place in (*outside.values(), base / "cwd"):
            Path(place).mkdir()
        words = [sys.executable, str(STAGE), str(self.folder), mode]
        environment = {"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1", **outside}
        self.done = subprocess.run(
            words, cwd=base / "cwd", env=environment, capture_output=True, text=True, timeout=600
        )

    @property
    def parts(self) -> list[Path]:
        return sorted((self.folder / "wandb").glob("offline-run-*-abcd1234*/*.wandb"))


@cache
def inspect(log: Path, *words: str) -> str:
    command = [str(BIN / "wandb"), "leet", "inspect", "--json", *words, str(log)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=600).stdout


def summary(log: Path) -> dict[str, Any]:
    return json.loads(inspect(log, "--summary"))


def records(log: Path, kind: str) -> list[dict[str, Any]]:
    found = map(json.loads, inspect(log).splitlines())
    return [record[kind] for record in found if record["type"] == kind]


@pytest.fixture(scope="module")
def resumed(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Stopped after the fifth of six steps, and gone on with from the fourth."""
    trained = Trained(tmp_path_factory.mktemp("resumed"), "resumed")
    assert trained.done.returncode == 0, trained.done.stderr[-2000:]
    return trained


def test_both_parts_are_one_run_that_says_what_it_is(resumed: Trained) -> None:
    assert len(resumed.parts) == 2
    for part in resumed.parts:
        (run,) = records(part, "run")
        assert (run["run_id"], run["run_group"], run["job_type"]) == ("abcd1234", "demo", "adaptation")
        assert run["display_name"] == "adapted, seed 0" and run["project"] == "steadyface"
        assert run["tags"] == ["subject:studio identity 3", "data:lab", "data:adapt", "code:c0de"]
    known = summary(resumed.parts[0])["config"]
    assert known == {"steps": 6, "inputs": {"source": "5a5a"}, "stage": "demo/adaptation-1", "code": "c0de"}


def test_the_step_is_the_axis_and_goes_on_in_the_second_part(resumed: Trained) -> None:
    losses, rows = [], []
    for part in resumed.parts:
        items = [record["item"] for record in records(part, "history")]
        losses += [item["trainer/global_step"] for item in items if "train/loss" in item]
        rows += [item["_step"] for item in items]
        defined = {d.get("name") or d["glob_name"]: d for d in records(part, "metric")}
        for name in ("train/*", "val/*", "media/*", "train/loss"):
            assert defined[name]["step_metric"] == "trainer/global_step"
    assert losses == [0, 1, 2, 3, 4, 5]
    assert rows == sorted(set(rows)), "the server orders the rows of a run by these numbers"


def test_the_summary_has_least_and_last_over_both_parts(resumed: Trained) -> None:
    first, second = (summary(part) for part in resumed.parts)
    assert first["state"] == "failed" and second["state"] == "finished"
    loss = second["summary"]["train/loss"]
    assert loss["last"] == loss["min"] < first["summary"]["train/loss"]["min"]
    assert set(second["summary"]["val/vertex_error_lips_mm"]) == {"min", "last"}
    assert set(first["summary"]["val/vertex_error_lips_mm"]) == {"min", "last"}


def test_every_validation_has_its_video_and_its_heat_map(resumed: Trained) -> None:
    found = []
    for part in resumed.parts:
        for item in (record["item"] for record in records(part, "history")):
            for name in ("media/tracking", "media/vertex_error"):
                if f"{name}.path" in item:
                    assert (part.parent / "files" / item[f"{name}.path"]).is_file()
                    found.append((name, item["trainer/global_step"]))
    assert sorted(found) == [(name, step) for name in ("media/tracking", "media/vertex_error") for step in (1, 3, 5)]


def test_nothing_is_written_outside_the_runs_folder(resumed: Trained) -> None:
    left = [path for place in (*OUTSIDE.values(), "cwd") for path in (resumed.base / place).rglob("*")]
    known = ("matplotlib", "torchinductor")  # caches of other libraries
    strange = [path for path in left if not any(name in str(path) for name in known)]
    assert strange == []
    assert (resumed.folder / "wandb" / "cache").is_dir()


def test_a_terminated_run_is_finished_and_says_that_it_failed(tmp_path: Path) -> None:
    trained = Trained(tmp_path, "terminated")
    assert trained.done.returncode == 128 + 15
    (part,) = trained.parts
    found = summary(part)
    assert found["state"] == "failed" and found["exit_code"] == 1
    assert found["summary"]["trainer/global_step"] == 4


def test_a_job_whose_every_process_is_terminated_stops_at_its_checkpoint(tmp_path: Path) -> None:
    """W&B's own process is gone when the stage hands it its rows: no fault of the stage."""
    trained = Trained(tmp_path, "terminated with its children")
    assert trained.done.returncode == 128 + 15 and "Traceback" not in trained.done.stderr, trained.done.stderr
    assert saved_step(str(trained.folder / LAST_CHECKPOINT)) == 5


def test_least_and_last_pass_over_what_is_no_number(tmp_path: Path) -> None:
    lines = ["step,metric,value", "0,val/a,3.0", "1,val/a,1.0", "2,val/a,nan", "3,val/a,2.0", "3,train/geometry,1.0"]
    (tmp_path / "metrics.csv").write_text("\n".join(lines))
    assert summary_of(tmp_path / "metrics.csv") == {"val/a": {"min": 1.0, "last": 2.0}}
    assert summary_of(tmp_path / "none.csv") == {}


def test_the_group_is_set_or_the_sweep_or_the_experiment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert group_of("demo", WandbSettings()) == "demo"
    monkeypatch.setenv("STEADYFACE_SWEEP", "grid")
    assert group_of("demo", WandbSettings()) == "grid"
    assert group_of("demo", WandbSettings(group="mine")) == "mine"


def test_tags_fit_wandb() -> None:
    found = tags_of({"lab": {"folder": "x" * 200}}, "pretraining", "c")
    assert all(1 <= len(tag) <= 64 for tag in found) and len(set(found)) == len(found)


def adaptation() -> RunRecord:
    return RunRecord(
        "demo/adaptation-99", "adaptation", "adapted, seed 0", "finished", "w", "c0de", {"adaptation": {"steps": 3}},
        {"lab": "x", "source": "77"},
    )  # fmt: skip


def test_a_checkpoint_is_an_artifact_that_names_its_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").write_bytes(b"weights")
    artifact = checkpoint_artifact(adaptation(), tmp_path)
    assert (artifact.name, artifact.type) == ("adaptation-99", "adapted")
    assert artifact.metadata["inputs"] == {"lab": "x", "source": "77"} and artifact.metadata["code"] == "c0de"
    (entry,) = artifact.manifest.entries.values()
    assert entry.path == "last.ckpt" and entry.size == 7
    assert entry.local_path == str(tmp_path / "checkpoints" / "last.ckpt"), "sent from where it is, not copied"
    assert input_artifacts(adaptation()) == ["pretraining-77:latest"]


def test_a_stage_stays_out_of_the_trial_that_an_agent_started(tmp_path: Path) -> None:
    """In a process of its own: W&B reads the environment once."""
    script = f"""
import os
os.environ.update(WANDB_RUN_ID="trial1", WANDB_SWEEP_ID="sweep1", WANDB_SWEEP_PARAM_PATH={str(tmp_path / "p.yaml")!r})
open(os.environ["WANDB_SWEEP_PARAM_PATH"], "w").write("wandb_version: 1\\nadaptation.steps: {{value: 7}}\\n")
from pathlib import Path
from launcher.settings import WandbSettings
from launcher.wandb_runs import start_run
for name, agents in (("stage", False), ("scores", True)):
    folder = Path({str(tmp_path)!r}, name)
    folder.mkdir()
    start_run(folder, WandbSettings(), run_id="own1", group="g", job_type=name, name=name, tags=[], config={{"a": 1}},
              agents=agents).finish()
"""
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(STAGE.parents[2])}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, timeout=600, cwd=tmp_path)
    (stage,) = tmp_path.glob("stage/wandb/offline-run-*/*.wandb")
    (scores,) = tmp_path.glob("scores/wandb/offline-run-*/*.wandb")
    (run,) = records(stage, "run")
    assert run["run_id"] == "own1" and not run.get("sweep_id")
    (run,) = records(scores, "run")
    assert (run["run_id"], run["sweep_id"]) == ("trial1", "sweep1")
    assert summary(scores)["config"] == {"a": 1, "adaptation.steps": 7}


def test_disabled_runs_leave_nothing(tmp_path: Path) -> None:
    run = start_run(
        tmp_path, WandbSettings(mode="disabled"), run_id="x", group="g", job_type="j", name="n", tags=[], config={}
    )
    run.log({"a": 1})
    run.finish()
    assert list(tmp_path.iterdir()) == []
