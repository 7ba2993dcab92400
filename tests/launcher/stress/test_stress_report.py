"""The page's counts and red cells from known figures; cells that are stored and read."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from launcher.cli import main
from launcher.stress.cells import load_cell, read_cells, save_cell
from launcher.stress.report import page_lines, write_report
from launcher.stress.verdicts import count, hurts, mean_change
from steadyface.errors import InputError


def page(cells) -> list[str]:
    return list(page_lines(cells, 10, 3730.0, []))


def row_of(lines: list[str], start: str) -> list[str]:
    line = next(line for line in lines if line.startswith(f"| {start}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.fixture
def cells(made_up):
    return [
        made_up("clean", 0.0),
        made_up("flicker", 0.25, paper=(1.03, 0.99), ours=(0.5, 0.9)),
        made_up("flicker", 0.75, paper=(1.019, 1.5), ours=(0.9, 1.01)),
        made_up("flicker", 0.75, 1, paper=(1.0, 1.0), ours=(1.021, 0.9), refused="no windows"),
    ]


def test_red_is_what_is_more_than_two_percent_worse(cells) -> None:
    lines = page(cells)
    weak, strong, other = (row_of(lines, start) for start in ("0.25, subject 0", "0.75, subject 0", "0.75, subject 1"))
    assert weak[1:4] == ["10.0", "🟥 **10.3 (+3.0 %)**", "5.00 (-50 %)"]
    assert weak[4:7] == ["2.00", "1.98 (-1.0 %)", "1.80 (-10 %)"]
    assert weak[7:] == ["900", "990 (+10 %)", "990 (+10 %)"]  # the acceleration is never red
    assert strong[2:4] == ["10.2 (+1.9 %)", "9.00 (-10 %)"]
    assert strong[5:7] == ["🟥 **3.00 (+50 %)**", "2.02 (+1.0 %)"]
    assert other[2:4] == ["*refused*", "🟥 **10.2 (+2.1 %)**"]


def test_the_counts_leave_clean_cells_out(cells) -> None:
    lines = page(cells)
    paper, ours = row_of(lines, "the paper's objective"), row_of(lines, "ours")
    #               cells, better in both, reprojection, vertices, hurt, refused
    assert paper[1:] == ["3", "0 (0 %)", "0 (0 %)", "1 (33 %)", "🟥 **2 (67 %)**", "1"]
    assert ours[1:] == ["3", "1 (33 %)", "2 (67 %)", "2 (67 %)", "🟥 **1 (33 %)**", "0"]
    assert row_of(lines, "Flicker")[-2:] == ["🟥 **2**", "🟥 **1**"]
    assert "4 of 10 cells done; 1 h 2 min of wall time in all, 1 min 40 s a cell." in lines[4]


def test_every_table_is_well_formed(cells) -> None:
    tables: list[list[str]] = [[]]
    for line in page(cells):
        if line.startswith("|"):
            tables[-1].append(line)
        elif tables[-1]:
            tables.append([])
    tables = [table for table in tables if table]
    assert len(tables) == 4 and all(len({line.count("|") for line in table}) == 1 for table in tables)


def test_what_is_no_number_hurts(made_up) -> None:
    cell = made_up()
    lost = replace(cell, ours=replace(cell.ours, metrics=cell.ours.metrics | {"vertex_error_mm": math.nan}))
    assert hurts(lost, "ours", "vertex_error_mm") and not hurts(lost, "ours", "reprojection_error_px")
    assert count([lost], "ours").hurt == 1 and count([lost], "ours").better == 0
    assert not hurts(made_up(ours=(1.0199, 1.0)), "ours", "reprojection_error_px")


def test_a_mean_change_is_of_ratios(made_up) -> None:
    cells = [made_up(ours=(0.5, 1.0)), made_up(ours=(2.0, 1.0))]
    assert abs(mean_change(cells, "ours", "reprojection_error_px")) < 1e-12


def test_cells_are_read_where_their_folder_was_moved_to(tmp_path, made_up) -> None:
    runs = tmp_path / "runs"
    for strength in (0.25, 0.75):
        folder = runs / f"flicker-{strength}"
        folder.mkdir(parents=True)
        save_cell(made_up("flicker", strength, folder=folder), folder)
    shutil.move(runs, tmp_path / "moved")
    first, second = read_cells(tmp_path / "moved")
    assert (first.strength, second.strength) == (0.25, 0.75)
    clip = tmp_path / "moved" / "flicker-0.25" / "clip.mp4"
    assert first.clip.resolve() == clip and first.ours.checkpoint.resolve() == clip.parent / "ours" / "last.ckpt"
    assert first.ours.metrics["reprojection_error_px"] == 5.0 and first.ours.per_frame["vertex_error_mm"] == [1.8] * 3
    assert replace(first, clip=Path("c"), source=second.source, paper=second.paper, ours=second.ours) == replace(
        second, strength=0.25, clip=Path("c")
    )


def test_a_page_of_some_cells_is_written_with_its_figures(tmp_path, cells) -> None:
    for number, cell in enumerate(cells):
        (tmp_path / "runs" / str(number)).mkdir(parents=True)
        save_cell(cell, tmp_path / "runs" / str(number))
    out = tmp_path / "docs" / "stress.md"
    assert main(["stress", "unused.yaml", "--page-only", "--runs", str(tmp_path / "runs"), "--out", str(out)]) == 0
    names = ["stress-reprojection.png", "stress-vertices.png"]
    assert sorted(path.name for path in out.parent.iterdir()) == [*names, "stress.md"]
    assert all(f"]({name})" in out.read_text() for name in names) and "4 of 4 cells done" in out.read_text()


def test_a_damaged_cell_is_named(tmp_path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "cell.json").write_text("{")
    with pytest.raises(InputError, match="a stress cell"):
        load_cell(tmp_path / "one" / "cell.json")
    with pytest.raises(InputError, match="run `steadyface stress` first"):
        read_cells(tmp_path / "none")
    write_report(tmp_path / "one", tmp_path / "page.md")  # no cell yet: no page
    assert not (tmp_path / "page.md").exists()
