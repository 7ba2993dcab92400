"""The tables of the studies out of made-up scores, and which frames an artist is taken to correct."""

from __future__ import annotations

import math
from pathlib import Path

import torch

from launcher import budget_study, focal_study, keyframe_study
from launcher.keyframe_study import FrameErrors, worst_frames


def test_a_row_is_the_mean_over_clips_and_estimates_are_listed_one_by_one() -> None:
    scores = {}
    for run, error in (("a", 1.0), ("b", 3.0)):
        for row in ("source", "adapted"):
            values = dict.fromkeys(focal_study.COLUMNS, error if row == "source" else 10.0)
            scores[f"{run} held_out {row} +10"] = values
            scores[f"{run} held_out {row} estimated"] = values | {
                "focal_px": 682.0, "true_focal_px": 620.0, "low_px": 500.0, "high_px": 800.0
            }  # fmt: skip
    lines = focal_study.table(scores).splitlines()
    assert lines[2] == "| source | +10 |" + " 2 |" * len(focal_study.COLUMNS)
    assert lines[4].startswith("| adapted | +10 | 10 |")
    assert "| b held_out | adapted | 682 | 500 to 800 | 620 | +10 % |" in lines


def test_the_worst_frames_lie_apart() -> None:
    errors = FrameErrors(torch.ones(60), torch.ones(60))
    errors.vertex_mm[[20, 21, 22, 40]] = torch.tensor([4.0, 5.0, 4.0, 3.0])
    errors.picture_px[55] = 9.0
    assert worst_frames(errors, 1) == [55]
    assert worst_frames(errors, 3) == [21, 40, 55]


def test_frames_are_scored_at_near_and_away_from_the_keyframes() -> None:
    time, before = torch.arange(60).double() / 30, FrameErrors(torch.arange(60.0), torch.ones(60))
    after = FrameErrors(before.vertex_mm / 2, before.picture_px)
    row = keyframe_study._compared(time, [30], before, after)
    assert row["key_vertex_mm_before"] == 30 and row["key_vertex_mm_after"] == 15
    near = [frame for frame in range(15, 46) if frame != 30]
    assert row["near_vertex_mm_before"] == sum(near) / len(near)
    rest = [*range(15), *range(46, 60)]
    assert abs(row["rest_vertex_mm_before"] - sum(rest) / len(rest)) < 1e-5
    rows = [{"run": "a", "network": "source", "kind": kind, "keyframes": count, "seconds": 2.0, **row}
            for kind in ("states", "clicks") for count in keyframe_study.COUNTS]  # fmt: skip
    assert "| 3 clicks | 30.00 -> 15.00 | 1.00 -> 1.00 |" in keyframe_study.table(rows)


def test_a_budget_is_set_beside_all_frames_by_subject(tmp_path: Path) -> None:
    def row(error: float, seconds: float) -> budget_study.BudgetRow:
        return budget_study.BudgetRow({clip: {"vertex_error_mm": error} for clip in budget_study.CLIPS}, seconds)

    subjects = {
        "a": {"source": row(4.0, math.nan), "48": row(1.1, 50.0), "all": row(1.0, 60.0)},
        "b": {"source": row(4.0, math.nan), "48": row(2.0, 70.0), "all": row(2.0, 80.0)},
    }
    found = budget_study.table(subjects)
    assert "| source | 4 | - |" in found and "| all | 1.5 | 70 |" in found
    assert "| 48 | 1.55 (+4.9 %, worst +10.0 %) | 60 |" in found
    assert "| 48 | 1.55 (+4.9 %, worst +10.0 %) |\n" in found  # the held-out clip has no time of its own
    page = tmp_path / "page.md"
    page.write_text(f"before\n{budget_study.TABLE}\nold\n{budget_study.TABLE_END}\nafter\n")
    budget_study.write_page(page, found)
    budget_study.write_page(page, found)
    assert page.read_text() == f"before\n{budget_study.TABLE}\n\n{found}\n{budget_study.TABLE_END}\nafter\n"
