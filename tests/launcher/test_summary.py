from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from launcher.summary import (
    Row,
    change_lines,
    ordered_rows,
    print_summary,
    relative_changes,
    time_lines,
    write_summary,
)

ROWS: dict[str, Row] = {
    "decoder_floor": {"reprojection_error_px": [0.1, 0.1]},
    "motc_raw": {"reprojection_error_px": [4.0, 5.0]},
    "adapted": {"reprojection_error_px": [1.0, 1.5], "lag_ms_picture": [math.nan, 2.0]},
    "source_smoothed": {"reprojection_error_px": [2.0, 2.0]},
    "source": {"reprojection_error_px": [2.0, 2.0]},
}


def test_the_source_comes_first_and_the_oracle_last() -> None:
    assert ordered_rows(ROWS) == ["source", "source_smoothed", "adapted", "motc_raw", "decoder_floor"]


def test_changes_are_per_seed() -> None:
    assert relative_changes(ROWS, "adapted", "source", "reprojection_error_px") == [-0.5, -0.25]
    (first, _) = change_lines(ROWS)
    assert "-38 %" in first and "(per seed: -50, -25)" in first


def test_shares_of_the_time_add_up() -> None:
    lines = time_lines({"studio": 30.0, "appearance": 90.0})
    assert "25.0 %" in lines[0] and "75.0 %" in lines[1] and "120.0 s" in lines[2]


def test_the_file_is_strict_json(tmp_path: Path) -> None:
    write_summary({"adapted_clip": ROWS, "seeds": [0, 1]}, tmp_path)
    content = json.loads((tmp_path / "summary.json").read_text(), parse_constant=pytest.fail)
    assert content["adapted_clip"]["adapted"]["lag_ms_picture"] == [None, 2.0]


def test_the_table_shows_medians_and_leaves_out_what_nobody_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_summary({"adapted_clip": ROWS, "seeds": [0, 1]}, {"studio": 1.0})
    shown = capsys.readouterr().out
    assert "1.250" in shown and "reproj px" in shown and "lips mm" not in shown
