"""The W&B run of an experiment's scores, read back: figures, graphs, tables, media; and what a second time adds."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from launcher.evaluation_media import find_worst
from launcher.wandb_evaluation import RECORD, log_evaluation
from steadyface.capture.video import probe, read_frames

FRAMES = 9
RUNS = Path(__file__).with_name("figures") / "conftest.py"

pytestmark = pytest.mark.timeout(900)


@cache
def records(log: Path) -> list[dict[str, Any]]:
    command = [str(Path(sys.executable).with_name("wandb")), "leet", "inspect", "--json", str(log)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600).stdout
    return [json.loads(line) for line in shown.splitlines()]


def make_run(folder: Path, **options: Any) -> Path:
    spec = importlib.util.spec_from_file_location("finished_runs", RUNS)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module._make_run(folder, **options)


class Evaluated:
    """An experiment's folder, and the history of each part of its W&B run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def parts(self) -> list[Path]:
        return sorted((self.folder / "wandb").glob("offline-run-*/*.wandb"))

    def of(self, part: int, kind: str) -> list[dict[str, Any]]:
        return [record[kind] for record in records(self.parts[part]) if record["type"] == kind]

    def history(self, part: int = 0) -> list[dict[str, Any]]:
        return [record["item"] for record in self.of(part, "history")]

    def table(self, name: str) -> dict[str, Any]:
        (path,) = self.parts[0].parent.glob(f"files/media/table/tables/{name}_*.table.json")
        return json.loads(path.read_text())


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_ARTIFACT_DIR"):
            patch.setenv(name, "")
        folder = make_run(tmp_path_factory.mktemp("runs") / "subject_0")
        log_evaluation(folder)
    return Evaluated(folder)


def test_the_run_is_the_experiments_and_keeps_its_id(evaluated: Evaluated) -> None:
    (run,) = evaluated.of(0, "run")
    record = json.loads((evaluated.folder / RECORD).read_text())
    assert (run["run_id"], run["run_group"], run["job_type"]) == (record["wandb_id"], "subject_0", "evaluation")
    assert "subject:capture lab" in run["tags"] and "data:clip" in run["tags"]


def test_every_figure_is_there_as_the_mean_over_the_seeds(evaluated: Evaluated) -> None:
    scored = json.loads((evaluated.folder / "summary.json").read_text())["adapted_clip"]
    first = evaluated.history()[0]
    for row in ("source", "source_smoothed", "adapted"):
        values = scored[row]["reprojection_error_px"]
        assert first[f"adapted_clip/{row}/reprojection_error_px"] == pytest.approx(sum(values) / 2)
    assert "adapted_clip/adapted/vertex_error_lips_mm" in first


def test_the_stability_graph_has_a_row_a_frame_over_the_clips_time(evaluated: Evaluated) -> None:
    frames = [row for row in evaluated.history() if "stability/adapted_clip/source" in row]
    assert len(frames) == FRAMES - 2  # a second difference has no value at the ends
    assert [row["time_s/adapted_clip"] for row in frames] == pytest.approx([(i + 1) / 30 for i in range(FRAMES - 2)])
    for row in frames:
        assert row["stability/adapted_clip/adapted"] < row["stability/adapted_clip/source"]
    defined = {metric.get("glob_name"): metric for metric in evaluated.of(0, "metric")}
    assert defined["stability/adapted_clip/*"]["step_metric"] == "time_s/adapted_clip"


