"""Does the premise meter say what matters? Its rank correlations, on clips whose truth or whose gain is known.

    python -m launcher.premise_study strength runs/results_0 --out runs/premise_strength.json
    python -m launcher.premise_study gain runs/stress --out runs/premise_gain.json

``strength`` lays conditions over a studio's clips and correlates, within each condition, the clip's figures with the
strength, and within each trial the pairs' figures with the source's true error. ``gain`` takes the cells of a stress
suite, or a JSON list of rows ``{"clip", "condition", "strength", "source", "gain"}`` (with ``box`` and ``focal_px``
where they are not the studio's), and correlates the figures with the gain within each condition. What was measured
before is read from OUT, so that a study that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from launcher.confidence_trials import SyntheticTake, _crops, _truth_of, load_take
from launcher.execution import say
from launcher.focal_study import CLIP_BOX
from launcher.outcome import load_outcome
from launcher.runs import write_atomically
from launcher.tracking import Networks, load_tracker, read_clip
from steadyface.capture.clip_truth import ClipTruth, truth_path
from steadyface.errors import InputError
from steadyface.losses.premise import FrameLook, pair_premise
from steadyface.metrics.frame_correctness import frame_errors
from steadyface.studio.conditions import Trial, disturb
from steadyface.tracking.premise import ClipPremise, look_by_source
from steadyface.tracking.tracker import canonical_track
from steadyface.types import FaceState

FRAMES = 64
STRENGTHS: dict[str, tuple[float, ...]] = {
    "exposure": (-0.5, -1.0, -1.5, -2.0, -3.0), "white_balance": (0.4, 0.8, 1.2, 1.6, 2.4),
    "flicker": (0.2, 0.4, 0.7, 1.0, 1.5), "motion_blur": (0.04, 0.08, 0.14, 0.2, 0.3),
    "hand": (0.2, 0.4, 0.6, 0.9, 1.3), "low_resolution": (3.0, 5.0, 8.0, 12.0, 18.0),
    "compression": (30.0, 36.0, 42.0, 47.0, 51.0), "noise": (10.0, 20.0, 30.0, 45.0, 60.0),
    "jump": (0.2, 0.5, 1.0, 1.5, 2.0),
}  # fmt: skip
FIGURES = ("score", "raw_score", "expected_gain", "misfit", "offset", "occlusion", "floor", "motion", "light")


def strength_rows(
    runs: Sequence[Path], clips: Sequence[str], known: dict[str, dict[str, Any]], frames: int = FRAMES
) -> Iterator[dict[str, Any]]:
    """A row a trial: the clip's figures, and within it the pairs' correlations with the source's true error.

    The clean trial first, then of every condition the strongest, the middle one, and so on: a study that is stopped
    early has something to say of each.
    """
    for run in runs:
        outcome = load_outcome(run)
        assert outcome.studio is not None, f"{run} has no studio"
        networks = load_tracker(outcome.source)
        for clip in clips:
            take: SyntheticTake | None = None
            for condition, strength, place in trials():
                trial = Trial(condition, strength, 400)
                name = f"{run.name} {clip} {condition} {strength:g}"
                if name not in known:
                    path = outcome.studio / "data" / "clips" / f"{clip}.mp4"
                    take = take or load_take(path, CLIP_BOX, networks.statistics.regions)
                    row = {"name": name, "run": run.name, "clip": clip, "condition": condition, "strength": strength}
                    known[name] = row | {"place": place, **score_trial(networks, take, trial, frames)}
                    say(f"premise: {name}, score {known[name]['score']:.3f}")
                yield known[name]


def trials() -> list[tuple[str, float, int]]:
    """Condition, strength and its place from 1, weakest first; ``clean`` has place 0."""
    listed = [("clean", 0.0, 0)]
    for place in (5, 3, 1, 4, 2):
        listed += [(condition, strengths[place - 1], place) for condition, strengths in STRENGTHS.items()]
    return listed


def with_clean(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The clean trial's row under every condition."""
    clean = [row for row in rows if row["condition"] == "clean"]
    others = [row for row in rows if row["condition"] != "clean"]
    conditions = dict.fromkeys(row["condition"] for row in others)
    return [row | {"condition": name} for name in conditions for row in clean] + others


