from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from launcher.cli import main
from launcher.results.claims import claim_lines
from launcher.results.compared import compare_clip
from launcher.results.endpoints import FURTHER, TOGETHER, WITHOUT_TRUTH
from launcher.results.inputs import read_study
from launcher.results.page import page_lines, write_results
from launcher.results.rows import EXPLAINED
from launcher.results.setup import setup_lines
from steadyface.errors import InputError
from steadyface.metrics.statistics import holm, paired_difference

SCALES = (1.0, 1.5, 2.5)  # what all rows of a subject share
SOURCE = {
    "reprojection_error_px": 10.0,
    "vertex_error_mm": 2.0,
    "lag_ms_picture": -1.0,
    "texture_coverage": 0.9,
    "vertex_error_lips_mm": 3.0,
}
SHARES = {
    "source": 1.0, "source_smoothed": 0.98, "adapted": 0.5, "weaker": 0.8, "adapted_repeat": 0.5,
    "supervised_all": 0.25,
}  # fmt: skip
NOISE = {"adapted": (1.0, 1.02, 0.98), "weaker": (0.7, 1.0, 1.35), "adapted_repeat": (0.99, 1.01, 1.0)}


def made_up_clip(scale: float) -> dict[str, dict[str, list[float]]]:
    """Rows that are a share of the source's error, with the noise of three seeds."""
    return {
        row: {
            metric: [value * scale * share * noise for noise in NOISE.get(row, (1, 1, 1))]
            for metric, value in SOURCE.items()
        }
        for row, share in SHARES.items()
    }


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Three finished experiments of one design, one a subject."""
    return made_up_runs(tmp_path)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of three runs as they are."""
    return page_of(made_up_runs(tmp_path_factory.mktemp("runs")))


def made_up_runs(folder: Path) -> list[Path]:
    return [made_up_run(folder / f"subject_{index}", index, scale) for index, scale in enumerate(SCALES)]


def made_up_run(folder: Path, identity: int, scale: float) -> Path:
    folder.mkdir()
    summary = {"adapted_clip": made_up_clip(scale), "held_out_clip": made_up_clip(1.1 * scale), "seeds": [0, 1, 2]}
    (folder / "summary.json").write_text(json.dumps(summary))
    settings = {
        "lab": {"folder": "studio:lab"},
        "studio": {"identity_seed": identity, "lab_frames": 600},
        "adaptation": {"steps": 160},
        "variants": {"weaker": {"weights": {"motc": 0.25}}, "adapted_repeat": {}},
    }
    (folder / "experiment.yaml").write_text(yaml.safe_dump(settings))
    seconds = {"studio": 100.0, "pretraining": 3600.0, "adapted, seed 0": 60.0, "adapted, seed 1": 60.5}
    stages = {"studio": None, "source": "pretraining-1/checkpoints/last.ckpt", "adapted": [], "seconds": seconds}
    (folder / "stages.json").write_text(json.dumps(stages))
    record: dict[str, Any] = {
        "id": "x", "kind": "pretraining", "label": "pretraining", "state": "finished", "wandb_id": "", "settings": {},
        "code_version": "abc123", "inputs": {"lab": f"hash{identity}/lab"}, "layout_version": 1,
    }  # fmt: skip
    (folder / "pretraining-1").mkdir()
    (folder / "pretraining-1" / "run.json").write_text(json.dumps(record))
    return folder