def test_the_tables_have_every_seed_every_second_and_the_worst_with_media(evaluated: Evaluated) -> None:
    results = evaluated.table("results")
    assert [line[:3] for line in results["data"]] == [
        ["adapted_clip", row, seed] for row in ("source", "source_smoothed", "adapted") for seed in (0, 1)
    ]
    segments = evaluated.table("segments")
    assert {"reprojection_error_px", "vertex_error_lips_mm"} <= set(segments["columns"])
    assert [line[1] for line in segments["data"]] == ["source", "source_smoothed", "adapted"]  # one short second
    worst = evaluated.table("worst_segments")
    assert worst["columns"] == [
        "clip", "start_s", "end_s", "error", "source", "adapted", "worst frame", "video",
    ]  # fmt: skip
    (line,) = worst["data"]
    assert line[5] < line[4]
    (media,) = [one["manifest"]["contents"] for one in evaluated.of(0, "artifact") if "worst" in one["name"]]
    kinds = sorted(Path(entry["path"]).suffix for entry in media)
    assert kinds == [".json", ".mp4", ".png"] and all(Path(entry["local_path"]).is_file() for entry in media)
    inside = str(evaluated.folder / "wandb")
    assert all(entry["local_path"].startswith(inside) for entry in media)


def test_the_media_are_of_the_clip_and_count_as_documented(evaluated: Evaluated) -> None:
    files = evaluated.parts[0].parent / "files"
    kept = {name: len(list((files / "media").glob(f"{name}/**/*.*"))) for name in ("videos", "images", "table")}
    assert kept == {"videos": 1, "images": 4, "table": 3}  # overlay; error map and texture of both rows; tables
    media = evaluated.folder / "media" / "adapted_clip"
    info = probe(media / "overlay.mp4")
    assert (info.width, info.height) == (3 * 320, 320) and info.frame_count == 5  # every second of nine frames
    picture = np.asarray(Image.open(media / "worst_1.png")).astype(int)
    shown = [frame.image.astype(int) for frame in read_frames(media / "worst_1.mp4")]
    assert min(np.abs(frame - picture).mean() for frame in shown) < 6, "the picture is a frame of its clip"
    with Image.open(media / "vertex_error_adapted.png") as heads:
        assert heads.size == (640, 320)


def test_evaluating_again_logs_what_is_new_and_nothing_else(tmp_path: Path) -> None:
    run = Evaluated(make_run(tmp_path / "subject_1"))
    log_evaluation(run.folder)
    log_evaluation(run.folder)
    assert len(run.parts) == 1, "nothing was new"
    path = run.folder / "summary.json"
    summary = json.loads(path.read_text())
    summary["adapted_clip"]["smirk"] = {"reprojection_error_px": [9.0, 9.0]}
    path.write_text(json.dumps(summary))
    log_evaluation(run.folder)
    assert len(run.parts) == 2 and run.parts[0].name == run.parts[1].name
    (row,) = run.history(1)
    assert row["adapted_clip/smirk/reprojection_error_px"] == 9.0
    assert not any(name.startswith(("stability", "media")) for name in row)
    assert row["_step"] == 1 + max(row["_step"] for row in run.history(0))


def test_a_clip_without_truth_has_its_motion(tmp_path: Path) -> None:
    run = Evaluated(make_run(tmp_path / "real", with_truth=False))
    log_evaluation(run.folder)
    names = {name for row in run.history() for name in row}
    assert "stability/adapted_clip/adapted" in names and "media/adapted_clip/overlay.path" in names
    assert not any("vertex_error" in name for name in names)


def test_disabled_logs_nothing(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "quiet")
    with (folder / "experiment.yaml").open("a") as stream:
        stream.write("wandb: {mode: disabled}\n")
    log_evaluation(folder)
    assert not (folder / "wandb").exists() and not (folder / RECORD).exists()


def test_the_worst_second_of_the_adapted_network_comes_first(tmp_path: Path) -> None:
    time_s = torch.arange(90).double() / 30
    adapted = torch.ones(90)
    adapted[30:60], adapted[44] = 2.0, 9.0
    found = find_worst({"source": 5 * torch.ones(90), "adapted": adapted}, time_s, tmp_path, step=2)
    assert found[0].segment.frames.start == 30 and found[0].frame == 44
    assert found[0].errors["source"] == 5.0 and len(found) == 3
    assert [one.picture.name for one in found] == ["worst_1.png", "worst_2.png", "worst_3.png"]
