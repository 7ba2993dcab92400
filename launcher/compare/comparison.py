"""The main path: what ``steadyface compare`` does, on one screen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from launcher.compare.common_clips import common_clips
from launcher.compare.differences import differences
from launcher.compare.page import Comparison, write_page
from launcher.compare.segments import SegmentScores
from launcher.compare.sides import Side, read_sides
from launcher.compare.tables import clip_tables, settings_table, text_lines, verdict_table
from launcher.compare.verdicts import Judgement, judge_clip, over_clips, scope_words
from launcher.compare.wandb_tables import check_wandb, push_tables
from steadyface.errors import InputError


def compare_runs(
    words: Sequence[str], margin: float, row: str = "", html: Path | None = None, to_wandb: bool = False,
    command: str = "",
) -> list[Judgement]:  # fmt: skip
    """Compare each run with the first: prints it, and writes the page and the W&B run that are asked for.

    Args:
        words: ``RUN``, ``RUN:ROW`` or ``RUN+RUN``, two or more.
        margin: the relative change that would not matter.
        row: of the words without one.
        command: as the reader would type it.

    Returns:
        The verdict on each run but the first, over all common clips.

    Raises:
        InputError: for what cannot be compared, before any track is read.
    """
    check_arguments(margin, html)
    sides = read_sides(words, row)
    found, clips = differences(sides), common_clips(sides)
    first = sides[0].members[0]
    if to_wandb:
        check_wandb(first.experiment.wandb)
    torch.set_num_threads(first.experiment.trainer.threads)
    judged = [judge_clip(sides, clip, margin) for clip in clips]
    overall = [over_clips(of_side) for of_side in zip(*judged, strict=True)]
    listed = [judgement for of_clip in judged for judgement in of_clip]
    comparison = Comparison(
        sides,
        overall,
        [settings_table(sides, found), verdict_table(sides[0], listed)],
        [(clip, list(clip_tables(sides, clip, SegmentScores(sides, clip)))) for clip in clips],
        scope_words(sides, len(clips)),
        command,
    )
    print("\n".join(lines_of(comparison)), flush=True)
    if html is not None:
        write_page(comparison, html)
        print(f"\npage: {html}", flush=True)
    if to_wandb:
        print(f"\nW&B: {push_tables(comparison, first.experiment.wandb, first.run.folder)}", flush=True)
    return overall


def check_arguments(margin: float, html: Path | None) -> None:
    """Refuse a margin that is no share, and a page that is a folder."""
    if not 0 < margin < 1:
        raise InputError("--margin", "a share between 0 and 1", f"{margin:g}", "write --margin 0.05 for 5 %")
    if html is not None and (html.is_dir() or html.suffix != ".html"):
        got = "a folder" if html.is_dir() else f"'{html}'"
        raise InputError("--html", "a file NAME.html to write", got, "write --html compare.html")


def lines_of(comparison: Comparison) -> list[str]:
    """All of it as text: settings, each clip's tables, the verdicts last, where a terminal ends."""
    settings, verdicts = comparison.tables
    lines = [*text_lines(settings), ""]
    for _, tables in comparison.clips:
        for table in tables:
            lines += [*text_lines(table), ""]
    lines += [*text_lines(verdicts), ""]
    lines += [verdict_line(comparison.sides[0], judged) for judged in comparison.overall]
    return [*lines, comparison.scope]


def verdict_line(first: Side, judged: Judgement) -> str:
    return f"{judged.side.label} against {first.label}: {judged.verdict.upper()} {judged.why}"
