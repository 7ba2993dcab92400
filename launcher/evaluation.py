"""Every row of the table over every clip: tracked, scored, written to ``summary.json``.

Truth (``NAME.truth.npz`` beside a clip) is opened here, and by rows that learn from labels. A clip without truth gets
the metrics that need none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from launcher.baselines import BASELINES, BaselineClip, check_baselines
from launcher.clip_way import Start, find_verified_way
from launcher.degradation_study import Study, network_rows, study_degradations
from launcher.execution import say
from launcher.external_rows import ExternalRow, read_external_rows
from launcher.judge import Judge, JudgedClip, Scores
from launcher.load import load_experiment
from launcher.outcome import ADAPTED, Outcome, load_outcome
from launcher.plan import locate
from launcher.settings import Experiment
from launcher.summary import Row, Summary, write_summary
from launcher.tracking import load_tracker, read_clip, track_read_clip, warn_of_another_face
from steadyface.capture.clip_truth import ClipTruth, truth_path
from steadyface.errors import InputError
from steadyface.tracking.external import external_track
from steadyface.tracking.smoothing import smooth_track

ADAPTED_CLIP = "adapted_clip"


def evaluate(folder: Path, external: Sequence[str] = ()) -> Summary:
    """Track and score all rows of a finished experiment; writes the tracks and ``summary.json``.

    Args:
        folder: of the experiment.
        external: ``NAME[@CLIP]=FILE.npz`` of other trackers' results, each a row.

    Raises:
        InputError: when the folder holds no experiment that ran to its end, a baseline cannot run
            here, or another tracker's result does not fit.
    """
    path = folder / "experiment.yaml"
    if not path.is_file():
        raise InputError(
            folder, "the folder of an experiment", f"one without {path.name}", "give runs/<experiment>"
        )
    experiment, outcome = load_experiment(path), load_outcome(folder)
    check_baselines(experiment.evaluation.baselines)
    given = read_external_rows(external, experiment)
    torch.set_num_threads(experiment.trainer.threads)
    summary: Summary = {}
    for clip in clips_of(experiment, outcome):
        say(f"evaluating {clip.name}: {clip.path}")
        rows = [row for row in given if row.clip == clip.name]
        summary[clip.name], study = evaluate_clip(clip, experiment, outcome, folder / "tracks" / clip.name, rows)
        if study:
            summary.setdefault("degradations", {})[clip.name] = study
    summary["seeds"] = list(experiment.seeds)
    write_summary(summary, folder)
    return summary


def clips_of(experiment: Experiment, outcome: Outcome) -> Iterator[JudgedClip]:
    """The adapted clip (the first, where several were adapted to) and the held-out one."""
    settings, held_out = experiment.clips, experiment.evaluation
    chosen = [(ADAPTED_CLIP, settings.clips[0], settings.box)]
    if held_out.held_out_clip:
        chosen.append(("held_out_clip", held_out.held_out_clip, held_out.held_out_box or settings.box))
    for name, reference, box in chosen:
        path = locate(reference, outcome.studio)
        truth = ClipTruth.load(truth_path(path)) if truth_path(path).is_file() else None
        yield JudgedClip(name, path, box, settings.focal_px, truth)


def evaluate_clip(
    clip: JudgedClip, experiment: Experiment, outcome: Outcome, tracks: Path, external: Sequence[ExternalRow] = ()
) -> tuple[dict[str, Row], Study]:
    """The rows of one clip: row -> metric -> a value a seed, rows without a seed repeat their value; and the
    degradations of the adapted clip, where the experiment names some."""
    networks = load_tracker(outcome.source)
    start, follow = Start(clip.box), experiment.clips.follow
    way = find_verified_way(clip.path, networks, start, clip.focal_px) if follow else None
    data = read_clip(clip.path, clip.box, clip.focal_px, networks.encoder.image_size, way)
    (info,) = data.clip_infos
    # before anything is tracked: what does not fit the clip is refused at once
    others = {
        row.name: external_track(row.result, networks.statistics, info.time_s, info.intrinsics) for row in external
    }
    source = track_read_clip(networks, data)
    warn_of_another_face(clip.path, networks, source.track)
    source.track.save(tracks / "source.npz")
    scores = Scores(Judge(clip, networks, source), len(experiment.seeds))
    scores.add("source", source.track, networks.face_model)
    scores.add("source_smoothed", smooth_track(source.track), networks.face_model)
    for name, checkpoint in outcome.sources.items():
        tracker = load_tracker(checkpoint)
        track = track_read_clip(tracker, data).track
        track.save(tracks / f"{name}.npz")
        scores.add(name, track, tracker.face_model)
    for (variant, seed), checkpoint in outcome.adapted.items():
        tracker = load_tracker(checkpoint)
        track = track_read_clip(tracker, data).track
        track.save(tracks / f"{variant}-seed{seed}.npz")
        scores.add_seed(variant, track, tracker.face_model)
        if variant == ADAPTED:
            scores.add_seed(f"{ADAPTED}_smoothed", smooth_track(track), tracker.face_model)
    add_baselines(experiment.evaluation.baselines, BaselineClip(data, networks, source, scores.judge), scores, tracks)
    for name, other in others.items():
        other.save(tracks / f"{name}.npz")
        scores.add(name, other, None)
    if scores.judge.floor is not None:
        scores.judge.floor.save(tracks / "decoder_floor.npz")
        scores.add("decoder_floor", scores.judge.floor, networks.face_model)
    asked = experiment.evaluation.degradations if clip.name == ADAPTED_CLIP else []
    study = study_degradations(asked, network_rows(outcome), data, scores.judge.score) if asked else {}
    return scores.rows, study


def add_baselines(names: Sequence[str], clip: BaselineClip, scores: Scores, tracks: Path) -> None:
    """Run the named baselines on a clip, save their tracks and score them."""
    for name in names:
        track = BASELINES[name](clip)
        if track is None:
            say(f"{name}: left out, {clip.judge.clip.path.name} has no truth")
            continue
        track.save(tracks / f"{name}.npz")
        scores.add(name, track, clip.networks.face_model)
