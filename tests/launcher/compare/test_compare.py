"""The whole command on real-format experiments: what it prints, the page, the W&B run, and the seconds' scores."""

from __future__ import annotations

import base64
import contextlib
import io
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch

from launcher.cli import main
from launcher.compare.common_clips import common_clips
from launcher.compare.segments import SegmentScores, one_second_segments
from launcher.compare.sides import joined_words, read_sides
from launcher.compare.tables import Cell, Table, text_lines
from launcher.compare.wandb_tables import wandb_table
from steadyface.capture.video import probe

TABLES = ("settings", "verdicts", "adapted_clip/metrics", "adapted_clip/changes", "adapted_clip/regions",
          "adapted_clip/segments")  # fmt: skip


class Compared:
    """What one call left behind."""

    def __init__(self, studio: Any) -> None:
        self.runs = [
            studio.experiment("first", (0, 1, 2)),
            studio.experiment("closer", (3, 4, 5), error=1.0, steps=200),
            studio.experiment("single", (7,)),
        ]
        self.page = studio.folder / "pages" / "compare.html"
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            assert main(["compare", *map(str, self.runs), "--html", str(self.page), "--wandb"]) == 0
        self.text = printed.getvalue()


@pytest.fixture(scope="module")
def compared(studio: Any) -> Compared:
    return Compared(studio)


class Outside(HTMLParser):
    """Every address that a browser would have to fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for key, value in attrs if key in ("src", "href")]


def test_settings_metrics_and_verdicts_are_printed(compared: Compared) -> None:
    text = compared.text
    assert re.search(r"adaptation\.steps +100 +200 +100", text) and re.search(r"seeds +\[0, 1, 2\]", text)
    assert "adaptation.learning_rate" not in text  # it is the same
    for heading in ("reprojection px", "vertex mm", "accel. error px/s2", "stability ratio", "lag ms", "coverage"):
        assert heading in text
    assert re.search(r"\n +lips +0\.", text) and re.search(r"\n +1\.0 to 2\.1 s +closer", text)
    assert "closer against first: BETTER on the adapted clip adapt.mp4: it lowers the reprojection error by" in text
    assert "single against first: UNDECIDED" in text and "one seed cannot be told from another" in text
    assert "not for people in general" in text


def test_the_page_is_one_whole_file(compared: Compared) -> None:
    page = compared.page.read_text(encoding="utf-8")
    outside = Outside()
    outside.feed(page)
    assert outside.found and all(address.startswith("data:video/mp4;base64,") for address in outside.found)
    assert "http" not in re.sub(r"data:[^\"]*", "", page) and "@import" not in page and "url(" not in page
    assert [f'id="{name}"' in page for name in TABLES] == [True] * len(TABLES)
    assert page.count("<polyline") == 2 * 3 and page.count("<video") == 1 + 3
    assert [path.name for path in compared.page.parent.iterdir()] == ["compare.html"]


def test_the_videos_show_the_same_frames(compared: Compared, tmp_path: Path) -> None:
    page = compared.page.read_text(encoding="utf-8")
    facts = set()
    for number, content in enumerate(re.findall(r"data:video/mp4;base64,([^\"]+)", page)):
        (tmp_path / f"{number}.mp4").write_bytes(base64.b64decode(content))
        facts.add(probe(tmp_path / f"{number}.mp4"))
    assert len(facts) == 1
    (info,) = facts
    assert info.codec == "h264" and info.frame_count == 22 and info.width == info.height


def test_the_tables_are_a_wandb_run(compared: Compared) -> None:
    (run,) = (compared.runs[0] / "compare" / "wandb").glob("offline-run-*")
    (log,) = run.glob("*.wandb")
    command = [str(Path(sys.executable).with_name("wandb")), "leet", "inspect", "--json", str(log)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    assert all(f"compare/{name}" in shown for name in TABLES) and "table-file" in shown
    assert '"compare"' in shown and "closer, single against first" in shown
    assert "verdict/closer" in shown and "better" in shown and "undecided" in shown
    assert len(list(run.rglob("*.table.json"))) == len(TABLES)
    outside = [path for path in compared.runs[0].parent.iterdir() if path.name.startswith("wandb")]
    assert outside == []


def test_seconds_are_scored_like_the_whole(compared: Compared) -> None:
    sides = read_sides([f"{compared.runs[0]}:source", str(compared.runs[0])])
    (clip,) = common_clips(sides)
    scores = SegmentScores(sides, clip)
    frames = torch.tensor([s.frames.stop - s.frames.start for s in scores.segments], dtype=torch.float64)
    for side in sides:
        (member,) = side.members
        whole = member.run.summary["adapted_clip"][member.row]["vertex_error_mm"]
        parts = [scores.measure(index)(member, "vertex_error_mm") for index in range(len(frames))]
        for seed, value in enumerate(whole[: len(parts[0] or [])]):
            by_second = torch.tensor([(part or [])[seed] for part in parts], dtype=torch.float64)
            assert float((by_second * frames).sum() / frames.sum()) == pytest.approx(value, rel=1e-6)
    coverage = scores.measure(0)(sides[0].members[0], "texture_coverage")
    assert coverage == [pytest.approx(1.0)]  # of what the source itself saw


def test_a_clip_is_cut_into_seconds_without_a_short_rest() -> None:
    def cut(frames: int, fps: float) -> list[tuple[int, int]]:
        found = one_second_segments(5.0 + torch.arange(frames).double() / fps)
        return [(segment.frames.start, segment.frames.stop) for segment in found]

    assert cut(90, 30.0) == [(0, 30), (30, 60), (60, 90)]
    assert cut(100, 30.0) == [(0, 30), (30, 60), (60, 100)]
    assert cut(110, 30.0) == [(0, 30), (30, 60), (60, 90), (90, 110)]
    assert cut(8, 30.0) == [(0, 8)] and cut(3, 30.0) == []


def test_words_name_runs_and_rows(compared: Compared, tmp_path: Path) -> None:
    first, closer, _ = compared.runs
    assert [side.label for side in read_sides([str(first), str(closer)])] == ["first", "closer"]
    mixed = read_sides([f"{first}:source", str(first)])
    assert [side.label for side in mixed] == ["first:source", "first:adapted"]
    assert read_sides([str(first), str(closer)], row="source")[1].members[0].row == "source"
    (tmp_path / "a+b").mkdir()
    assert joined_words(str(tmp_path / "a+b")) == [str(tmp_path / "a+b")] and joined_words("a+b") == ["a", "b"]


def test_a_table_has_numbers_in_wandb_and_aligned_columns_in_the_terminal() -> None:
    rows = [[Cell("a"), Cell("-12 % [-20, -4]", -0.12, "better")], [Cell("b"), Cell("-")]]
    table = Table("x", "X", ("run", "change"), rows)
    found = wandb_table(table)
    assert found.columns == ["run", "change", "change, as shown"]
    assert found.data == [["a", -0.12, "-12 % [-20, -4]"], ["b", None, "-"]]
    lines = list(text_lines(table))
    assert lines[2] == "  a    -12 % [-20, -4]" and len(lines[3]) == len(lines[2])
