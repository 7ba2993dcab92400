"""What it costs that the crop has to be found: clips whose truth is known, in found and in true crops.

    python -m launcher.crop_study runs/results_0 runs/results_1 runs/results_2

Each clip of an experiment's studio is tracked by its source and its adapted network under the true focal length:
in crops that were found with nothing given (the first pass of ``steadyface track``), in those around the true head
in every frame, and in the box that the experiment gives for the whole clip.
"""

from __future__ import annotations

import argparse
import logging
import math
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from launcher.clip_way import Start, find_way
from launcher.focal_study import CLIP_BOX
from launcher.outcome import load_outcome
from launcher.tracking import Networks, load_tracker, read_clip, track_read_clip
from steadyface.capture.clip_truth import ClipTruth, truth_path
from steadyface.metrics.evaluate_track import evaluate_track
from steadyface.tracking.crop_path import CropPath, fixed_path
from steadyface.tracking.sighting import head_boxes
from steadyface.types import FaceState

COLUMNS = {
    "reprojection_error_px": "reprojection px", "vertex_error_mm": "vertices mm",
    "head_rotation_error_deg": "rotation deg", "acceleration_error_px_s2": "acceleration px/s2",
}  # fmt: skip
JITTER_SIDE = 256
"""Pixels of the crop in which its jitter is told."""


class CropScores(NamedTuple):
    """Of one network and clip: crops -> metric -> value; jitter of the found crops' centre and their distance from the
    true ones, px of a crop of 256; lost, frames that were found to have no face."""

    scores: dict[str, dict[str, float]]
    jitter_px: float
    apart_px: float
    lost: int


def score_crops(networks: Networks, clip: Path) -> CropScores:
    """Track one clip in every kind of crop.

    Args:
        networks: of the clip's person.
        clip: of a studio, its truth beside it.
    """
    truth = ClipTruth.load(truth_path(clip))
    focal_px, size = float(truth.intrinsics[0, 0, 0]), networks.encoder.image_size
    found, _ = find_way(clip, networks, Start(), focal_px)
    state = FaceState(torch.zeros(len(truth.time_s), 1), truth.rotation, truth.translation)
    boxes = torch.tensor(head_boxes(networks.statistics, state, truth.intrinsics[0]), dtype=torch.float64)
    true = CropPath(found.time_s, boxes, found.shot)
    still = fixed_path(found.time_s, CLIP_BOX, found.shot)
    scores = {}
    for name, way in {"found": found, "true": true, "one box": still}.items():
        track = track_read_clip(networks, read_clip(clip, (), focal_px, size, way)).track
        statistics = networks.statistics
        scores[name] = evaluate_track(track, truth, {}, statistics.rigid_vertices, statistics.vertex_mean)
    apart = (centres(found) - centres(true)) * JITTER_SIDE / true.box[:, 2:3]
    return CropScores(scores, jitter(found), float(apart.norm(dim=1).mean()), int((~found.known).sum()))


def centres(path: CropPath) -> Tensor:
    """(T, 2) centres of the crops, pixels of the frame."""
    return path.box[:, :2] + path.box[:, 2:] / 2


def jitter(path: CropPath) -> float:
    """Deviation of the crop's centre that white noise with its second differences would have, px of a crop of 256.

    Second differences of white noise have six times its variance; a head's own motion is counted too.
    """
    scaled = centres(path) * (JITTER_SIDE / path.box[:, 2].mean())
    return float((scaled.diff(n=2, dim=0).square().sum(1).mean() / 6).sqrt())


def table(rows: dict[str, CropScores]) -> str:
    """Markdown: a row a clip and network, found / true crops / one box."""
    lines = ["| clip, network | " + " | ".join(COLUMNS.values()) + " | jitter px | apart px | lost frames |"]
    lines.append("|---" * (len(COLUMNS) + 4) + "|")
    for name, row in rows.items():
        cells = [" / ".join(f"{row.scores[kind][column]:.4g}" for kind in row.scores) for column in COLUMNS]
        lines.append(f"| {name} | {' | '.join(cells)} | {row.jitter_px:.3f} | {row.apart_px:.2f} | {row.lost} |")
    for column, title in COLUMNS.items():
        ratios = [row.scores["found"][column] / row.scores["true"][column] for row in rows.values()]
        mean = math.exp(math.fsum(map(math.log, ratios)) / len(ratios))
        lines.append(f"\n{title}, found over true crops: {mean:.3f} on average, {min(ratios):.3f} to {max(ratios):.3f}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Tracking in found and in true crops.")
    parser.add_argument("runs", nargs="+", type=Path, help="finished experiments with a studio")
    parser.add_argument("--clips", default="held_out", help="of the studio, with commas between")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    logging.basicConfig(level=logging.WARNING)
    rows = {}
    for run in arguments.runs:
        outcome = load_outcome(run)
        assert outcome.studio is not None, f"{run} has no studio"
        for clip in arguments.clips.split(","):
            path = outcome.studio / "data" / "clips" / f"{clip}.mp4"
            for network, checkpoint in {"source": outcome.source, "adapted": outcome.best_known}.items():
                rows[f"{run.name} {clip}, {network}"] = score_crops(load_tracker(checkpoint), path)
    print(table(rows))


if __name__ == "__main__":
    main()
