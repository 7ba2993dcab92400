"""The page: what was compared, on what, which claims hold, and the tables they rest on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from launcher.outcome import ADAPTED
from launcher.results.claims import claim_lines
from launcher.results.compared import ClipResults, compare_clip
from launcher.results.inputs import Study, read_study
from launcher.results.rows import explain_row
from launcher.results.setup import setup_lines
from launcher.results.tables import difference_tables, gap_table, value_tables
from launcher.runs import make_folder, write_atomically
from steadyface.errors import InputError

STATISTICS = """\
Every interval is a 95 % bootstrap interval that draws subjects, then clips, then seeds, and widens the draws
for the few subjects there are (Student's tails). In simulations of normal random effects over three subjects it
covers the truth in 95 to 100 % of the cases: 95 % when subjects differ most, more when seeds or clips do; a
percentile bootstrap covers about 75 %. The interval of what cannot be negative ends at zero. Differences are
taken within subjects, seeds are unpaired, p is two-sided and agrees with the interval.

The primary endpoints (bold headings) are the reprojection error and the vertex error: a claim of a lower error
needs both, so neither is corrected. The others are secondary: Holm's correction follows their p (p → corrected)
and is over the secondary endpoints of the same row, rival and clip. **Bold** cells: a difference is shown at
5 % after the correction. `-`: not measured or not defined; `[?]`: nothing is repeated, so no interval."""


def write_results(runs: Sequence[Path], out: Path, margin: float, command: str) -> None:
    """Read the runs, compute, and replace ``out`` by the page in one step.

    Args:
        command: what made the page, as its reader would type it.

    Raises:
        InputError: when the runs do not fit each other, the margin is no share, or ``out`` is a folder.
    """
    if not 0 < margin < 1:
        raise InputError("--margin", "a share between 0 and 1", f"{margin:g}", "write --margin 0.05 for 5 %")
    if out.is_dir():
        raise InputError(out, "a file to write", "a folder", "write --out docs/results.md")
    study = read_study(runs)
    make_folder(out.parent)
    write_atomically(out, "\n".join(page_lines(study, margin, command)) + "\n")


def page_lines(study: Study, margin: float, command: str) -> Iterator[str]:
    """The whole page, line by line."""
    results = [compare_clip(study, clip) for clip in study.rows]
    yield from ("# Results", "", "This page is made by", "", "```", command, "```", "")
    yield from ("## What was run", "", *setup_lines(study), "")
    yield from ("## Which claims hold", "")
    if len(study.runs) == 1:
        yield from ("One subject: every interval and claim holds for this subject only.", "")
    claims = [line for result in results for line in claim_lines(study, result, margin)]
    yield from (*claims, "") if claims else (f"No row `{ADAPTED}`: nothing is claimed.", "")
    yield from ("## How to read the tables", "", STATISTICS, "", *row_list(study), "")
    for result in results:
        yield from clip_section(result)


def row_list(study: Study) -> list[str]:
    """Each row that is shown, with its line."""
    rows = dict.fromkeys(row for rows in study.rows.values() for row in rows)
    explained = {row: explain_row(row, study.runs[0].settings) for row in rows}
    return [f"- `{row}`: {line}" if line else f"- `{row}`" for row, line in explained.items()]


def clip_section(results: ClipResults) -> Iterator[str]:
    """The tables of one kind of clip."""
    yield from (f"## The {results.words}", "", "Mean over subjects and seeds, with its 95 % interval:", "")
    for table in value_tables(results):
        yield from (*table, "")
    for rival in results.against:
        yield from (f"### Against `{rival}`", "")
        for table in difference_tables(results, rival):
            yield from (*table, "")
    for ceiling in results.gaps:
        table = gap_table(results, ceiling)
        if table:
            title = f"### Share of the gap between `source` and `{ceiling}` that was closed"
            yield from (title, "", *table, "")
