"""What the page is made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from steadyface.capture.clip_truth import ClipTruth
from steadyface.metrics.evaluate_track import JudgedFace, judged_face
from steadyface.tracking.overlay import TextureProvider
from steadyface.tracking.track import Track
from steadyface.types import SubjectStatistics

Row = dict[str, list[float]]
"""Metric name -> a value per seed."""


@dataclass(frozen=True)
class ReportClip:
    """One clip of the page.

    Attributes:
        name: its key in the summary, ``adapted_clip`` or ``held_out_clip``.
        video: the file, of as many frames as the tracks.
        tracks: row name -> track of the first seed. ``source`` must be there; ``adapted`` and
            ``source_smoothed`` are drawn where they are there, others are only in the table.
        truth: of the clip; None for a real one, whose page then shows what needs no truth.
        textures: row name -> frame number -> (3, U, U) linear texture of the model; a row without
            one is drawn in clay.
    """

    name: str
    video: Path
    tracks: dict[str, Track]
    truth: ClipTruth | None = None
    textures: dict[str, TextureProvider] = field(default_factory=dict)


class JudgedRows(NamedTuple):
    """A clip's drawn tracks and its truth (None without one) in the frames of reference of the metrics."""

    rows: dict[str, JudgedFace]
    truth: JudgedFace | None


def judge_rows(clip: ReportClip, topology: SubjectStatistics) -> JudgedRows:
    """Every drawn track of a clip, judged once for all figures that need it."""
    rigid, mean = topology.rigid_vertices, topology.vertex_mean
    truth = judged_face(clip.truth, rigid, mean) if clip.truth is not None else None
    return JudgedRows({row: judged_face(track, rigid, mean) for row, track in clip.tracks.items()}, truth)


@dataclass(frozen=True)
class ReportInputs:
    """One experiment's page.

    Attributes:
        experiment: its name.
        summary: the content of ``summary.json``: clip name -> row -> metric -> values, and ``seeds``.
        topology: the subject's faces, uv, regions and mean mesh.
        clips: in the order in which they are shown.
        seconds: stage -> seconds it took, in the order in which they ran.
        notes: plain sentences to be read before the figures, such as a foreign face in a clip.
    """

    experiment: str
    summary: dict[str, Any]
    topology: SubjectStatistics
    clips: list[ReportClip]
    seconds: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def seeds(self) -> list[int]:
        return list(self.summary.get("seeds", []))

    def rows(self, clip: str) -> dict[str, Row]:
        """The rows of one clip; nothing where the clip was not scored."""
        return dict(self.summary.get(clip, {}))
