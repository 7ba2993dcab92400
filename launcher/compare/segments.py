"""The scores of each second of a clip: its track and its truth cut, and judged like the whole clip."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from datamodules.wild_clips import ClipInfo, square_box
from launcher.compare.common_clips import CommonClip
from launcher.compare.sides import SOURCE, Member, Side
from launcher.compare.values import Measure
from launcher.judge import Judge, JudgedClip
from launcher.report.player import track_box
from launcher.tracking import TrackedClip
from steadyface.capture.clip_truth import ClipTruth
from steadyface.capture.video import probe
from steadyface.tracking.crop_path import fixed_path
from steadyface.tracking.landmark_track import LandmarkTrack
from steadyface.tracking.track import Track

LENGTH_S = 1.0
SHORTEST_FRAMES = 4  # under this there is neither acceleration nor lag to speak of

Scores = dict[str, list[float]]
"""Metric -> a value a seed."""


class Segment(NamedTuple):
    """A part of a clip: its frames, and its ends in seconds from the clip's start."""

    frames: slice
    start_s: float
    end_s: float

    @property
    def words(self) -> str:
        return f"{self.start_s:.1f} to {self.end_s:.1f} s"


def one_second_segments(time_s: Tensor, length_s: float = LENGTH_S) -> list[Segment]:
    """A clip cut into parts of a second; what is left at its end and is shorter than half belongs to the last.

    Args:
        time_s: (T,) increasing.

    >>> import torch
    >>> [segment.words for segment in one_second_segments(torch.arange(24) / 10)]
    ['0.0 to 1.0 s', '1.0 to 2.3 s']
    """
    since = (time_s - time_s[0]).double()
    number = ((since + 1e-6) / length_s).floor().long()
    starts = [int((number < k).sum()) for k in range(int(number[-1]) + 1)]
    starts = sorted(set(starts))
    while len(starts) > 1 and _too_short(since, starts[-1], length_s):
        starts.pop()
    ends = [*starts[1:], len(since)]
    return [
        Segment(slice(start, end), float(since[start]), float(since[min(end, len(since) - 1)]))
        for start, end in zip(starts, ends, strict=True)
        if end - start >= SHORTEST_FRAMES
    ]


def _too_short(since: Tensor, start: int, length_s: float) -> bool:
    return len(since) - start < SHORTEST_FRAMES or float(since[-1] - since[start]) < 0.5 * length_s


class SegmentScores:
    """Every member's scores in every segment of a clip.

    Args:
        sides: of the comparison.
        clip: a clip that all of them were scored on.
    """

    def __init__(self, sides: Sequence[Side], clip: CommonClip) -> None:
        members = [member for side in sides for member in side.members]
        self.segments = one_second_segments(members[0].scored_tracks(clip.name_in(members[0]))[0].time_s)
        judges: dict[Path, list[Judge]] = {}  # by experiment: its rows are all judged against its source
        self._scores: dict[str, list[Scores]] = {}
        for member in members:
            folder = member.run.folder.resolve()
            if folder not in judges:
                judges[folder] = segment_judges(member, clip, self.segments)
            tracks = member.scored_tracks(clip.name_in(member))
            pairs = zip(judges[folder], self.segments, strict=True)
            self._scores[member.word] = [_scores(judge, segment, tracks) for judge, segment in pairs]

    def measure(self, index: int) -> Measure:
        """The values of one segment, as the statistics ask for them."""

        def values(member: Member, metric: str) -> list[float] | None:
            found = self._scores[member.word][index].get(metric)
            return found if found and all(map(math.isfinite, found)) else None

        return values


def segment_judges(member: Member, clip: CommonClip, segments: Sequence[Segment]) -> list[Judge]:
    """A judge for each segment of a clip, as the member's experiment knows it."""
    judged = clip.judged(member)
    source = Track.load(member.run.folder / "tracks" / judged.name / f"{SOURCE}.npz")
    info = clip_info(judged, source)
    judges = []
    for segment in segments:
        truth = cut_truth(judged.truth, segment.frames) if judged.truth is not None else None
        part = JudgedClip(judged.name, judged.path, judged.box, judged.focal_px, truth)
        here = TrackedClip(source[segment.frames], info._replace(crops=info.crops[segment.frames]))
        judges.append(Judge(part, member.run.networks, here))
    return judges


def _scores(judge: Judge, segment: Segment, tracks: Sequence[Track | LandmarkTrack]) -> Scores:
    found: Scores = {}
    for track in tracks:
        for metric, value in judge.score(track[segment.frames]).items():
            found.setdefault(metric, []).append(value)
    return found


def clip_info(clip: JudgedClip, source: Track) -> ClipInfo:
    """What the judge needs of a clip, without decoding it; without a box, the square where the source's face is."""
    info = probe(clip.path)
    box = square_box(clip.path, clip.box, info) if clip.box else track_box(clip.path, source)
    intrinsics = source.intrinsics[0]
    crops = fixed_path(source.time_s, box, source.shot)
    return ClipInfo(clip.path, crops, info.width, info.height, intrinsics, clip.focal_px == 0)


def cut_truth(truth: ClipTruth, frames: slice) -> ClipTruth:
    return ClipTruth(**{field.name: getattr(truth, field.name)[frames] for field in fields(truth)})
