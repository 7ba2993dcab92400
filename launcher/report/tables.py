"""The figures as HTML tables: medians, the value of every seed, changes against the source, a sentence."""

from __future__ import annotations

from html import escape

from launcher.report.figures import ADAPTED, SOURCE, change, changes, finite, middle, number, percent
from launcher.report.inputs import Row
from launcher.report.sentences import row_name, row_sentence
from launcher.summary import ordered_rows

# metric, heading, unit, whether less is better (None: neither way)
COLUMNS: tuple[tuple[str, str, str, bool | None], ...] = (
    ("reprojection_error_px", "Reprojection error", "px", True),
    ("acceleration_error_px_s2", "Acceleration error", "px/s²", True),
    ("acceleration_px_s2", "Acceleration", "px/s²", None),
    ("vertex_error_mm", "Expression error", "mm", True),
    ("vertex_error_lips_mm", "Error of the lips", "mm", True),
    ("stability_ratio_picture", "Stability ratio", "1 = straight", None),
    ("lag_ms_picture", "Lag", "ms, + = late", None),
    ("texture_coverage", "Coverage", "of the source's", None),
)
_WITH_TRUTH = "reprojection_error_px"
_WITHOUT_TRUTH_ONLY = "acceleration_px_s2"  # beside its error, the plain acceleration says little


def figures_table(rows: dict[str, Row]) -> str:
    """One clip's rows; a metric that nobody measured has no column."""
    columns = [column for column in COLUMNS if any(middle(row, column[0]) is not None for row in rows.values())]
    if any(column[0] == _WITH_TRUTH for column in columns):
        columns = [column for column in columns if column[0] != _WITHOUT_TRUTH_ONLY]
    heads = "".join(f"<th>{head}<small>{unit}</small></th>" for _, head, unit, _ in columns)
    body = "".join(_row(name, rows, columns) for name in ordered_rows(rows))
    return (
        f'<div class="scroll"><table class="figures"><thead><tr><th></th>{heads}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _row(name: str, rows: dict[str, Row], columns: list[tuple[str, str, str, bool | None]]) -> str:
    cells = "".join(_cell(rows[name], rows.get(SOURCE), name, *column) for column in columns)
    kind = ' class="chosen"' if name == ADAPTED else ""
    sentence = escape(row_sentence(name, rows))
    return (
        f"<tr{kind}><th>{escape(row_name(name))}<code>{escape(name)}</code></th>{cells}</tr>"
        f'<tr{kind}><td class="sentence" colspan="{len(columns) + 1}">{sentence}</td></tr>'
    )


def _cell(row: Row, source: Row | None, name: str, metric: str, head: str, unit: str, less: bool | None) -> str:
    value, against = middle(row, metric), change(row, source, metric)
    text = f"<b>{number(value)}</b>"
    if name != SOURCE and against is not None and less is not None:
        text += f'<span class="{verdict(against, less)}">{percent(against)}</span>'
    seeds = finite(row.get(metric))
    if len(set(seeds)) > 1:
        text += f"<small>{' · '.join(number(seed) for seed in seeds)}</small>"
    return f"<td>{text}</td>"


def verdict(against: float, less_is_better: bool) -> str:
    """``better``, ``worse`` or ``same`` (within 2 %)."""
    if abs(against) < 0.02:
        return "same"
    return "better" if (against < 0) == less_is_better else "worse"


def headline(rows: dict[str, Row], title: str) -> str:
    """The cards at the top: what adapting changed, the median large and every seed small."""
    cards = "".join(_card(rows, metric, head, unit) for metric, head, unit in _headline_metrics(rows))
    return f'<div class="cards"><h3>{escape(title)}</h3>{cards}</div>' if cards else ""


def _headline_metrics(rows: dict[str, Row]) -> list[tuple[str, str, str]]:
    wanted = ["reprojection_error_px", "acceleration_error_px_s2", "vertex_error_mm", "vertex_error_lips_mm"]
    if middle(rows.get(ADAPTED), _WITH_TRUTH) is None:
        wanted = [_WITHOUT_TRUTH_ONLY]
    named = {metric: (head, unit) for metric, head, unit, _ in COLUMNS}
    return [(metric, *named[metric]) for metric in wanted]


def _card(rows: dict[str, Row], metric: str, head: str, unit: str) -> str:
    source, adapted = rows.get(SOURCE), rows.get(ADAPTED)
    before, after, against = middle(source, metric), middle(adapted, metric), change(adapted, source, metric)
    if before is None or after is None or against is None:
        return ""
    seeds = changes(adapted, source, metric)
    listed = " · ".join(f"<i>{percent(seed)}</i>" for seed in seeds)
    each = f"<small>each seed: {listed}</small>" if len(seeds) > 1 else ""
    return (
        f'<div class="card {verdict(against, True)}"><span>{head}</span><strong>{percent(against)}</strong>'
        f"<em>{number(before)} → {number(after)} {unit}</em>{each}</div>"
    )


def time_bar(seconds: dict[str, float]) -> str:
    """Each stage's share of the time as one bar, with the figures under it."""
    total = sum(seconds.values())
    if total <= 0:
        return ""
    parts = "".join(
        f'<i style="flex:{value / total:.5f}" class="stage{index % 6}" title="{escape(label)}"></i>'
        for index, (label, value) in enumerate(seconds.items())
    )
    labels = "".join(
        f'<li><i class="stage{index % 6}"></i>{escape(label)} <b>{value:.0f} s</b> {100 * value / total:.0f} %</li>'
        for index, (label, value) in enumerate(seconds.items())
    )
    minutes = f"{total / 60:.1f} minutes" if total >= 90 else f"{total:.0f} seconds"
    return (
        f"<section><h2>Time</h2><p>All stages together took {minutes}.</p>"
        f'<div class="timebar">{parts}</div><ul class="timelist">{labels}</ul></section>'
    )