def score_trial(networks: Networks, clip: SyntheticTake, trial: Trial, frames: int = FRAMES) -> dict[str, float]:
    """The premise of a trial under a network, and how its pairs go with the network's true error.

    ``error`` is the mean reprojection error as a share of the face's size; ``pair_score``, ``pair_misfit`` and
    ``pair_offset`` are rank correlations over the trial's pairs with the mean error of their two frames.
    """
    disturbed = disturb(clip.take, trial, frames)
    truth = _truth_of(clip.truth, disturbed)
    statistics, face_model, encoder = networks
    limit, looks, states = float(encoder.lab_residual[1]), list[FrameLook](), list[FaceState]()
    for image, intrinsics, _ in _crops(clip, disturbed, truth, encoder.image_size):
        with torch.no_grad():
            states.append(encoder.predict(image, intrinsics).state)
        looks.append(look_by_source(face_model, statistics, image, intrinsics, states[-1], limit))
    state = FaceState(*(torch.cat(parts) for parts in zip(*states, strict=True)))
    premise = join_looks(looks, limit, truth.time_s)
    with torch.no_grad():
        vertices = face_model.decode_vertices(state.latent)
    track = canonical_track(statistics, state, vertices, truth.time_s, truth.intrinsics[0], torch.zeros(frames))
    track.intrinsics = truth.intrinsics
    error = frame_errors(track, truth, statistics.regions, statistics.rigid_vertices).reprojection[:, 0]
    pair_error = (error[:-1] + error[1:]) / 2
    of_pairs = {f"pair_{name}": rank_correlation(getattr(premise.pairs, name), pair_error)
                for name in ("score", "misfit", "offset")}  # fmt: skip
    return premise.figures() | {"error": float(error.mean())} | of_pairs


def join_looks(looks: Sequence[FrameLook], limit: float, time_s: Tensor) -> ClipPremise:
    """The premise of neighbouring frames of stretches that follow one another."""
    whole = FrameLook(*(torch.cat(parts) for parts in zip(*looks, strict=True)))
    pairs = pair_premise(whole.at(slice(None, -1)), whole.at(slice(1, None)), limit)
    return ClipPremise(pairs, time_s[:-1], time_s[1:])


def clip_premise(
    networks: Networks, clip: Path, box: Sequence[float] = CLIP_BOX, focal_px: float = 0.0
) -> ClipPremise:
    """The premise of a whole clip under a source network.

    Args:
        networks: of the clip's person.
        clip: the video.
        box, focal_px: as ``tracking.read_clip``; the focal length of the truth beside the clip where there is one.
    """
    truth = truth_path(clip)
    focal_px = focal_px or (float(ClipTruth.load(truth).intrinsics[0, 0, 0]) if truth.is_file() else 0.0)
    statistics, face_model, encoder = networks
    limit, looks, times = float(encoder.lab_residual[1]), list[FrameLook](), list[Tensor]()
    for batch in read_clip(clip, box, focal_px, encoder.image_size).predict_dataloader():
        image, intrinsics = batch.image.flatten(0, 1), batch.intrinsics.flatten(0, 1)
        with torch.no_grad():
            state = encoder.predict(image, intrinsics).state
        looks.append(look_by_source(face_model, statistics, image, intrinsics, state, limit))
        times.append(batch.time_s.flatten())
    return join_looks(looks, limit, torch.cat(times))


class GainRow(NamedTuple):
    """An adaptation whose gain is known: 1 - adapted / source error, so 0.4 is 40 % less; of a clip and a source."""

    clip: Path
    condition: str
    strength: float
    source: Path
    gain: float
    group: str = ""
    box: tuple[float, ...] = tuple(CLIP_BOX)
    focal_px: float = 0.0


def load_gains(path: Path, metric: str, network: str) -> list[GainRow]:
    """Rows of a JSON list, or of a stress suite's folder.

    Args:
        path: either.
        metric, network: of the suite's cells: which error, and whose, ``ours`` or ``paper``.

    Raises:
        InputError: neither, or a row without what it needs.
    """
    if path.is_dir():
        from launcher.stress.cells import read_cells

        return [
            GainRow(cell.clip, cell.condition, cell.strength, cell.source.checkpoint, -cell.change(network, metric),
                    f"subject {cell.subject}, {cell.world}")
            for cell in read_cells(path)
        ]  # fmt: skip
    try:
        listed = json.loads(path.read_text())
        return [
            GainRow(Path(row["clip"]), row["condition"], float(row["strength"]), Path(row["source"]),
                    float(row["gain"]), str(row.get("group", "")), tuple(row.get("box", CLIP_BOX)),
                    float(row.get("focal_px", 0.0)))
            for row in listed
        ]  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError) as error:
        expected = "a folder of cells, or a JSON list of rows with clip, condition, strength, source, gain"
        raise InputError(path, expected, f"{type(error).__name__}: {error}", "correct the file") from error


