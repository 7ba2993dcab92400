"""Pictures and videos of an evaluated clip for its W&B run: overlay, worst segments, error maps, textures.

They lie in ``media/CLIP/`` of the experiment's folder. The clip is read, and each frame drawn, once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from kornia.color import linear_rgb_to_rgb
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from launcher.compare.segments import Segment, one_second_segments
from launcher.report.charts import tremor_per_frame
from launcher.report.figures import ADAPTED, SOURCE
from launcher.report.heads import error_maps
from launcher.report.inputs import JudgedRows, ReportClip
from launcher.report.player import PANEL, draw_panel, drawn_rate, face_box
from launcher.report.unwrapped import unwrap_clip, upside_down
from launcher.runs import make_folder
from steadyface.capture.crop import crop_image
from steadyface.capture.video import VideoWriter, read_frames
from steadyface.metrics.geometry_errors import distances
from steadyface.tracking.heat_map import render_heat_map
from steadyface.types import SubjectStatistics

WORST = 3  # segments of a clip that are shown
TURNS_DEG = (0.0, 38.0)
TEXTURES = 8  # frames, spread over the clip, whose model textures are averaged
SMALLEST_TEXTURE = 256  # pixels a side; smaller ones are shown larger
CRF = 24


class WorstSegment(NamedTuple):
    """A part of a clip that is tracked badly.

    errors: row -> its mean error there; frame: the number of the worst frame that is drawn; picture, video: files.
    """

    segment: Segment
    errors: dict[str, float]
    frame: int
    picture: Path
    video: Path


def drawn_rows(clip: ReportClip) -> list[str]:
    """The rows that are drawn beside the clip."""
    return [row for row in (SOURCE, ADAPTED) if row in clip.tracks]


def frame_errors(clip: ReportClip, judged: JudgedRows) -> dict[str, Tensor]:
    """Row -> (T,): mean distance of the projected vertices from the truth, px; of a clip without truth, the mean
    acceleration in the picture, px/s^2."""
    if judged.truth is not None:
        true = judged.truth.picture
        return {row: distances(face.picture, true).mean(dim=1) for row, face in judged.rows.items()}
    found = {row: tremor_per_frame(face, None, clip.tracks[row].time_s) for row, face in judged.rows.items()}
    return {row: torch.cat([values[:1], values, values[-1:]]) for row, values in found.items()}


def find_worst(errors: dict[str, Tensor], time_s: Tensor, media: Path, step: int) -> list[WorstSegment]:
    """The seconds of a clip that the adapted network (or the source, without one) tracks worst, the worst first.

    Args:
        errors: row -> (T,); time_s: (T,).
        media: where the files will lie; step: one frame of how many is drawn.
    """
    values = errors.get(ADAPTED, errors[SOURCE])
    segments = sorted(one_second_segments(time_s), key=lambda one: -float(values[one.frames].mean()))
    found = []
    for number, segment in enumerate(segments[:WORST], start=1):
        drawn = [index for index in range(segment.frames.start, segment.frames.stop) if index % step == 0]
        if not drawn:
            continue
        means = {row: float(of_row[segment.frames].mean()) for row, of_row in errors.items()}
        name = media / f"worst_{number}"
        frame = max(drawn, key=lambda index: float(values[index]))
        found.append(WorstSegment(segment, means, frame, name.with_suffix(".png"), name.with_suffix(".mp4")))
    return found


def draw_clip(
    clip: ReportClip, topology: SubjectStatistics, errors: dict[str, Tensor], media: Path
) -> tuple[Path, list[WorstSegment]]:
    """Write the overlay of the whole clip, and the clips and pictures of its worst segments.

    Each shows the input, the source and the adapted network side by side.
    """
    make_folder(media)
    times = clip.tracks[SOURCE].time_s.double()
    fps, step = drawn_rate(times)
    worst = find_worst(errors, times, media, step)
    size = (PANEL * (1 + len(drawn_rows(clip))), PANEL)
    overlay = media / "overlay.mp4"
    with ExitStack() as writers:
        whole = writers.enter_context(VideoWriter(overlay, *size, fps, crf=CRF))
        parts = [writers.enter_context(VideoWriter(one.video, *size, fps, crf=CRF)) for one in worst]
        for index, picture in panels(clip, topology, step):
            whole.write(picture, float(times[index] - times[0]))
            for one, part in zip(worst, parts, strict=True):
                frames = one.segment.frames
                if frames.start <= index < frames.stop:
                    first = -(-frames.start // step) * step
                    part.write(picture, float(times[index] - times[first]))
                if index == one.frame:
                    Image.fromarray(picture).save(one.picture)
    return overlay, worst


def panels(clip: ReportClip, topology: SubjectStatistics, step: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Number and picture of one frame of ``step``: the input and the drawn rows, cut to where the face is."""
    box, rows = face_box(clip), drawn_rows(clip)
    for frame in read_frames(clip.video):
        if frame.index >= len(clip.tracks[SOURCE]):
            return
        if frame.index % step:
            continue
        crop = crop_image(frame.image, box, PANEL)
        textures = [clip.textures[row](frame.index) if row in clip.textures else None for row in rows]
        drawn = [
            draw_panel(clip.tracks[row], topology, texture, crop, box, frame.index)
            for row, texture in zip(rows, textures, strict=True)
        ]
        yield frame.index, np.concatenate([crop, *drawn], axis=1)


def draw_error_maps(
    clip: ReportClip, topology: SubjectStatistics, judged: JudgedRows, media: Path
) -> dict[Path, str]:
    """File -> caption: the mean error of each vertex, front and turned head; nothing without truth."""
    if judged.truth is None:
        return {}
    make_folder(media)
    maps, limit = error_maps(judged, drawn_rows(clip))
    found = {}
    for row, values in maps.items():
        heads = [
            render_heat_map(topology.vertex_mean, topology.faces, values, limit, PANEL, turn) for turn in TURNS_DEG
        ]
        path = media / f"vertex_error_{row}.png"
        Image.fromarray(np.concatenate(heads, axis=1)).save(path)
        found[path] = f"{row}: {float(values.mean()):.3f} mm on average, darkest at {limit:g} mm"
    return found


def draw_textures(clip: ReportClip, topology: SubjectStatistics, media: Path) -> dict[Path, str]:
    """File -> caption: the texture as each drawn row unwraps it from the clip, beside the model's."""
    make_folder(media)
    rows = drawn_rows(clip)
    turned = upside_down(clip.tracks[SOURCE], topology)
    found = {}
    for row, observed in zip(rows, unwrap_clip(clip, [clip.tracks[row] for row in rows], topology), strict=True):
        pictures = [observed.mean * (observed.seen > 0)]
        if row in clip.textures:
            length = len(clip.tracks[row])
            frames = sorted({index * length // TEXTURES for index in range(min(TEXTURES, length))})
            model = torch.stack([clip.textures[row](index) for index in frames]).mean(dim=0)
            pictures.append(model.to(observed.mean))
        pixels = linear_rgb_to_rgb(torch.cat(pictures, dim=2).clamp(0, 1))
        pixels = pixels.flip(1) if turned else pixels
        path = media / f"texture_{row}.png"
        shown = (pixels.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
        zoom = max(1, SMALLEST_TEXTURE // topology.texture_size)
        Image.fromarray(shown.repeat(zoom, axis=0).repeat(zoom, axis=1)).save(path)
        found[path] = f"{row}: observed (mean over the clip)" + (", the model's" if len(pictures) > 1 else "")
    return found
