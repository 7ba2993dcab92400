"""The mean error of each vertex as colour on the head, source beside adapted (Yoon et al. 2019, Fig. 12)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from launcher.figures.finished import FinishedRun
from launcher.figures.style import MUTED, WIDTH_IN, Drawing, Skipped, clip_words, colour_of, headline
from launcher.judge import JudgedClip
from launcher.report.charts import nice_ticks
from launcher.report.figures import ADAPTED, SOURCE, number
from launcher.report.inputs import ReportClip, judge_rows
from launcher.report.sentences import row_name
from steadyface.metrics.geometry_errors import distances
from steadyface.tracking.heat_map import colour_scale, render_heat_map
from steadyface.types import SubjectStatistics

TURNS_DEG = (-38.0, 0.0, 38.0)
_SIZE = 420  # pixels a side
_TITLE_IN, _HEAD_IN, _BAR_IN, _GAP_IN = 0.56, 0.24, 0.62, 0.16


def draw_accuracy(runs: Sequence[FinishedRun]) -> Iterator[Drawing | Skipped]:
    """A figure for every clip with truth, of every run."""
    for run in runs:
        for clip in run.clips:
            name = f"accuracy_{run.name}_{clip.name}"
            if clip.truth is None:
                yield Skipped(name, f"there is no truth beside {clip.path}")
            elif errors := vertex_errors(run, clip):
                title = f"Where the expression is wrong, {clip_words(clip.name).lower()}: {run.name}"
                yield Drawing(name, _figure(title, errors, run.networks.statistics), (".png",))
            else:
                yield Skipped(name, f"there are no tracks in {run.folder / 'tracks' / clip.name}")


def vertex_errors(run: FinishedRun, clip: JudgedClip) -> dict[str, Tensor]:
    """Mean distance of each vertex from the truth over the clip, row -> (N,) mm, for source and adapted.

    In the head frame, both canonicalised on the rigid vertices, so that head motion does not count; of
    the first seed. The mean over the vertices is the summary's ``vertex_error_mm``.
    """
    tracks = {row: track for row, track in run.tracks(clip.name).items() if row in (SOURCE, ADAPTED)}
    judged = judge_rows(ReportClip(clip.name, clip.path, tracks, clip.truth), run.networks.statistics)
    if judged.truth is None:
        return {}
    true = judged.truth.head.vertices
    return {row: distances(face.head.vertices, true).mean(dim=0) for row, face in judged.rows.items()}


def heads_on_white(values: Tensor, topology: SubjectStatistics, limit: float) -> list[NDArray[np.uint8]]:
    """The coloured head under each of `TURNS_DEG`, (H, W, 3) uint8 sRGB, all cut to where any of them is.

    Args:
        values: (N,) mm.
        topology: the subject's faces and mean mesh.
        limit: value of the darkest colour, mm.
    """
    drawn = [render_heat_map(topology.vertex_mean, topology.faces, values, limit, _SIZE, turn) for turn in TURNS_DEG]
    seen = np.stack(drawn)[..., 3].max(axis=0) > 0
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    layers = np.stack(drawn)[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32)
    share = layers[..., 3:] / 255.0
    return list((share * layers[..., :3] + (1.0 - share) * 255.0).round().astype(np.uint8))


def _figure(title: str, errors: dict[str, Tensor], topology: SubjectStatistics) -> Figure:
    # what is rare may saturate: one vertex of the neck must not make the rest of the face pale
    limit = nice_ticks(float(torch.quantile(torch.cat(list(errors.values())), 0.98)))[-1]
    heads = {row: heads_on_white(values, topology, limit) for row, values in errors.items()}
    rows, columns = next(iter(heads.values()))[0].shape[:2]
    wide = (WIDTH_IN - _BAR_IN - 0.1 - _GAP_IN) / (2 * len(TURNS_DEG))  # a source alone has heads of the same size
    tall = wide * rows / columns
    width = max(_BAR_IN + 0.1 + (_GAP_IN + wide * len(TURNS_DEG)) * len(errors) - _GAP_IN, 0.75 * WIDTH_IN)
    height = _TITLE_IN + _HEAD_IN + tall + 0.08
    figure = Figure(figsize=(width, height))
    for group, (row, values) in enumerate(errors.items()):
        start = 0.05 + group * (wide * len(TURNS_DEG) + _GAP_IN)
        for place, picture in enumerate(heads[row]):
            axes = figure.add_axes(((start + place * wide) / width, 0.06 / height, wide / width, tall / height))
            axes.imshow(picture, interpolation="lanczos", aspect="auto")
            axes.set_axis_off()
        label = f"{row_name(row)}: {number(float(values.mean()))} mm on average"
        figure.text((start + wide * len(TURNS_DEG) / 2) / width, (tall + 0.14) / height, label, ha="center",
                    weight="bold", color=colour_of(row))  # fmt: skip
    _colour_bar(figure, limit, tall)
    headline(figure, title,
             "Mean distance of each vertex from the truth, head frame: head motion does not count.\n"
             "Drawn on the mean mesh, all heads on one scale.")  # fmt: skip
    return figure


def _colour_bar(figure: Figure, limit: float, tall: float) -> None:
    width, height = (float(value) for value in figure.get_size_inches())
    axes = figure.add_axes((1.0 - (_BAR_IN - 0.06) / width, 0.14 / height, 0.09 / width, (tall - 0.16) / height))
    scale = ListedColormap(colour_scale(torch.linspace(0.0, 1.0, 256), 1.0).tolist())
    bar = figure.colorbar(ScalarMappable(Normalize(0.0, limit), scale), cax=axes)
    ticks = nice_ticks(limit)
    bar.set_ticks(ticks, labels=[f"{'≥ ' if tick >= limit else ''}{tick:g}" for tick in ticks])
    bar.outline.set_visible(False)  # type: ignore[operator]
    axes.tick_params(length=0, pad=2)
    figure.text(1.0 - (_BAR_IN - 0.06) / width, (tall + 0.14) / height, "mm", color=MUTED)
