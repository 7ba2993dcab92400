"""The clip, the source and the adapted network side by side: one video, so that nothing runs apart."""

from __future__ import annotations

import tempfile
from html import escape
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from launcher.report.embed import video_uri
from launcher.report.figures import ADAPTED, SOURCE
from launcher.report.inputs import ReportClip
from launcher.report.sentences import row_name
from steadyface.capture.crop import Box, crop_image
from steadyface.capture.video import VideoWriter, probe, read_frames
from steadyface.geometry.cameras import crop_intrinsics, project
from steadyface.tracking.overlay import draw_overlay
from steadyface.tracking.track import Track
from steadyface.types import SubjectStatistics

PANEL = 320  # pixels a side
_CRF = 24
_FALLBACK_FPS = 30.0
_DRAWN_FPS = 15.0  # the rate of the video, about: every frame drawn costs as much as tracking it
CONTROLS = (
    '<div class="controls"><button class="play" type="button" aria-label="play or pause">▶</button>'
    '<input class="seek" type="range" min="0" max="1000" value="0" step="1" aria-label="position in the clip">'
    '<output class="clock">0.00 s</output>'
    '<select class="rate" aria-label="speed"><option value="1">1 ×</option>'
    '<option value="0.5">½ ×</option><option value="0.2">⅕ ×</option></select></div>'
)


def player(clip: ReportClip, topology: SubjectStatistics) -> str:
    """The video with its controls, as HTML; panels: the clip, then the source, then the adapted.

    Args:
        clip: what is shown.
        topology: the subject's faces, uv and regions.
    """
    rows = [row for row in (SOURCE, ADAPTED) if row in clip.tracks]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "panels.mp4"
        write_panels(clip, topology, rows, path)
        uri = video_uri(path)
    labels = "".join(f'<span class="{row}">{escape(label)}</span>' for row, label in _labels(rows))
    return (
        f'<div class="player"><div class="labels">{labels}</div>'
        f'<video muted loop playsinline preload="auto" src="{uri}"></video>'
        f"{CONTROLS}</div>"
    )


def _labels(rows: list[str]) -> list[tuple[str, str]]:
    return [("clip", "The clip"), *((row, row_name(row)) for row in rows)]


def write_panels(clip: ReportClip, topology: SubjectStatistics, rows: list[str], out: Path) -> None:
    """Write the panels as one mp4, cut to where the face is; of a clip of 30 frames a second, every second one.

    Args:
        clip: what is shown.
        topology: the subject's faces, uv and regions.
        rows: names of the tracks drawn beside the clip.
        out: the target, ``*.mp4``.
    """
    box = face_box(clip)
    times = clip.tracks[SOURCE].time_s.double()
    fps, step = drawn_rate(times)
    with VideoWriter(out, PANEL * (1 + len(rows)), PANEL, fps, crf=_CRF) as writer:
        for frame in read_frames(clip.video):
            if frame.index >= len(times):
                break
            if frame.index % step:
                continue
            crop = crop_image(frame.image, box, PANEL)
            drawn = [_panel(clip, topology, row, crop, box, frame.index) for row in rows]
            writer.write(np.concatenate([crop, *drawn], axis=1), float(times[frame.index] - times[0]))


def drawn_rate(times: Tensor) -> tuple[float, int]:
    """Of a clip's time stamps (T,) s: the rate at which it is shown, and how many frames one is drawn of."""
    length = float(times[-1] - times[0])
    fps = (len(times) - 1) / length if length > 0 else _FALLBACK_FPS
    step = max(1, round(fps / _DRAWN_FPS))
    return fps / step, step


def _panel(
    clip: ReportClip, topology: SubjectStatistics, row: str, crop: NDArray[np.uint8], box: Box, index: int
) -> NDArray[np.uint8]:
    texture = clip.textures[row](index) if row in clip.textures else None
    return draw_panel(clip.tracks[row], topology, texture, crop, box, index)


def draw_panel(
    track: Track, topology: SubjectStatistics, texture: Tensor | None, crop: NDArray[np.uint8], box: Box, index: int
) -> NDArray[np.uint8]:
    """A tracked frame drawn over its crop (PANEL, PANEL, 3) of ``box``; in clay without a texture, and the crop
    itself where no face was found."""
    if not bool(track.found[index]):
        return crop.copy()
    intrinsics = crop_intrinsics(track.intrinsics[index].double(), torch.tensor(box, dtype=torch.float64), PANEL)
    placed = track.vertices[index] @ track.rotation[index].T + track.translation[index]
    return draw_overlay(crop, placed, intrinsics, topology, texture, contour=True)


def face_box(clip: ReportClip, scale: float = 1.12) -> Box:
    """The square that holds the source's face in nine frames of ten, inside the picture where it fits."""
    return track_box(clip.video, clip.tracks[SOURCE], scale)


def track_box(video: Path, track: Track, scale: float = 1.12) -> Box:
    """The square that holds a tracked face in nine frames of ten, inside the video's picture where it fits."""
    info, track = probe(video), track[track.found]
    points = project(track.camera_vertices().double(), track.intrinsics.double())
    low = torch.quantile(points.amin(dim=1), 0.05, dim=0)
    high = torch.quantile(points.amax(dim=1), 0.95, dim=0)
    largest = float(min(info.width, info.height))
    side = min(max(scale * float((high - low).max()), 32.0), largest)
    centre = (low + high) / 2
    left = min(max(float(centre[0]) - side / 2, 0.0), info.width - side)
    top = min(max(float(centre[1]) - side / 2, 0.0), info.height - side)
    return (left, top, side, side)
