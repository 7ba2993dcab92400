"""The vertex error heat maps: the mean error of each vertex on the head, source and adapted on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import torch
from torch import Tensor

from launcher.report.charts import nice_ticks
from launcher.report.embed import webp_uri
from launcher.report.figures import ADAPTED, SOURCE, number
from launcher.report.inputs import JudgedRows, ReportClip
from launcher.report.sentences import row_name
from steadyface.metrics.geometry_errors import distances
from steadyface.tracking.heat_map import colour_scale, render_heat_map
from steadyface.types import SubjectStatistics

_TURNS_DEG = (0.0, 38.0)
_SIZE = 340


def heat_maps(clip: ReportClip, topology: SubjectStatistics, judged: JudgedRows) -> str:
    """Front and turned head for the source and the adapted network; empty without truth."""
    if judged.truth is None:
        return ""
    rows = [row for row in (SOURCE, ADAPTED) if row in clip.tracks]
    maps, limit = error_maps(judged, rows)
    figures = "".join(_head(row, maps[row], topology, limit) for row in rows)
    return (
        '<section class="part"><h3>Where the expression is wrong</h3>'
        "<p>Mean distance of each vertex from the truth over the clip, in the head frame: head motion does not "
        f'count. All heads on one scale.</p><div class="heads">{figures}{colour_bar(limit)}</div></section>'
    )


def error_maps(judged: JudgedRows, rows: Sequence[str]) -> tuple[dict[str, Tensor], float]:
    """Row -> (N,) mean distance of each vertex from the truth in the head frame, mm; and the value of the darkest
    colour on their common scale.

    Args:
        judged: of a clip with truth.
        rows: which of them.
    """
    assert judged.truth is not None
    true = judged.truth.head.vertices
    maps = {row: distances(judged.rows[row].head.vertices, true).mean(dim=0) for row in rows}
    # what is rare may saturate: one vertex of the neck must not make the rest of the face pale
    return maps, nice_ticks(float(torch.quantile(torch.cat(list(maps.values())), 0.98)))[-1]


def _head(row: str, values: Tensor, topology: SubjectStatistics, limit: float) -> str:
    pictures = "".join(
        f'<img alt="{escape(row_name(row))}, error map" width="{_SIZE}" height="{_SIZE}" src="'
        f'{webp_uri(render_heat_map(topology.vertex_mean, topology.faces, values, limit, _SIZE, turn))}">'
        for turn in _TURNS_DEG
    )
    caption = f"{escape(row_name(row))} <b>{number(float(values.mean()))} mm</b> on average"
    return f'<figure class="{row}"><figcaption>{caption}</figcaption>{pictures}</figure>'


def colour_bar(limit: float) -> str:
    """The scale of the heat maps, upright, with its ticks in mm."""
    shares = torch.linspace(0.0, 1.0, 24)
    colours = (colour_scale(shares, 1.0) * 255).round().int().tolist()
    stops = "".join(
        f'<stop offset="{float(share):.3f}" stop-color="rgb({r},{g},{b})"/>'
        for share, (r, g, b) in zip(shares, colours, strict=True)
    )
    ticks = "".join(
        f'<text class="tick" x="26" y="{214 - 200 * tick / limit:.1f}">{"≥ " if tick >= limit else ""}{tick:g}</text>'
        for tick in nice_ticks(limit)
    )
    return (
        '<svg class="bar" viewBox="0 0 64 236" width="64" height="236" role="img" aria-label="colour scale in mm">'
        f'<defs><linearGradient id="heat" x1="0" y1="1" x2="0" y2="0">{stops}</linearGradient></defs>'
        f'<rect x="2" y="10" width="16" height="200" rx="3" fill="url(#heat)"/>{ticks}'
        '<text class="tick" x="2" y="232">mm</text></svg>'
    )
