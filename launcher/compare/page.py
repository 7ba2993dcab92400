"""The comparison as one HTML file that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import launcher.report.page
from launcher.compare.common_clips import CommonClip
from launcher.compare.sides import Side
from launcher.compare.tables import Cell, Table
from launcher.compare.verdicts import Judgement
from launcher.compare.videos import colour_of, side_by_side
from launcher.report.charts import Series, line_chart, tremor_per_frame
from launcher.runs import make_folder, write_atomically
from steadyface.metrics.evaluate_track import judged_face
from steadyface.metrics.geometry_errors import distances

_HERE, _REPORT = Path(__file__).parent, Path(launcher.report.page.__file__).parent


@dataclass(frozen=True)
class Comparison:
    """All that a comparison shows.

    overall: a judgement a side but the first, over all clips; tables: settings and verdicts; clips: each common clip
    with its tables; scope: what the verdicts hold for; command: as its reader would type it.
    """

    sides: Sequence[Side]
    overall: Sequence[Judgement]
    tables: Sequence[Table]
    clips: Sequence[tuple[CommonClip, Sequence[Table]]]
    scope: str
    command: str

    @property
    def all_tables(self) -> list[Table]:
        return [*self.tables, *(table for _, tables in self.clips for table in tables)]


def write_page(comparison: Comparison, out: Path) -> None:
    """Write the page; its name appears only once it is whole.

    Args:
        out: the target, ``*.html``.
    """
    styles = [(folder / name).read_text(encoding="utf-8") for folder, name in
              ((_REPORT, "report.css"), (_HERE, "compare.css"))]  # fmt: skip
    scripts = [(folder / name).read_text(encoding="utf-8") for folder, name in
               ((_REPORT, "report.js"), (_HERE, "compare.js"))]  # fmt: skip
    names = " · ".join(side.label for side in comparison.sides)
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(names)} · steadyface</title><style>{''.join(styles)}</style></head>"
        f'<body class="compare"><main>{page_body(comparison)}</main>'
        f"{''.join(f'<script>{script}</script>' for script in scripts)}</body></html>\n"
    )
    make_folder(out.parent)
    write_atomically(out, page)


def page_body(comparison: Comparison) -> str:
    """Heading, verdicts, settings, and a section a clip."""
    sections = "".join(clip_section(comparison.sides, clip, tables) for clip, tables in comparison.clips)
    settings, verdicts = comparison.tables
    return (
        f"<header><p>steadyface</p><h1>{_heading(comparison.sides)}</h1><p>{_with_code(comparison.scope)}</p></header>"
        f'<div class="cards">{"".join(map(verdict_card, comparison.overall))}</div>'
        f"{table_html(verdicts)}{table_html(settings)}{sections}"
        f"<footer>Made by <code>{escape(comparison.command)}</code>. Click a heading to sort by its column. The videos "
        "show about 15 frames a second of each run's first seed; the graphs have every frame.</footer>"
    )


def _with_code(sentence: str) -> str:
    """A sentence whose words in backticks are commands."""
    parts = escape(sentence).split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))


def _heading(sides: Sequence[Side]) -> str:
    names = [f'<span class="{colour_of(index)}">{escape(side.label)}</span>' for index, side in enumerate(sides)]
    return f"{', '.join(names[1:])} against {names[0]}"


def verdict_card(judged: Judgement) -> str:
    return (
        f'<div class="card {judged.verdict}"><span>{escape(judged.side.label)}</span>'
        f"<strong>{judged.verdict}</strong><em>{escape(judged.why)}</em></div>"
    )


def clip_section(sides: Sequence[Side], clip: CommonClip, tables: Sequence[Table]) -> str:
    """One clip: the videos, the graphs under them, and the tables."""
    title = escape(clip.words[:1].upper() + clip.words[1:])
    return (
        f'<section class="clip"><h2>{title}</h2>{side_by_side(sides, clip)}{clip_charts(sides, clip)}'
        f"{''.join(map(table_html, tables))}</section>"
    )


def clip_charts(sides: Sequence[Side], clip: CommonClip) -> str:
    """Tremor and, where there is truth, the distance from it, frame by frame: a line a side, of its first seed."""
    tremor, position = [], []
    for index, side in enumerate(sides):
        member = side.members[0]
        facts, judged = member.run.networks.statistics, clip.judged(member)
        track = member.tracks(judged.name)[0]
        face = judged_face(track, facts.rigid_vertices, facts.vertex_mean)
        true = judged_face(judged.truth, facts.rigid_vertices, facts.vertex_mean) if judged.truth is not None else None
        name, time_s = colour_of(index), track.time_s
        tremor.append(Series(name, tremor_per_frame(face, true, time_s), side.label))
        if true is not None:
            position.append(Series(name, distances(face.picture, true.picture).mean(dim=1), side.label))
    if len(position) < len(sides):
        return line_chart("Acceleration of the projected vertices, px/s²", time_s[1:-1], tremor, time_s)
    error = line_chart("Acceleration error of the projected vertices, px/s²", time_s[1:-1], tremor, time_s)
    away = line_chart("Distance of the projected vertices from the truth, px", time_s, position, time_s)
    return error + away


def table_html(table: Table) -> str:
    """A table whose headings sort it."""
    note = f"<p>{escape(table.note)}</p>" if table.note else ""
    if not table.rows:
        return f'<section class="part"><h3>{escape(table.title)}</h3>{note}</section>'
    heads = "".join(
        f'<th scope="col" aria-sort="none"><button type="button">{escape(heading)}</button></th>'
        for heading in table.headings
    )
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.rows)
    return (
        f'<section class="part"><h3>{escape(table.title)}</h3>{note}<div class="scroll">'
        f'<table class="sortable" id="{escape(table.name)}"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _cell(cell: Cell) -> str:
    kind = " ".join(filter(None, [cell.kind, "number" if cell.value is not None else ""]))
    number = f' data-value="{cell.value!r}"' if cell.value is not None else ""
    main, bracket, rest = cell.text.partition(" [") if cell.value is not None else (cell.text, "", "")
    interval = f"<small>{escape(bracket.strip() + rest)}</small>" if bracket else ""
    return f'<td{f" class={chr(34)}{kind}{chr(34)}" if kind else ""}{number}>{escape(main)}{interval}</td>'
