"""The clip, and each side's first track over the same frames: a video each, all of one length and rate."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from html import escape
from pathlib import Path

from launcher.compare.common_clips import CommonClip
from launcher.compare.sides import Side
from launcher.report.embed import video_uri
from launcher.report.player import CONTROLS, PANEL, draw_panel, drawn_rate, track_box
from launcher.tracking import ModelTextures
from steadyface.capture.crop import crop_image
from steadyface.capture.video import VideoWriter, read_frames

_CRF = 24
CLIP = "The clip"
COLOURS = 6  # in compare.css; a seventh side has the first one's again


def side_by_side(sides: Sequence[Side], clip: CommonClip) -> str:
    """The videos with their common controls, as HTML. The first one leads, the others follow it."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{index}.mp4" for index in range(1 + len(sides))]
        write_videos(sides, clip, paths)
        uris = [video_uri(path) for path in paths]
    labels = [("", CLIP), *((colour_of(index), side.label) for index, side in enumerate(sides))]
    panels = "".join(
        f'<figure class="{name}"><figcaption>{escape(label)}</figcaption>'
        f'<video muted playsinline preload="auto"{" loop" if not index else ""} src="{uri}"></video></figure>'
        for index, ((name, label), uri) in enumerate(zip(labels, uris, strict=True))
    )
    return f'<div class="player"><div class="panels">{panels}</div>{CONTROLS}</div>'


def colour_of(index: int) -> str:
    """The class of ``compare.css`` that a side's label and lines have."""
    return f"side{index % COLOURS}"


def write_videos(sides: Sequence[Side], clip: CommonClip, paths: Sequence[Path]) -> None:
    """Write the clip's crop and each side's panel; the clip is read once.

    Args:
        paths: the targets, the clip's first.
    """
    members = [side.members[0] for side in sides]
    tracks = [member.tracks(clip.name_in(member))[0] for member in members]
    textures = [ModelTextures(member.run.networks, track) for member, track in zip(members, tracks, strict=True)]
    box, times = track_box(clip.path, tracks[0]), tracks[0].time_s.double()
    fps, step = drawn_rate(times)
    with ExitStack() as stack:
        writers = [stack.enter_context(VideoWriter(path, PANEL, PANEL, fps, crf=_CRF)) for path in paths]
        for frame in read_frames(clip.path):
            if frame.index >= len(times):
                break
            if frame.index % step:
                continue
            crop = crop_image(frame.image, box, PANEL)
            panels = [
                draw_panel(track, member.run.networks.statistics, texture(frame.index), crop, box, frame.index)
                for member, track, texture in zip(members, tracks, textures, strict=True)
            ]
            for writer, picture in zip(writers, [crop, *panels], strict=True):
                writer.write(picture, float(times[frame.index] - times[0]))