def gain_rows(gains: Sequence[GainRow], known: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A row an adaptation: the clip's figures under its source, beside the gain."""
    sources: dict[Path, Networks] = {}
    for row in gains:
        name = f"{row.clip.resolve()} {row.source.resolve()}"
        if name not in known:
            if row.source not in sources:
                sources = {row.source: load_tracker(row.source)}
            known[name] = {"name": name, **clip_premise(sources[row.source], row.clip, row.box, row.focal_px).figures()}
            say(f"premise: {row.condition} {row.strength:g}, score {known[name]['score']:.3f}, gain {row.gain:+.3f}")
        known[name] |= {"condition": row.condition, "strength": row.strength, "gain": row.gain, "group": row.group}
        yield known[name]


def rank_correlation(one: Sequence[float] | Tensor, other: Sequence[float] | Tensor) -> float:
    """Spearman's; nan where one of them does not vary or there are fewer than three."""
    first, second = np.asarray(one, dtype=float), np.asarray(other, dtype=float)
    known = np.isfinite(first) & np.isfinite(second)
    first, second = first[known], second[known]
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(spearmanr(first, second).statistic)


def within(
    rows: Sequence[dict[str, Any]], figure: str, against: Callable[[dict[str, Any]], float], by: Sequence[str]
) -> dict[str, float]:
    """Rank correlations of a figure within each group of rows, by name, and their mean under ``mean``."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(", ".join(str(row[name]) for name in by), []).append(row)
    found = {
        name: rank_correlation([row[figure] for row in some], [against(row) for row in some])
        for name, some in groups.items()
    }
    known = [value for value in found.values() if np.isfinite(value)]
    return found | {"mean": float(np.mean(known)) if known else float("nan")}


def strength_table(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown: a row a condition, the correlations of figures with strength, averaged over runs and clips."""
    lines = ["| condition | " + " | ".join(FIGURES) + " | error | score, weakest to strongest |"]
    lines.append("|---" * (len(FIGURES) + 3) + "|")
    for condition in dict.fromkeys(row["condition"] for row in rows):
        some = [row for row in rows if row["condition"] == condition]
        cells = [f"{_strength(some, figure):+.2f}" for figure in (*FIGURES, "error")]
        places = sorted({row["place"] for row in some})
        scores = [np.mean([row["score"] for row in some if row["place"] == place]) for place in places]
        lines.append(f"| {condition} | {' | '.join(cells)} | {' '.join(f'{score:.3f}' for score in scores)} |")
    for name in ("pair_score", "pair_misfit", "pair_offset"):
        values = [row[name] for row in rows if np.isfinite(row[name])]
        lines.append(f"\n{name} against the true error of its frames: {np.mean(values):+.2f} on average")
    for figure in ("score", "misfit", "offset", "expected_gain"):
        every = within(rows, figure, lambda row: row["error"], ("run", "clip", "condition"))["mean"]
        lines.append(f"\n{figure} against the trial's true error, within conditions: {every:+.2f} on average")
    return "\n".join(lines)


def _strength(rows: Sequence[dict[str, Any]], figure: str) -> float:
    return within(rows, figure, lambda row: row["place"], ("run", "clip"))["mean"]


def gain_table(rows: Sequence[dict[str, Any]], by: Sequence[str]) -> str:
    """Markdown: a row a group of rows, the correlations of figures with the gain."""
    found = {figure: within(rows, figure, lambda row: row["gain"], by) for figure in FIGURES}
    lines = ["| within | " + " | ".join(FIGURES) + " |", "|---" * (len(FIGURES) + 1) + "|"]
    for name in found[FIGURES[0]]:
        lines.append(f"| {name} | {' | '.join(f'{found[figure][name]:+.2f}' for figure in FIGURES)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Rank correlations of the premise meter.")
    parser.add_argument("what", choices=("strength", "gain"))
    parser.add_argument("paths", nargs="+", type=Path, help="finished experiments; or cells, or a JSON of gains")
    parser.add_argument("--out", type=Path, required=True, help="a JSON; what it holds is not measured again")
    parser.add_argument("--clips", default="adapt,held_out", help="of the studio, with commas between")
    parser.add_argument("--frames", type=int, default=FRAMES, help="of a trial")
    parser.add_argument("--metric", default="reprojection_error_px", help="whose gain, of the cells")
    parser.add_argument("--network", default="ours", help="whose gain, of the cells: ours or paper")
    parser.add_argument("--within", default="condition", help="columns that make a group: condition, group, strength")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    stored = json.loads(arguments.out.read_text()) if arguments.out.is_file() else []
    known = {row["name"]: row for row in stored}
    if arguments.what == "strength":
        rows = strength_rows(arguments.paths, arguments.clips.split(","), known, arguments.frames)
    else:
        gains = [gain for path in arguments.paths for gain in load_gains(path, arguments.metric, arguments.network)]
        rows = gain_rows(gains, known)
    found = []
    for row in rows:
        found.append(row)
        write_atomically(arguments.out, json.dumps(list(known.values()), indent=1) + "\n")
    by = arguments.within.split(",")
    print(strength_table(with_clean(found)) if arguments.what == "strength" else gain_table(found, by))


if __name__ == "__main__":
    main()
