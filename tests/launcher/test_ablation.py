"""A table of objectives, sources, labels, baselines and degradations at toy size, to its figures and its page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from launcher.cli import main

ROOT = Path(__file__).resolve().parents[2]
SMOKE = ROOT / "experiments" / "smoke.yaml"
TABLE = f"""
extends: {SMOKE}
lab: {{views_per_instant: 2}}
sources:
  published: &published
    network: i2znet
    view_consistency: 0.1
    i2znet: {{image_size: 64, backbone: none, stacks: 1, width: 8, hidden: 16, landmarks: 8, landmark_share: 0.5}}
variants:
  cftc_unguarded: {{steps: 2}}
  motc_raw: {{steps: 2, colour_model: tone_curve}}
  raw_with_landmarks:
    steps: 2
    source: published
    lab_weight: 0
    weights: {{registration: 0, motc: 0, cftc: 0, cftc_raw: 1, motc_raw: 1, landmarks: 0.1}}
  heads_with_coverage: {{steps: 2, trained: heads, weights: {{coverage: 1}}}}
  supervised_3: {{steps: 2, labelled_frames: 3}}
  labels_alone:
    steps: 2
    labelled_frames: -1
    weights: {{
      registration: 0, motc: 0, cftc: 0, colour: 0, latent_pull: 0, shape_pull: 0, pose_pull: 0, out_of_frame: 0,
    }}
adaptation: {{steps: 2}}
evaluation:
  baselines: [photometric_fit, oracle_pose, oracle_latent]
  degradations: ["noise:5,20"]
wandb: {{mode: disabled}}
"""
ROWS = {
    "source", "source_smoothed", "published", "adapted", "adapted_smoothed", "cftc_unguarded", "motc_raw",
    "raw_with_landmarks", "heads_with_coverage", "supervised_3", "labels_alone", "photometric_fit", "oracle_pose",
    "oracle_latent", "decoder_floor",
}  # fmt: skip

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the runs, with one finished: ``table``."""
    folder = tmp_path_factory.mktemp("ablation")
    (folder / "table.yaml").write_text(TABLE)
    assert main(["run", str(folder / "table.yaml"), f"runs={folder / 'runs'}"]) == 0
    return folder / "runs"


def test_every_row_is_scored_on_both_clips(runs: Path) -> None:
    summary = json.loads((runs / "table" / "summary.json").read_text())
    for clip in ("adapted_clip", "held_out_clip"):
        assert set(summary[clip]) == ROWS
        for row, values in summary[clip].items():
            assert values["reprojection_error_px"][0] > 0, row
            assert (runs / "table" / "tracks" / clip).is_dir()
        # an oracle of the pose has the true pose, up to the gauge
        assert summary[clip]["oracle_pose"]["head_rotation_error_deg"][0] < 0.1
        assert summary[clip]["oracle_latent"]["latent_error"][0] < 1e-3
    levels = summary["degradations"]["adapted_clip"]["noise"]
    assert list(levels) == ["5", "20"] and set(levels["5"]) >= {"source", "published", "adapted", "supervised_3"}


def test_rows_differ_where_their_objectives_do(runs: Path) -> None:
    rows = json.loads((runs / "table" / "summary.json").read_text())["adapted_clip"]
    trained = [row for row in ROWS if row in {"adapted", "motc_raw", "heads_with_coverage", "supervised_3"}]
    errors = [rows[row]["reprojection_error_px"][0] for row in trained]
    assert len(set(errors)) == len(trained)


def test_its_figures_and_its_page_are_made(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["figures", str(runs / "table"), "--out", str(runs / "figures"), "--only", "stability,ablation"]) == 0
    assert len(list((runs / "figures").glob("*.png"))) >= 2
    assert main(["results", str(runs / "table"), "--out", str(runs / "results.md")]) == 0
    page = (runs / "results.md").read_text()
    assert all(f"`{row}`" in page for row in ROWS)
    capsys.readouterr()


def test_a_capture_of_other_sizes_is_refused(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A face model of 32 texels beside a lab capture read at 16."""
    (decoder,) = runs.glob("table/appearance-*/checkpoints/last.ckpt")
    words = [f"decoder={decoder}", "lab.texture_size=16", "name=other", "variants={}", "sources={}"]
    code = main(["run", str(runs.parent / "table.yaml"), f"runs={runs}", *words])
    (fault,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("steadyface:")]
    assert code == 2
    assert "expected 7454 vertices, 32 texels a side, got 7454 vertices, 16 texels a side" in fault
    assert "lab.texture_size=32" in fault