def change(path: Path, **changes: Any) -> None:
    """Replace top-level keys of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def page_of(runs: list[Path], margin: float = 0.05) -> str:
    return "\n".join(page_lines(read_study(runs), margin, "steadyface results ..."))


def tables(page: str) -> list[list[list[str]]]:
    """Every Markdown table of a page as rows of cells."""
    found: list[list[list[str]]] = [[]]
    for line in page.splitlines():
        if line.startswith("|"):
            found[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        elif found[-1]:
            found.append([])
    return [table for table in found if table]


def test_every_table_is_well_formed(page: str) -> None:
    found = tables(page)
    # times; per clip: values x 2, against source, source_smoothed and adapted x 2, the gap
    assert len(found) == 1 + 2 * (2 + 3 * 2 + 1)
    for table in found:
        assert len({len(cells) for cells in table}) == 1 and len(table) > 2
        assert table[1] == [":--", *["--:"] * (len(table[0]) - 1)]
        assert all(cell for cells in table for cell in cells)


def test_the_numbers_are_those_computed_by_hand(page: str) -> None:
    values = next(table for table in tables(page) if "**reprojection px**" in table[0])
    adapted = next(cells for cells in values if cells[0] == "`adapted`")
    # held-out clip first: 10 px, half of it, times (1.1 + 1.65 + 2.75) / 3; the seeds average to 1
    assert adapted[1].startswith("9.17 [")
    difference = next(table for table in tables(page) if "**-50 %" in str(table))
    cells = next(cells for cells in difference if cells[0] == "`adapted`")
    assert cells[1].startswith("**-50 % [-5") and cells[1].endswith("<br>p <0.001")
    gap = next(table for table in tables(page) if table[0][1] == "reprojection error")
    assert next(cells for cells in gap if cells[0] == "`adapted`")[1].startswith("+67 % [")  # 0.5 of 0.75
    assert [cells[0] for cells in gap[2:]] == ["`source_smoothed`", "`adapted`", "`weaker`", "`adapted_repeat`"]


def test_holm_is_over_the_secondary_endpoints_of_one_comparison(runs: list[Path]) -> None:
    study = read_study(runs)
    comparisons = compare_clip(study, "held_out_clip").against["source"]["weaker"]
    secondary = [c for c in comparisons.values() if not c.endpoint.primary]
    assert len(secondary) == 3
    assert [c.corrected for c in secondary] == holm([c.p for c in secondary])
    for comparison in comparisons.values():
        values = [study.values("held_out_clip", row, comparison.endpoint.metric) for row in ("weaker", "source")]
        difference = paired_difference(*values)  # type: ignore[arg-type]
        expected = difference.p_relative if comparison.endpoint.relative else difference.p_absolute
        assert comparison.p == expected
        if comparison.endpoint.primary:
            assert comparison.corrected == comparison.p


def test_the_claims_follow_from_the_numbers(page: str) -> None:
    lines = page.splitlines()
    against = "lower error on the held-out clip, `adapted` against `source`:"
    (claim,) = [line for line in lines if against in line]
    assert claim.startswith("- **Holds**") and "it lowers the vertex error by 4" in claim
    (repeat,) = [line for line in lines if "`adapted_repeat` is the same as `adapted` on the held-out" in line]
    assert repeat.startswith("- **Holds**") and "equivalent within the margin of 5 %" in repeat
    (weaker,) = [line for line in lines if line.startswith("- On the held-out clip, `weaker` against `adapted`")]
    assert "raises the reprojection error" in weaker and "(worse)" in weaker


def test_equivalence_depends_on_the_margin(runs: list[Path]) -> None:
    study = read_study(runs)
    results = compare_clip(study, "held_out_clip")
    verdicts = [list(claim_lines(study, results, margin))[-1].split(":")[0] for margin in (0.05, 0.001)]
    assert verdicts == ["- **Holds**", "- **Does not hold**"]


def test_a_claim_needs_both_primary_endpoints(runs: list[Path]) -> None:
    for index, run in enumerate(runs):
        summary = json.loads((run / "summary.json").read_text())
        row = summary["held_out_clip"]["adapted"]
        row["vertex_error_mm"] = [value * (1.5, 2.0, 2.6)[index] for value in row["vertex_error_mm"]]
        (run / "summary.json").write_text(json.dumps(summary))
    study = read_study(runs)
    claims = [next(claim_lines(study, compare_clip(study, clip), 0.05)) for clip in study.rows]
    assert claims[0].startswith("- **Does not hold**: lower error on the held-out clip")
    assert "no difference is shown in the vertex error" in claims[0] and "it lowers the reproj" in claims[0]
    assert claims[1].startswith("- **Holds**: lower error on the adapted clip")


def test_the_top_says_what_was_run(page: str) -> None:
    assert "- Subjects: 3, `" in page and "studio identity 2" in page and "`abc123`" in page and "torch 2" in page
    times = {cells[0]: cells[1:] for cells in tables(page)[0]}
    assert times["adapted"] == ["2 min 00 s"] * 3 + ["6 min 02 s"]
    assert times["pretraining"][-1] == "3 h 00 min" and times["**in total**"][-1] == "3 h 11 min"
    assert "- `weaker`: `adapted` with weights.motc = 0.25" in page
    assert "lab frames 600" in page and "differ between the runs" not in page


def test_settings_that_differ_are_named(runs: list[Path]) -> None:
    path = runs[1] / "experiment.yaml"
    path.write_text(path.read_text().replace("steps: 160", "steps: 80"))
    top = list(setup_lines(read_study(runs)))
    assert "- Settings that differ between the runs: adaptation.steps 160 / 80" in top


def test_a_row_that_some_run_lacks_is_left_out_and_named(runs: list[Path]) -> None:
    summary = json.loads((runs[2] / "summary.json").read_text())
    del summary["adapted_clip"]["weaker"]
    (runs[2] / "summary.json").write_text(json.dumps(summary))
    study = read_study(runs)
    assert "weaker" in study.rows["held_out_clip"] and "weaker" not in study.rows["adapted_clip"]
    assert f"- Left out: `weaker` on the adapted clip: not in `{runs[2]}`" in list(setup_lines(study))


def test_a_value_that_is_missing_leaves_its_cell_empty(runs: list[Path]) -> None:
    summary = json.loads((runs[0] / "summary.json").read_text())
    summary["held_out_clip"]["weaker"]["lag_ms_picture"][1] = None
    (runs[0] / "summary.json").write_text(json.dumps(summary))
    results = compare_clip(read_study(runs), "held_out_clip")
    assert "lag_ms_picture" not in results.values["weaker"] and "lag_ms_picture" in results.values["adapted"]
    assert "lag_ms_picture" not in results.against["source"]["weaker"]


def test_one_run_is_one_subject(runs: list[Path]) -> None:
    page = page_of(runs[:1])
    assert "One subject: every interval and claim holds for this subject only." in page
    assert "nan" not in page


def test_one_run_of_one_seed_claims_nothing(runs: list[Path]) -> None:
    summary = json.loads((runs[0] / "summary.json").read_text())
    for clip in ("adapted_clip", "held_out_clip"):
        for metrics in summary[clip].values():
            metrics.update({metric: values[:1] for metric, values in metrics.items()})
    (runs[0] / "summary.json").write_text(json.dumps(summary | {"seeds": [0]}))
    page = page_of(runs[:1])
    assert "nan" not in page and "[?]" in page and "**Holds**" not in page and "nothing can be said" in page


def test_a_clip_without_truth_has_no_primary_endpoint(runs: list[Path]) -> None:
    for run in runs:
        summary = json.loads((run / "summary.json").read_text())
        clip = {
            row: {"acceleration_px_s2": [9.0, 8.0, 7.0], "texture_coverage": metrics["texture_coverage"]}
            for row, metrics in summary["adapted_clip"].items()
        }
        (run / "summary.json").write_text(json.dumps({"adapted_clip": clip, "seeds": [0, 1, 2]}))
    results = compare_clip(read_study(runs), "adapted_clip")
    assert [e.metric for group in results.groups for e in group] == ["acceleration_px_s2", "texture_coverage"]
    assert "lower error on" not in page_of(runs)


def test_the_command_writes_the_page_and_says_how(runs: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "docs" / "results.md"
    arguments = ["results", *map(str, runs), "--out", str(out), "--margin", "0.1"]
    assert main(arguments) == 0
    first = out.read_text()
    assert f"steadyface {' '.join(arguments)}" in first and "margin of 10 %" in first
    assert main(arguments) == 0 and out.read_text() == first
    assert main([*arguments, "--made-by", "make results"]) == 0
    assert out.read_text() == first.replace(f"steadyface {' '.join(arguments)}", "make results")
    assert [path.name for path in out.parent.iterdir()] == ["results.md"]


def spoil(runs: list[Path], fault: str) -> None:
    """Bring one fault into the second run."""
    run = runs[1]
    summary = json.loads((run / "summary.json").read_text())
    match fault:
        case "no summary":
            (run / "summary.json").unlink()
        case "not JSON":
            (run / "summary.json").write_text("{")
        case "seeds":
            change(run / "summary.json", seeds=[3, 4, 5])
        case "too few values":
            summary["adapted_clip"]["adapted"]["vertex_error_mm"].pop()
            (run / "summary.json").write_text(json.dumps(summary))
        case "no common row":
            change(run / "summary.json", adapted_clip={"other": {}}, held_out_clip={})
        case "same identity":
            shutil.copy(runs[0] / "experiment.yaml", run)
        case "same lab":
            shutil.copytree(runs[0] / "pretraining-1", run / "pretraining-1", dirs_exist_ok=True)
        case "same run":
            runs[1] = runs[0]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("no summary", "a finished experiment with summary.json, got none"),
        ("not JSON", "JSONDecodeError"),
        ("seeds", "got [3, 4, 5]"),
        ("too few values", "adapted_clip, adapted, vertex_error_mm: 2 values for 3 seeds"),
        ("no common row", "no row that all of them have"),
        ("same identity", "studio identity 0, which"),
        ("same lab", "another subject in each run"),
        ("same run", "another subject in each run"),
    ],
)
def test_runs_that_do_not_fit_are_one_line_and_no_page(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: str, said: str
) -> None:
    out = tmp_path / "page.md"
    out.write_text("the page before")
    spoil(runs, fault)
    assert main(["results", *map(str, runs), "--out", str(out)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and said in lines[0]
    assert out.read_text() == "the page before"


def test_a_margin_is_a_share_and_the_page_a_file(runs: list[Path], tmp_path: Path) -> None:
    for margin in (0.0, 5.0, math.nan):
        with pytest.raises(InputError, match="--margin"):
            write_results(runs, tmp_path / "page.md", margin, "")
    with pytest.raises(InputError, match="a file to write"):
        write_results(runs, tmp_path, 0.05, "")


def test_no_metric_is_shown_twice_and_every_row_has_one_line() -> None:
    metrics = [endpoint.metric for endpoint in TOGETHER + FURTHER]
    assert len(set(metrics)) == len(metrics) and not any(endpoint.primary for endpoint in FURTHER + WITHOUT_TRUTH)
    assert all("\n" not in line for line in EXPLAINED.values())
