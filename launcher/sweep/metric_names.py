"""Which metrics an experiment will log, known before it runs: those of ``summary.json``, and those of its adaptation.

What a metric needs decides: truth beside the clip, regions of the subject, a face model of the row's own. A test holds
these names against what the judge and the callbacks write.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from launcher.outcome import ADAPTED
from launcher.settings import STUDIO, Experiment, variant_settings
from steadyface.capture.clip_truth import truth_path

MOTION = ("acceleration_mm_s2", "acceleration_px_s2", "stability_ratio", "stability_ratio_picture")
TEXTURE = ("texture_coverage", "texture_residual_normalised")
AGAINST_TRUTH = (
    "vertex_error_mm", "vertex_error_camera_mm", "vertex_error_camera_lateral_mm", "vertex_error_camera_log_depth",
    "reprojection_error_px", "head_rotation_error_deg", "head_translation_error_mm", "acceleration_error_mm_s2",
    "acceleration_error_px_s2", "lag_ms", "lag_ms_picture", "motion_gain",
)  # fmt: skip
BY_REGION = ("vertex_error_{}_mm", "motion_gain_{}")
LATENT = "latent_error"
LANDMARKS = ("acceleration_px_s2", "stability_ratio_picture", "frames_without_face")
STUDIO_REGIONS = ("lips", "lids", "brows", "nose", "cheeks", "jaw", "rigid")
LANDMARK_ROWS = ("generic_tracker",)

CLIP_FIGURES = ("texture_residual", "texture_coverage")


def known_metrics(experiment: Experiment) -> list[str]:
    """Every metric that a sweep may be told to look at: ``CLIP/ROW/METRIC``, and what the row ``adapted`` logs."""
    return [*summary_metrics(experiment), *logged_metrics(experiment)]


def summary_metrics(experiment: Experiment) -> Iterator[str]:
    """``CLIP/ROW/METRIC`` of ``summary.json``."""
    clips = {"adapted_clip": experiment.clips.clips[0], "held_out_clip": experiment.evaluation.held_out_clip}
    for clip, reference in clips.items():
        if reference:
            for row in rows_of(experiment, has_truth(reference)):
                for metric in metrics_of(experiment, row, has_truth(reference)):
                    yield f"{clip}/{row}/{metric}"


def rows_of(experiment: Experiment, truth: bool) -> list[str]:
    """The rows of one clip's table."""
    rows = ["source", "source_smoothed", *experiment.sources]
    if experiment.adapt:
        rows += [ADAPTED, f"{ADAPTED}_smoothed", *experiment.variants]
    baselines = [name for name in experiment.evaluation.baselines if truth or not name.startswith("oracle_")]
    return [*rows, *baselines, *(["decoder_floor"] if truth else [])]


def metrics_of(experiment: Experiment, row: str, truth: bool) -> list[str]:
    """The metrics of one row."""
    if row in LANDMARK_ROWS:
        return list(LANDMARKS)
    if not truth:
        return [*MOTION, *TEXTURE]
    regions = [name.format(region) for name in BY_REGION for region in regions_of(experiment)]
    latent = [] if row in experiment.evaluation.baselines else [LATENT]
    return [*AGAINST_TRUTH, *MOTION, *regions, *TEXTURE, *latent]


def logged_metrics(experiment: Experiment) -> Iterator[str]:
    """What the row ``adapted`` logs while it trains."""
    if not experiment.adapt:
        return
    settings, trainer = variant_settings(experiment, ADAPTED, seed=0), experiment.trainer
    if settings.steps >= trainer.log_every_steps:
        parts = [name for name, weight in settings.weights.of_parts().items() if weight > 0]
        yield from (f"train/{name}" for name in [*parts, *(CLIP_FIGURES if parts else ())])
        yield from ["train/lab"] if settings.lab_weight > 0 else []
        yield from ["train/labels"] if settings.labelled_frames and settings.label_weight > 0 else []
    yield from (f"val/{name}" for name in MOTION)


def has_truth(clip: str) -> bool:
    """Whether the truth of a clip lies beside it, or will once the studio has written both."""
    return clip.startswith(STUDIO) or truth_path(Path(clip)).is_file()


def regions_of(experiment: Experiment) -> list[str]:
    """The regions of the subject's mesh that errors are told by."""
    if experiment.lab.folder.startswith(STUDIO):
        return list(STUDIO_REGIONS)
    try:
        named = json.loads((Path(experiment.lab.folder) / "regions.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return list(named) if isinstance(named, dict) else []
