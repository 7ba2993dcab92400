"""A finished experiment as the figures read it: scores, tracks, truth and face model, each opened when asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from launcher.evaluation import clips_of
from launcher.judge import JudgedClip
from launcher.load import load_experiment
from launcher.outcome import STAGES, load_outcome
from launcher.report.inputs import ReportClip, Row
from launcher.results.inputs import read_summary
from launcher.summary import NOT_CLIPS, ordered_rows
from launcher.tracking import ModelTextures, Networks, load_tracker
from steadyface.errors import InputError
from steadyface.tracking.smoothing import smooth_track
from steadyface.tracking.track import Track

_NEEDED = ("experiment.yaml", STAGES, "summary.json")
_SMOOTHED = "_smoothed"
_NAMED = 3  # as many names fit a title
_REMEDY = "give runs/<experiment> of one that ran to its end, or run `steadyface evaluate` on it"


class FinishedRun:
    """One experiment's folder. A run is one subject.

    Args:
        folder: ``runs/<experiment>``.

    Raises:
        InputError: the folder holds no experiment that ran to its end, or its scores cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        missing = [name for name in _NEEDED if not (folder / name).is_file()]
        if missing:
            got = f"one without {', '.join(missing)}" if folder.is_dir() else "no such folder"
            raise InputError(folder, "the folder of a finished experiment", got, _REMEDY)
        self.folder, self.name = folder, folder.resolve().name
        self.summary: dict[str, Any] = read_summary(folder)

    @property
    def clip_names(self) -> list[str]:
        """The clips that were scored."""
        return [name for name in self.summary if name not in NOT_CLIPS]

    def rows(self, clip: str) -> dict[str, Row]:
        """Row -> metric -> a value per seed, source first; empty where the clip was not scored."""
        scored = self.summary.get(clip, {})
        return {row: scored[row] for row in ordered_rows(scored)}

    @cached_property
    def clips(self) -> list[JudgedClip]:
        """The clips with their truth, where there is one."""
        return list(clips_of(load_experiment(self.folder / "experiment.yaml"), load_outcome(self.folder)))

    @cached_property
    def networks(self) -> Networks:
        """The source's networks: topology, regions, and the decoder, which no adaptation changes."""
        return load_tracker(load_outcome(self.folder).source)

    def tracks(self, clip: str) -> dict[str, Track]:
        """Row -> track of the first seed, in the rows' order; rows of which no track was kept are left out."""
        kept = first_tracks(self.folder / "tracks" / clip)
        found = {}
        for row in self.rows(clip) or kept:
            if row in kept:
                found[row] = Track.load(kept[row])
            elif row.removesuffix(_SMOOTHED) in kept:
                found[row] = smooth_track(Track.load(kept[row.removesuffix(_SMOOTHED)]))
        return found

    def drawn_clip(self, clip: JudgedClip, rows: tuple[str, ...]) -> ReportClip:
        """A clip with the tracks and the decoded textures of some rows, those of them that there are."""
        found = self.tracks(clip.name)
        tracks = {row: found[row] for row in rows if row in found}
        textures = {row: ModelTextures(self.networks, track) for row, track in tracks.items()}
        return ReportClip(clip.name, clip.path, tracks, clip.truth, dict(textures))


def subjects_words(runs: Sequence[FinishedRun]) -> str:
    """The runs' names, or how many they are, for a title."""
    return ", ".join(run.name for run in runs) if len(runs) <= _NAMED else f"{len(runs)} subjects"


def first_tracks(folder: Path) -> dict[str, Path]:
    """Row -> file of its first seed, of the meshes' tracks ``ROW.npz`` and ``ROW-seedS.npz`` in a folder."""
    found: dict[str, tuple[int, Path]] = {}
    for path in folder.glob("*.npz"):
        if _of_points(path):
            continue
        row, seed = re.fullmatch(r"(.+?)(?:-seed(\d+))?", path.stem).groups()  # type: ignore[union-attr]
        if row not in found or int(seed or 0) < found[row][0]:
            found[row] = (int(seed or 0), path)
    return {row: path for row, (_, path) in found.items()}


def _of_points(path: Path) -> bool:
    """Whether a file holds another tracker's picture points: they are not the mesh's, so no lane compares them."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return "landmarks" in stored.files
    except (OSError, ValueError, EOFError, BadZipFile):
        return False  # who loads it says what is wrong with it
