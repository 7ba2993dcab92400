"""The tables of an experiment's W&B run: every score, the error of each second of a clip, the worst seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import wandb
from torch import Tensor

from launcher.compare.segments import one_second_segments
from launcher.evaluation_media import WorstSegment, drawn_rows, frame_errors
from launcher.figures.finished import FinishedRun
from launcher.report.inputs import JudgedRows, ReportClip
from steadyface.metrics.geometry_errors import distances

ERROR, ERROR_WITHOUT_TRUTH = "reprojection_error_px", "acceleration_px_s2"


def results_table(finished: FinishedRun) -> wandb.Table:
    """A line a clip, row and seed; a column a metric, empty where a row has none."""
    scored = {clip: finished.rows(clip) for clip in finished.clip_names}
    metrics = list(dict.fromkeys(metric for rows in scored.values() for row in rows.values() for metric in row))
    seeds = finished.summary["seeds"]
    lines = []
    for clip, rows in scored.items():
        for row, values in rows.items():
            for place, seed in enumerate(seeds):
                cells = [_of_seed(values.get(metric), place) for metric in metrics]
                lines.append([clip, row, seed, *cells])
    return wandb.Table(columns=["clip", "row", "seed", *metrics], data=lines)


def segments_table(
    clips: Sequence[tuple[ReportClip, JudgedRows]], regions: Mapping[str, Tensor]
) -> wandb.Table:
    """A line a clip, row and second: the error in the picture, and with truth that of the expression by region.

    Args:
        clips: each with all its tracks, and those judged.
        regions: name -> vertices.
    """
    named = [f"vertex_error_{region}_mm" for region in regions]
    lines: list[list[Any]] = []
    for clip, judged in clips:
        errors, true = frame_errors(clip, judged), judged.truth
        for row, face in judged.rows.items():
            apart = distances(face.head.vertices, true.head.vertices) if true is not None else None
            for segment in one_second_segments(clip.tracks[row].time_s):
                error = float(errors[row][segment.frames].mean())
                pair = [error, None] if true is not None else [None, error]
                by_region = [
                    None if apart is None else float(apart[segment.frames][:, members].mean())
                    for members in regions.values()
                ]
                lines.append([clip.name, row, segment.start_s, segment.end_s, *pair, *by_region])
    return wandb.Table(columns=["clip", "row", "start_s", "end_s", ERROR, ERROR_WITHOUT_TRUTH, *named], data=lines)


def worst_table(worst: Sequence[tuple[ReportClip, WorstSegment]]) -> wandb.Table:
    """A line a segment that is tracked badly: when, how badly by row, its worst frame, and the second as a clip."""
    rows = list(dict.fromkeys(row for clip, _ in worst for row in drawn_rows(clip)))
    lines = []
    for clip, one in worst:
        caption = f"{clip.name}, frame {one.frame}: input, {', '.join(drawn_rows(clip))}"
        lines.append(
            [
                clip.name, one.segment.start_s, one.segment.end_s, ERROR if clip.truth else ERROR_WITHOUT_TRUTH,
                *(one.errors.get(row) for row in rows),
                wandb.Image(str(one.picture), caption=caption), wandb.Video(str(one.video), format="mp4"),
            ]
        )  # fmt: skip
    return wandb.Table(columns=["clip", "start_s", "end_s", "error", *rows, "worst frame", "video"], data=lines)


def _of_seed(values: Sequence[float | None] | None, place: int) -> float | None:
    """A seed's value; a row that no seed changes has one for all."""
    if not values:
        return None
    return values[place] if place < len(values) else values[0]
