"""Every row of the table over every clip: tracked, scored, written to ``summary.json``.

Truth (``NAME.truth.npz`` beside a clip) is opened here and nowhere else. A clip without truth gets
the metrics that need none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from launcher.execution import say
from launcher.outcome import ADAPTED, Outcome, load_outcome
from launcher.plan import locate
from launcher.settings import Experiment, load_experiment
from launcher.summary import Summary, write_summary
from launcher.tracking import (
    Networks,
    TrackedClip,
    load_tracker,
    read_clip,
    track_read_clip,
    warn_of_another_face,
)
from steadyface.capture.clip_truth import ClipTruth, truth_path
from steadyface.errors import InputError
from steadyface.geometry.cameras import crop_intrinsics
from steadyface.geometry.texture_space import TexelMap, visibility
from steadyface.metrics import stability
from steadyface.metrics.evaluate_track import evaluate_track, judged_face
from steadyface.metrics.texture import texture_coverage
from steadyface.tracking.floor import decoder_floor
from steadyface.tracking.smoothing import smooth_track
from steadyface.tracking.track import Track

COVERAGE_FRAME_STEP = 5  # every fifth frame: coverage changes slowly, and each frame is rasterised


@dataclass(frozen=True)
class JudgedClip:
    """A clip of the table: ``adapted_clip`` or ``held_out_clip``; truth is None where there is none."""

    name: str
    path: Path
    box: list[float]
    focal_px: float
    truth: ClipTruth | None


def evaluate(folder: Path) -> Summary:
    """Track and score all rows of a finished experiment; writes the tracks and ``summary.json``.

    Raises:
        InputError: when the folder holds no experiment that ran to its end.
    """
    path = folder / "experiment.yaml"
    if not path.is_file():
        raise InputError(
            folder, "the folder of an experiment", f"one without {path.name}", "give runs/<experiment>"
        )
    experiment, outcome = load_experiment(path), load_outcome(folder)
    torch.set_num_threads(experiment.trainer.threads)
    summary: Summary = {}
    for clip in clips_of(experiment, outcome):
        say(f"evaluating {clip.name}: {clip.path}")
        summary[clip.name] = evaluate_clip(clip, experiment, outcome, folder / "tracks" / clip.name)
    summary["seeds"] = list(experiment.seeds)
    write_summary(summary, folder)
    return summary


def clips_of(experiment: Experiment, outcome: Outcome) -> Iterator[JudgedClip]:
    """The adapted clip (the first, where several were adapted to) and the held-out one."""
    settings, held_out = experiment.clips, experiment.evaluation
    chosen = [("adapted_clip", settings.clips[0], settings.box)]
    if held_out.held_out_clip:
        chosen.append(("held_out_clip", held_out.held_out_clip, held_out.held_out_box or settings.box))
    for name, reference, box in chosen:
        path = locate(reference, outcome.studio)
        truth = ClipTruth.load(truth_path(path)) if truth_path(path).is_file() else None
        yield JudgedClip(name, path, box, settings.focal_px, truth)


def evaluate_clip(
    clip: JudgedClip, experiment: Experiment, outcome: Outcome, tracks: Path
) -> dict[str, dict[str, list[float]]]:
    """The rows of one clip: row -> metric -> a value a seed. Rows without a seed repeat their value."""
    networks = load_tracker(outcome.source)
    data = read_clip(clip.path, clip.box, clip.focal_px, networks.encoder.settings.image_size)
    source = track_read_clip(networks, data)
    warn_of_another_face(clip.path, networks, source.track)
    judge = Judge(clip, networks, source)
    rows = {"source": [source.track], "source_smoothed": [smooth_track(source.track)]}
    scores = {row: judge.all_seeds(row_tracks, len(experiment.seeds)) for row, row_tracks in rows.items()}
    source.track.save(tracks / "source.npz")
    for (variant, seed), checkpoint in outcome.adapted.items():
        track = track_read_clip(load_tracker(checkpoint), data).track
        track.save(tracks / f"{variant}-seed{seed}.npz")
        judge.append(scores, variant, track)
        if variant == ADAPTED:
            judge.append(scores, f"{ADAPTED}_smoothed", smooth_track(track))
    if clip.truth is not None:
        floor = decoder_floor(networks.statistics, networks.face_model, clip.truth)
        floor.save(tracks / "decoder_floor.npz")
        scores["decoder_floor"] = judge.all_seeds([floor], len(experiment.seeds))
    return scores


class Judge:
    """Scores the tracks of one clip, against its truth where there is one.

    Args:
        clip: what is judged.
        networks: of the source, which names the subject's regions and rigid vertices.
        source: the source's track: coverage is a share of what it saw.
    """

    def __init__(self, clip: JudgedClip, networks: Networks, source: TrackedClip) -> None:
        self.clip, self.statistics = clip, networks.statistics
        box, size = torch.tensor(source.clip.box), networks.encoder.settings.image_size
        self._crop = crop_intrinsics(source.clip.intrinsics, box.to(source.clip.intrinsics), size)
        self._size = size
        facts = self.statistics
        self._texels = TexelMap.from_topology(facts.faces, facts.uv, facts.uv_faces, facts.texture_size)
        self._source, self._source_visible = source.track, self._visible(source.track)
        # coverage looks at what the source saw, so no other texel need be looked up
        self._texels = self._texels.restrict(self._source_visible.amax(dim=(0, 1)) > 0)
        rigid, mean = facts.rigid_vertices, facts.vertex_mean
        self._true_face = judged_face(clip.truth, rigid, mean) if clip.truth is not None else None

    def score(self, track: Track) -> dict[str, float]:
        """Metric name -> value; the names are those of the tables."""
        facts = self.statistics
        if self.clip.truth is None:
            values = motion_without_truth(track, facts.rigid_vertices, facts.vertex_mean)
        else:
            values = evaluate_track(
                track, self.clip.truth, facts.regions, facts.rigid_vertices, facts.vertex_mean, self._true_face
            )
        seen = self._source_visible if track is self._source else self._visible(track)
        values["texture_coverage"] = float(texture_coverage(self._source_visible, seen))
        residual = track.texture_residual[torch.isfinite(track.texture_residual)]
        if len(residual):
            values["texture_residual_normalised"] = float(residual.mean())
        return values

    def append(self, scores: dict[str, dict[str, list[float]]], row: str, track: Track) -> None:
        """Add one seed's values to a row."""
        for metric, value in self.score(track).items():
            scores.setdefault(row, {}).setdefault(metric, []).append(value)

    def all_seeds(self, tracks: list[Track], seeds: int) -> dict[str, list[float]]:
        """The values of a row that no seed changes, once a seed."""
        return {metric: [value] * seeds for track in tracks for metric, value in self.score(track).items()}

    @torch.no_grad()
    def _visible(self, track: Track) -> Tensor:
        vertices = track.camera_vertices()[::COVERAGE_FRAME_STEP].float()
        crop = self._crop.float().expand(1, 3, 3)
        frames = [visibility(frame[None], crop, self._texels, self._size, self._size) for frame in vertices]
        return torch.cat(frames)


def motion_without_truth(track: Track, rigid: Tensor, reference: Tensor) -> dict[str, float]:
    """Accelerations and stability ratios of a real clip, in the head frame and in the picture."""
    face = judged_face(track, rigid, reference)
    values = {
        "acceleration_mm_s2": stability.acceleration_mm_s2(face.head.vertices, track.time_s),
        "acceleration_px_s2": stability.acceleration_px_s2(face.picture, track.time_s),
        "stability_ratio": stability.stability_ratio(face.head.vertices),
        "stability_ratio_picture": stability.stability_ratio(face.picture),
    }
    return {name: float(value) for name, value in values.items()}
