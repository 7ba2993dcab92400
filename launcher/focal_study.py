"""What a wrong focal length costs, and how near an estimated one comes: on clips whose truth is known.

    python -m launcher.focal_study runs/results_0 runs/results_1 --out runs/focal_study.json

Each clip of an experiment's studio is tracked by its source and its adapted network under the true K, under
focal lengths a share off, under the guess of 1.2 times the longer side, and under the estimate of
``steadyface.tracking.focal``. Scores that the file already holds are not computed again.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
from collections.abc import Iterator
from pathlib import Path

import torch

from datamodules.wild_clips import GUESSED_FOCAL_OVER_SIDE, ClipInfo, WildClips
from launcher.outcome import Outcome, load_outcome
from launcher.runs import write_atomically
from launcher.tracking import Networks, load_tracker, read_clip
from steadyface.capture.clip_truth import ClipTruth, truth_path
from steadyface.metrics.evaluate_track import evaluate_track
from steadyface.tracking.focal import estimate_focal
from steadyface.tracking.focal_observations import FocalObservations
from steadyface.tracking.point_model import lab_points, points_in_frame
from steadyface.tracking.track import Track
from steadyface.tracking.tracker import canonical_track
from steadyface.types import FaceState

logger = logging.getLogger(__name__)

SHARES_OFF = (-0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2)
COLUMNS = {
    "reprojection_error_px": "reprojection px",
    "vertex_error_camera_lateral_mm": "lateral mm",
    "vertex_error_camera_log_depth": "log depth",
    "head_rotation_error_deg": "rotation deg",
    "vertex_error_mm": "vertex (head frame) mm",
    "head_translation_error_mm": "head position mm",
    "acceleration_error_mm_s2": "acceleration error mm/s2",
}
CLIP_BOX = (20.0, 108.0, 440.0, 440.0)
"""The box of the studio's clips in the experiments."""

Scores = dict[str, dict[str, float]]
"""``EXPERIMENT CLIP NETWORK K`` -> metric -> value."""


def study(runs: list[Path], clips: list[str], out: Path) -> Scores:
    """Track, score, and write what is new into ``out`` after each network."""
    scores: Scores = json.loads(out.read_text(encoding="utf-8")) if out.is_file() else {}
    for run in runs:
        outcome = load_outcome(run)
        for clip in clips:
            for row, checkpoint in {"source": outcome.source, "adapted": outcome.best_known}.items():
                name = f"{run.name} {clip} {row}"
                if f"{name} estimated" in scores:
                    continue
                for kind, values in _scores_of(load_tracker(checkpoint), _clip_path(outcome, run, clip)):
                    scores[f"{name} {kind}"] = values
                write_atomically(out, json.dumps(scores, indent=1) + "\n")
                logger.info("%s: %s", name, scores[f"{name} estimated"])
    return scores


def _clip_path(outcome: Outcome, run: Path, clip: str) -> Path:
    assert outcome.studio is not None, f"{run} has no studio"
    return outcome.studio / "data" / "clips" / f"{clip}.mp4"


def _scores_of(networks: Networks, path: Path) -> Iterator[tuple[str, dict[str, float]]]:
    """Every K of one network and clip: its name, and what it scores."""
    truth = ClipTruth.load(truth_path(path))
    focal = float(truth.intrinsics[0, 0, 0])
    data = read_clip(path, CLIP_BOX, focal, networks.encoder.image_size)
    (info,) = data.clip_infos
    guess = GUESSED_FOCAL_OVER_SIDE * max(info.width, info.height)
    estimate = estimate_focal(
        observe(networks, data, info), lab_points(networks.encoder, networks.face_model), (info.width, info.height)
    )
    tried = {f"{100 * share:+g}": focal * (1 + share) for share in SHARES_OFF}
    for kind, tried_focal in {**tried, "guessed": guess, "estimated": estimate.focal_px}.items():
        track = track_under(networks, data, info, tried_focal / focal)
        values = evaluate_track(
            track, truth, {}, networks.statistics.rigid_vertices, networks.statistics.vertex_mean
        )
        found = {name: values[name] for name in COLUMNS} | {"focal_px": tried_focal, "true_focal_px": focal}
        yield kind, found if kind != "estimated" else found | {"low_px": estimate.low_px, "high_px": estimate.high_px}


@torch.no_grad()
def observe(networks: Networks, data: WildClips, info: ClipInfo) -> FocalObservations:
    """The points of a clip's most different frames."""
    observations, box = FocalObservations(), torch.tensor(info.box)
    for batch in data.predict_dataloader():
        found = networks.encoder.find_points(batch.image.flatten(0, 1))[-1]
        pixels, doubts = points_in_frame(found, box.expand(len(found.pixels), 4), networks.encoder.image_size)
        for frame, doubt, time_s in zip(pixels, doubts, batch.time_s.flatten().tolist(), strict=True):
            observations.add(frame, doubt, time_s)
    return observations


@torch.no_grad()
def track_under(networks: Networks, data: WildClips, info: ClipInfo, ratio: float) -> Track:
    """The clip's track under ``ratio`` times its focal length, without the texture residual."""
    scale = torch.ones(3, 3)
    scale[0, 0] = scale[1, 1] = ratio
    states, times = [], []
    for batch in data.predict_dataloader():
        states.append(networks.encoder(batch.image.flatten(0, 1), batch.intrinsics.flatten(0, 1) * scale))
        times.append(batch.time_s.flatten().double())
    joined = FaceState(*(torch.cat(parts) for parts in zip(*states, strict=True)))
    vertices = networks.face_model.decode_vertices(joined.latent)
    unknown = torch.full((len(vertices),), torch.nan)
    return canonical_track(networks.statistics, joined, vertices, torch.cat(times), info.intrinsics * scale, unknown)


def table(scores: Scores) -> str:
    """Markdown: a row a network and K, means over experiments and clips; then every estimate."""
    lines = ["| network | K | " + " | ".join(COLUMNS.values()) + " |", "|---" * (len(COLUMNS) + 2) + "|"]
    kinds = list(dict.fromkeys(name.rsplit(" ", 1)[1] for name in scores))
    for row in ("source", "adapted"):
        for kind in kinds:
            of_row = [values for name, values in scores.items() if name.endswith(f" {row} {kind}")]
            means = [math.fsum(values[column] for values in of_row) / len(of_row) for column in COLUMNS]
            lines.append(f"| {row} | {kind} | " + " | ".join(f"{mean:.3g}" for mean in means) + " |")
    lines += ["", "| clip | network | estimated px | about 95 % | true px | off |", "|---|---|---|---|---|---|"]
    for name, values in scores.items():
        run, clip, row, kind = name.rsplit(" ", 3)
        if kind == "estimated":
            off = 100 * (values["focal_px"] / values["true_focal_px"] - 1)
            reach = f"{values['low_px']:.0f} to {values['high_px']:.0f}"
            lines.append(
                f"| {run} {clip} | {row} | {values['focal_px']:.0f} | {reach} | {values['true_focal_px']:.0f} "
                f"| {off:+.0f} % |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="What a wrong focal length costs, measured.")
    parser.add_argument("runs", nargs="+", type=Path, help="finished experiments with a studio")
    parser.add_argument("--clips", default="held_out", help="of the studio, with commas between")
    parser.add_argument("--out", type=Path, default=Path("runs/focal_study.json"), help="scores; gone on with")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    print(table(study(arguments.runs, arguments.clips.split(","), arguments.out)))


if __name__ == "__main__":
    main()
