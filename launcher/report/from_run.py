"""Gathers the page from an experiment's folder: its summary, its tracks, its clips."""

from __future__ import annotations

import json
from pathlib import Path

from launcher.evaluation import JudgedClip, clips_of
from launcher.load import load_experiment
from launcher.outcome import ADAPTED, Outcome, load_outcome
from launcher.report.figures import SOURCE, SOURCE_SMOOTHED
from launcher.report.inputs import ReportClip, ReportInputs
from launcher.report.page import build_report
from launcher.tracking import ModelTextures, Networks, load_tracker, residual_range
from steadyface.errors import InputError
from steadyface.tracking.smoothing import smooth_track
from steadyface.tracking.track import Track
from steadyface.tracking.tracker import shows_somebody_else

REPORT = "report.html"


def report_run(folder: Path) -> Path:
    """Write ``report.html`` into the folder of an experiment that was evaluated, and say where.

    Raises:
        InputError: the folder holds no evaluated experiment.
    """
    out = folder / REPORT
    build_report(inputs_from_run(folder), out)
    return out


def inputs_from_run(folder: Path) -> ReportInputs:
    """Read what an experiment left behind: the first seed's tracks are drawn, all seeds' figures listed.

    Raises:
        InputError: ``summary.json`` or a track is missing.
    """
    summary_path = folder / "summary.json"
    if not summary_path.is_file():
        raise InputError(folder, "an evaluated experiment with summary.json", "none", "run `steadyface evaluate`")
    summary = json.loads(summary_path.read_text(encoding="utf-8"))
    experiment, outcome = load_experiment(folder / "experiment.yaml"), load_outcome(folder)
    networks = load_tracker(outcome.source)
    clips, notes = [], []
    for judged in clips_of(experiment, outcome):
        tracks = _tracks(folder / "tracks" / judged.name, outcome)
        textures = {row: ModelTextures(networks, track) for row, track in tracks.items()}
        clips.append(ReportClip(judged.name, judged.path, tracks, judged.truth, dict(textures)))
        notes += _foreign_face(judged, networks, tracks[SOURCE])
    return ReportInputs(experiment.name, summary, networks.statistics, clips, outcome.seconds, notes)


def _tracks(folder: Path, outcome: Outcome) -> dict[str, Track]:
    """The rows that are drawn; the decoder is frozen, so one face model serves them all."""
    source = Track.load(folder / "source.npz")
    tracks = {SOURCE: source, SOURCE_SMOOTHED: smooth_track(source)}
    seed = next((seed for variant, seed in outcome.adapted if variant == ADAPTED), None)
    if seed is not None:
        tracks[ADAPTED] = Track.load(folder / f"{ADAPTED}-seed{seed}.npz")
    return tracks


def _foreign_face(clip: JudgedClip, networks: Networks, track: Track) -> list[str]:
    if not shows_somebody_else(networks.encoder, track):
        return []
    median, limit = residual_range(networks, track)
    return [
        f"{clip.path.name} does not show the model's person, or the box misses the face: its texture residual is "
        f"{median:.2f}, and the lab's range ends at {limit:.2f}. The mesh follows the picture as far as this model "
        "can; it is not this person's face."
    ]
