"""The command: what is written, where to, what is skipped, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from launcher.cli import main
from launcher.figures.finished import FinishedRun
from launcher.figures.stability import stability_lanes
from launcher.figures.style import Drawing, save_drawing


def _is_a_picture(path: Path) -> bool:
    picture = Image.open(path).convert("RGB")
    colours = picture.getcolors(maxcolors=picture.width * picture.height)
    return min(picture.size) > 150 and len(colours) > 20


def test_every_figure_is_written_and_named(run, tmp_path, capsys):
    assert main(["figures", str(run), "--out", str(tmp_path / "new" / "figures")]) == 0
    out = tmp_path / "new" / "figures"
    expected = {
        "stability_subject_0.png", "stability_subject_0.pdf", "sheet_subject_0_adapted_clip.png", "ablation.png",
        "ablation.pdf", "degradations_adapted_clip.png", "degradations_adapted_clip.pdf",
        "accuracy_subject_0_adapted_clip.png",
    }  # fmt: skip
    assert {path.name for path in out.iterdir()} == expected
    assert {Path(line).name for line in capsys.readouterr().out.splitlines()} == expected
    assert all(_is_a_picture(path) for path in out.glob("*.png"))
    assert all(path.read_bytes().startswith(b"%PDF") for path in out.glob("*.pdf"))


def test_without_a_folder_they_go_into_the_run_and_replace_what_is_there(run):
    (run / "figures").mkdir()
    (run / "figures" / "ablation.png").write_text("old")
    assert main(["figures", str(run), "--only", "ablation"]) == 0
    first = {path.name: path.read_bytes() for path in (run / "figures").iterdir()}
    assert len(first) == 4 and _is_a_picture(run / "figures" / "ablation.png")
    assert main(["figures", str(run), "--only", "ablation"]) == 0
    assert first == {path.name: path.read_bytes() for path in (run / "figures").iterdir()}  # no date inside


def test_a_figure_that_cannot_be_written_leaves_the_old_one(run, tmp_path):
    class Broken:
        def savefig(self, path, **_):
            Path(path).write_text("half")
            raise OSError("disk full")

    (tmp_path / "a.png").write_text("old")
    with pytest.raises(OSError, match="disk full"):
        save_drawing(Drawing("a", Broken(), (".png",)), tmp_path)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_without_truth_the_lanes_show_the_motion_and_the_map_is_skipped(make_run, tmp_path, capsys):
    run = make_run(tmp_path / "wild", with_truth=False)
    found = FinishedRun(run)
    lanes = stability_lanes(found, found.clips[0])
    for lane in lanes:
        assert float(lane.values.mean()) == pytest.approx(lane.scores[0], rel=1e-5)
        assert lane.scores == found.summary["adapted_clip"][lane.row]["acceleration_px_s2"]
    assert main(["figures", str(run), "--only", "ablation,accuracy"]) == 0
    printed = capsys.readouterr().out
    assert "skipped accuracy_wild_adapted_clip: there is no truth beside" in printed
    assert "skipped degradations: no clip was degraded" in printed
    assert {path.suffix for path in (run / "figures").glob("accuracy*")} == set()
    assert _is_a_picture(run / "figures" / "ablation.png")


@pytest.mark.parametrize("lacking", ["summary.json", "stages.json", "experiment.yaml"])
def test_a_folder_that_is_no_finished_experiment(lacking, run, tmp_path, capsys):
    for name in {"summary.json", "stages.json", "experiment.yaml"} - {lacking}:
        (tmp_path / name).write_text((run / name).read_text())
    assert main(["figures", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "finished experiment" in line and lacking in line
    assert not (tmp_path / "figures").exists()


def test_other_bad_input_is_one_line_and_writes_nothing(run, tmp_path, capsys):
    (tmp_path / "subject_0").symlink_to(run)
    bad = (
        ([str(tmp_path / "nowhere")], "no such folder"),
        ([str(run), "--only", "stability,pie"], "'pie'"),
        ([str(run), str(tmp_path / "subject_0")], "different names"),
        ([str(run), "--out", str(run / "summary.json" / "x")], "a folder to write to"),
    )
    for words, expected in bad:
        assert main(["figures", *words]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert expected in line
