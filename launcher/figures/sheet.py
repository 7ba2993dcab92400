"""Frames of a clip as input, mesh, textured face and overlay, for source and adapted (Yoon et al. 2019, Fig. 8)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from launcher.figures.finished import FinishedRun
from launcher.figures.style import MUTED, WIDTH_IN, Drawing, Skipped, clip_words, colour_of, headline
from launcher.report.figures import ADAPTED, SOURCE
from launcher.report.inputs import ReportClip
from launcher.report.player import face_box
from launcher.report.sentences import row_name
from steadyface.capture.crop import Box, crop_image
from steadyface.capture.video import read_frames
from steadyface.geometry.cameras import crop_intrinsics
from steadyface.tracking.overlay import draw_overlay, rasterize_front
from steadyface.types import SubjectStatistics

Picture = NDArray[np.uint8]

FRAMES = 4  # of a clip, spread over it
PANEL = 320  # pixels a side
COLUMNS = ("mesh", "textured", "overlay")
_GROUND = 245  # of the panels that show the face alone
_TITLE_IN, _HEAD_IN, _TIMES_IN, _GAP_IN = 0.46, 0.36, 0.42, 0.08


class SheetRow(NamedTuple):
    """One frame: its time from the clip's start, its crop, and row -> its pictures in the order of `COLUMNS`.

    All pictures are (PANEL, PANEL, 3) uint8 sRGB.
    """

    time_s: float
    crop: Picture
    tracked: dict[str, list[Picture]]


def draw_sheets(runs: Sequence[FinishedRun]) -> Iterator[Drawing | Skipped]:
    """A sheet for every clip of every run."""
    for run in runs:
        for clip in run.clips:
            name = f"sheet_{run.name}_{clip.name}"
            shown = run.drawn_clip(clip, (SOURCE, ADAPTED))
            if SOURCE not in shown.tracks:
                yield Skipped(name, f"there is no track of the source in {run.folder / 'tracks' / clip.name}")
            elif not clip.path.is_file():
                yield Skipped(name, f"the clip is gone: {clip.path}")
            else:
                title = f"{clip_words(clip.name)}, frames spread over it: {run.name}"
                rows = sheet_rows(shown, run.networks.statistics)
                yield Drawing(name, _figure(title, rows), (".png",))  # of pixels: nothing to gain from vectors


def spread_frames(count: int, wanted: int = FRAMES) -> list[int]:
    """Frame numbers in the middles of ``wanted`` equal parts of a clip of ``count`` frames, each once.

    >>> spread_frames(100), spread_frames(2)
    ([12, 37, 62, 87], [0, 1])
    """
    wanted = min(wanted, count)
    return [(2 * part + 1) * count // (2 * wanted) for part in range(wanted)]


def sheet_rows(clip: ReportClip, topology: SubjectStatistics, wanted: int = FRAMES) -> list[SheetRow]:
    """The pictures of a sheet; the video is read once, and every picture is cut to the face.

    Args:
        clip: with the tracks and textures of the rows to show; ``source`` among them.
        topology: the subject's faces, uv and regions.
        wanted: number of frames.
    """
    times = clip.tracks[SOURCE].time_s
    indices, box = spread_frames(len(times), wanted), face_box(clip)
    rows = []
    for frame in read_frames(clip.video):
        if frame.index > indices[-1]:
            break
        if frame.index in indices:
            crop = crop_image(frame.image, box, PANEL)
            tracked = {row: _pictures(clip, row, topology, crop, box, frame.index) for row in clip.tracks}
            rows.append(SheetRow(float(times[frame.index] - times[0]), crop, tracked))
    return rows


def _pictures(
    clip: ReportClip, row: str, topology: SubjectStatistics, crop: Picture, box: Box, index: int
) -> list[Picture]:
    track = clip.tracks[row]
    if not bool(track.found[index]):
        return [np.full_like(crop, _GROUND), np.full_like(crop, _GROUND), crop]
    intrinsics = crop_intrinsics(track.intrinsics[index].double(), torch.tensor(box, dtype=torch.float64), PANEL)
    placed = track.vertices[index] @ track.rotation[index].T + track.translation[index]
    texture = clip.textures[row](index) if row in clip.textures else None
    ground = np.full_like(crop, _GROUND)
    mesh = draw_overlay(ground, placed, intrinsics, topology, opacity=1.0)
    # its colours are fitted to the frame, so the face is drawn there first and then cut out
    textured = draw_overlay(crop, placed, intrinsics, topology, texture, opacity=1.0)
    textured = np.where(_covered(placed, intrinsics, topology)[..., None], textured, ground)
    return [mesh, textured, draw_overlay(crop, placed, intrinsics, topology, texture, contour=True)]


def _covered(placed: Tensor, intrinsics: Tensor, topology: SubjectStatistics) -> NDArray[np.bool_]:
    found = rasterize_front(placed.float(), topology.faces, intrinsics.float(), PANEL, PANEL)
    return (found.triangle[0] >= 0).numpy()


def _figure(title: str, rows: list[SheetRow]) -> Figure:
    networks = list(rows[0].tracked)
    columns = 1 + len(COLUMNS) * len(networks)
    side = (WIDTH_IN - _TIMES_IN - _GAP_IN * len(networks)) / 7  # a source alone has pictures of the same size
    width = _TIMES_IN + columns * side + _GAP_IN * len(networks)
    height = _TITLE_IN + _HEAD_IN + side * len(rows)
    figure = Figure(figsize=(max(width, 0.6 * WIDTH_IN), height))
    width = float(figure.get_size_inches()[0])
    for number, row in enumerate(rows):
        bottom = height - _TITLE_IN - _HEAD_IN - side * (number + 1)
        pictures = [(0, "", row.crop)]
        for group, network in enumerate(networks, start=1):
            pictures += [(group, network, picture) for picture in row.tracked[network]]
        figure.text((_TIMES_IN - 0.06) / width, (bottom + side / 2) / height, f"{row.time_s:.1f} s",
                    ha="right", va="center", color=MUTED)  # fmt: skip
        for column, (group, _, picture) in enumerate(pictures):
            left = _TIMES_IN + column * side + group * _GAP_IN
            axes = figure.add_axes((left / width, bottom / height, side / width, side / height))
            axes.imshow(picture, interpolation="lanczos", aspect="auto")
            axes.set_axis_off()
    _column_heads(figure, networks, side)
    headline(figure, title, "The same frames under the source network and after adaptation.")
    return figure


def _column_heads(figure: Figure, networks: list[str], side: float) -> None:
    width, height = (float(value) for value in figure.get_size_inches())
    low, high = 1.0 - (_TITLE_IN + _HEAD_IN - 0.05) / height, 1.0 - (_TITLE_IN + _HEAD_IN - 0.2) / height
    figure.text((_TIMES_IN + side / 2) / width, low, "input", ha="center", color=MUTED)
    for group, network in enumerate(networks):
        start = _TIMES_IN + side * (1 + len(COLUMNS) * group) + _GAP_IN * (group + 1)
        for place, column in enumerate(COLUMNS):
            figure.text((start + side * (place + 0.5)) / width, low, column, ha="center", color=MUTED)
        middle = start + side * len(COLUMNS) / 2
        figure.text(middle / width, high, row_name(network), ha="center", weight="bold", color=colour_of(network))
