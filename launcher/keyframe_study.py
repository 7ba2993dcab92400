"""What an artist's keyframes buy in the frames around them: on clips whose truth is known.

    python -m launcher.keyframe_study runs/results_0 runs/results_1 --out runs/keyframe_study.json

The worst frames of a track are corrected, 1, 3 or 5 of them: to the true state, or by clicks on 12 landmarks
that miss by 1.5 px. Scored are the frames within half a second of a keyframe, and all others, before and after.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from launcher.focal_study import CLIP_BOX, track_under
from launcher.outcome import load_outcome
from launcher.runs import write_atomically
from launcher.tracking import Networks, load_tracker, read_clip
from steadyface.capture.clip_truth import ClipTruth, truth_path
from steadyface.metrics.evaluate_track import JudgedFace, judged_face
from steadyface.tracking.floor import decoder_floor
from steadyface.tracking.keyframe_file import Keyframe, landmark_vertex
from steadyface.tracking.keyframes import apply_keyframes
from steadyface.tracking.track import Track

LANDMARKS = (
    "lips.left", "lips.right", "lips.top", "lips.bottom", "nose.front", "nose.left", "nose.right", "jaw.bottom",
    "brows.left", "brows.right", "lids.left", "lids.right",
)  # fmt: skip
CLICK_NOISE_PX, COUNTS, APART_FRAMES, NEAR_S = 1.5, (1, 3, 5), 12, 0.5


class FrameErrors(NamedTuple):
    """(T,) each: mean vertex error of a frame in the head frame, mm, and in the picture, px."""

    vertex_mm: Tensor
    picture_px: Tensor


def study(runs: Sequence[Path], out: Path) -> list[dict[str, float | str]]:
    """A row a network, number and kind of keyframes, of every run's held-out clip."""
    rows = []
    for run in runs:
        outcome = load_outcome(run)
        assert outcome.studio is not None, f"{run} has no studio"
        clip = outcome.studio / "data" / "clips" / "held_out.mp4"
        for name, checkpoint in {"source": outcome.source, "adapted": outcome.best_known}.items():
            rows += [{"run": run.name, "network": name, **row} for row in _rows(load_tracker(checkpoint), clip)]
            write_atomically(out, json.dumps(rows, indent=1) + "\n")
    return rows


def _rows(networks: Networks, clip: Path) -> list[dict[str, float | str]]:
    truth = ClipTruth.load(truth_path(clip))
    data = read_clip(clip, CLIP_BOX, float(truth.intrinsics[0, 0, 0]), networks.encoder.image_size)
    track = track_under(networks, data, data.clip_infos[0], 1.0)
    facts = networks.statistics
    true = judged_face(truth, facts.rigid_vertices, facts.vertex_mean)
    before = _errors(track, true, networks)
    rows = list[dict[str, float | str]]()
    for count in COUNTS:
        frames = worst_frames(before, count)
        for kind, keyframes in {
            "states": true_states(networks, truth, frames), "clicks": clicks(networks, truth, frames)
        }.items():  # fmt: skip
            started = time.perf_counter()
            fixed = apply_keyframes(track, keyframes, facts, networks.face_model)
            seconds = time.perf_counter() - started
            scored = _compared(track.time_s, frames, before, _errors(fixed, true, networks))
            rows.append({"kind": kind, "keyframes": count, "seconds": seconds, **scored})
    return rows


def _errors(track: Track, true: JudgedFace, networks: Networks) -> FrameErrors:
    facts = networks.statistics
    face = judged_face(track, facts.rigid_vertices, facts.vertex_mean)
    apart = (face.head.vertices - true.head.vertices).norm(dim=-1).mean(1)
    return FrameErrors(apart, (face.picture - true.picture).norm(dim=-1).mean(1))


def worst_frames(errors: FrameErrors, count: int) -> list[int]:
    """The frames that an artist would see first, 12 frames apart or more: worst by both errors over their medians."""
    score = sum(error / error.median() for error in errors)
    chosen: list[int] = []
    for frame in torch.as_tensor(score).argsort(descending=True).tolist():
        if len(chosen) < count and all(abs(frame - other) >= APART_FRAMES for other in chosen):
            chosen.append(frame)
    return sorted(chosen)


def true_states(networks: Networks, truth: ClipTruth, frames: list[int]) -> list[Keyframe]:
    """The true poses, with the latents whose meshes come nearest to the true ones."""
    some = ClipTruth(**{name: values[frames] for name, values in vars(truth).items()})
    best = decoder_floor(networks.statistics, networks.face_model, some)
    return [
        Keyframe(frame, None, best.rotation[at], best.translation[at], best.latent[at])
        for at, frame in enumerate(frames)
    ]


def clicks(networks: Networks, truth: ClipTruth, frames: list[int]) -> list[Keyframe]:
    """Twelve landmarks, each missed by a Gaussian of 1.5 px in x and in y."""
    generator = torch.Generator().manual_seed(0)
    found = [landmark_vertex(name, networks.statistics) for name in LANDMARKS]
    vertices = torch.tensor([vertex for vertex in found if vertex is not None])
    facts = networks.statistics
    picture = judged_face(
        ClipTruth(**{name: values[frames] for name, values in vars(truth).items()}),
        facts.rigid_vertices, facts.vertex_mean,
    ).picture[:, vertices].float()  # fmt: skip
    noisy = picture + CLICK_NOISE_PX * torch.randn(picture.shape, generator=generator)
    keyframe = Keyframe(0, None, vertices=vertices, doubt_px=CLICK_NOISE_PX)
    return [replace(keyframe, frame=frame, pixels=noisy[at]) for at, frame in enumerate(frames)]


def _compared(time_s: Tensor, frames: list[int], before: FrameErrors, after: FrameErrors) -> dict[str, float]:
    """Means over the keyframes, the frames near one, and the rest."""
    apart = (time_s[:, None] - time_s[frames]).abs().amin(1)
    where = {"key": apart == 0, "near": (apart > 0) & (apart <= NEAR_S), "rest": apart > NEAR_S}
    return {
        f"{place}_{name}_{when}": float(values[chosen].mean())
        for place, chosen in where.items()
        for when, errors in (("before", before), ("after", after))
        for name, values in errors._asdict().items()
    }


def table(rows: Sequence[dict[str, float | str]]) -> str:
    """Markdown: means over runs and networks; before -> after."""
    lines = ["| keyframes | at them mm | px | near them mm | px | the rest mm | px | seconds |", "|---" * 8 + "|"]
    for kind in ("states", "clicks"):
        for count in COUNTS:
            of_row = [row for row in rows if row["kind"] == kind and row["keyframes"] == count]
            mean = {name: sum(float(row[name]) for row in of_row) / len(of_row)
                    for name in of_row[0] if name not in {"run", "network", "kind"}}  # fmt: skip
            cells = [f"{mean[f'{place}_{name}_before']:.2f} -> {mean[f'{place}_{name}_after']:.2f}"
                     for place in ("key", "near", "rest") for name in FrameErrors._fields]  # fmt: skip
            lines.append(f"| {count} {kind} | {' | '.join(cells)} | {mean['seconds']:.1f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="What keyframes buy in the frames around them, measured.")
    parser.add_argument("runs", nargs="+", type=Path, help="finished experiments with a studio")
    parser.add_argument("--out", type=Path, default=Path("runs/keyframe_study.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(table(study(arguments.runs, arguments.out)))


if __name__ == "__main__":
    main()
