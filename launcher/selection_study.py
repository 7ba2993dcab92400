"""Whether the choice without truth is a good one: adaptations whose candidates were kept, judged by the truth.

    python -m launcher.selection_study runs/demo/adaptation-0123456789ab runs/demo/adaptation-456789abcdef

The runs are adaptations with ``adaptation.guard.select=true`` and ``adaptation.guard.keep_candidates=true`` to clips
with truth. Every candidate, the source among them, tracks the adapted clip. Of each run the study says how the chosen
candidate compares with the best one by truth, and of all runs in how many it is within 5 % of it, by reprojection
error, by head-frame vertex error, and by their geometric mean over the source's.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from callbacks.progress import duration
from launcher.execution import say
from launcher.guarding import CANDIDATES, SELECTION
from launcher.load import load_experiment
from launcher.tracking import load_tracker, read_clip, track_read_clip
from steadyface.capture.clip_truth import ClipTruth, truth_path
from steadyface.errors import InputError
from steadyface.metrics.evaluate_track import evaluate_track

TRUTHS = ("reprojection_error_px", "vertex_error_mm")
JOINT = "both, geometric mean"
WITHIN = 1.05
"""Over the best candidate's error, that still counts as picked right."""
HURT = 1.02
"""Over the source's error, from which a result is worse than the source."""
NEEDED = 0.9
"""Share of the runs that the choice should be right in."""


@dataclass(frozen=True)
class JudgedRun:
    """A run's candidates by truth: errors, step -> metric -> value, 0 for the source; chosen, the step that was."""

    name: str
    label: str
    chosen: int
    errors: dict[int, dict[str, float]]

    def relative(self, step: int, metric: str) -> float:
        """A candidate's error over the source's."""
        source, own = self.errors[0], self.errors[step]
        if metric != JOINT:
            return own[metric] / source[metric]
        return math.sqrt(math.prod(own[name] / source[name] for name in TRUTHS))

    def best(self, metric: str) -> int:
        """The step of the lowest error."""
        return min(self.errors, key=lambda step: self.relative(step, metric))

    def over_best(self, metric: str) -> float:
        """The chosen candidate's error over the lowest."""
        return self.relative(self.chosen, metric) / self.relative(self.best(metric), metric)

    @property
    def rolled_back(self) -> bool:
        return self.chosen == 0

    @property
    def decided_right(self) -> bool:
        """Not worse than the source; and rolled back only where no candidate is more than 5 % better."""
        if self.rolled_back:
            return self.relative(self.best(JOINT), JOINT) * WITHIN >= 1.0
        return self.relative(self.chosen, JOINT) <= HURT


def judge_run(folder: Path) -> JudgedRun:
    """Track the adapted clip with every candidate of an adaptation's run folder.

    Raises:
        InputError: the folder holds no choice, or no candidates, or the clip has no truth.
    """
    selection = read_selection(folder)
    experiment = load_experiment(folder / "experiment.yaml")
    clip = Path(selection["clip"].split(", ")[0])
    truth = ClipTruth.load(truth_path(clip))
    data = None
    errors = {}
    for row in selection["candidates"]:
        path = folder / CANDIDATES / f"{row['step']:06d}.ckpt"
        if not path.is_file():
            remedy = "adapt with adaptation.guard.keep_candidates=true"
            raise InputError(path, "the candidate's weights", "no such file", remedy)
        networks = load_tracker(path)
        data = data or read_clip(clip, experiment.clips.box, experiment.clips.focal_px, networks.encoder.image_size)
        facts = networks.statistics
        track = track_read_clip(networks, data).track
        values = evaluate_track(track, truth, {}, facts.rigid_vertices, facts.vertex_mean)
        errors[int(row["step"])] = {name: float(values[name]) for name in TRUTHS}
    label = json.loads((folder / "run.json").read_text(encoding="utf-8"))["label"]
    return JudgedRun(f"{folder.parent.name}/{folder.name}", label, int(selection["chosen_step"]), errors)


def read_selection(folder: Path) -> dict[str, Any]:
    """``selection.json`` of a finished adaptation. Raises InputError where there is none, or no decision in it."""
    path = folder / SELECTION
    remedy = "give the folder of a finished adaptation with adaptation.guard.select=true"
    if not path.is_file():
        raise InputError(path, "the choice of an adaptation", "no such file", remedy)
    selection: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if "chosen_step" not in selection:
        raise InputError(path, "a decision", "candidates alone: the training did not end", remedy)
    return selection


def table(runs: Sequence[JudgedRun]) -> str:
    """Markdown: a row a run, then the shares over all of them."""
    metrics = (*TRUTHS, JOINT)
    heads = [f"{metric}: chosen, best (step), over best" for metric in metrics]
    lines = ["| run | chosen step | " + " | ".join(heads) + " | decided |", "|---" * (len(metrics) + 3) + "|"]
    for run in runs:
        cells = []
        for metric in metrics:
            best = run.best(metric)
            source, over = run.relative(run.chosen, metric), run.over_best(metric)
            cells.append(f"{source:.3f}, {run.relative(best, metric):.3f} ({best}), {over:.3f}")
        decided = ("rolled back, " if run.rolled_back else "") + ("right" if run.decided_right else "WRONG")
        lines.append(f"| {run.label} ({run.name}) | {run.chosen} | {' | '.join(cells)} | {decided} |")
    lines.append("\nErrors are over the source's.\n")
    for metric in metrics:
        right = sum(run.over_best(metric) <= WITHIN for run in runs)
        enough = "reached" if right >= NEEDED * len(runs) else "missed"
        lines.append(f"- {metric}: within 5 % of the best in {right} of {len(runs)} runs ({enough}: {NEEDED:.0%})")
    back = [run for run in runs if run.rolled_back]
    lines.append(f"- rolled back: {len(back)}, rightly {sum(run.decided_right for run in back)}")
    worse = sum(run.relative(run.chosen, metric) > HURT for run in runs for metric in TRUTHS)
    lines.append(f"- results more than 2 % worse than their source, of {2 * len(runs)} figures: {worse}")
    return "\n".join(lines)


def judge_all(folders: Sequence[Path]) -> list[JudgedRun]:
    """Every run, its turn and the time left said as it goes."""
    started, judged = time.monotonic(), list[JudgedRun]()
    for number, folder in enumerate(folders, start=1):
        judged.append(judge_run(folder))
        a_run = (time.monotonic() - started) / number
        left = f", {duration(a_run * (len(folders) - number))} left" if number < len(folders) else ""
        say(f"selection: {number}/{len(folders)} runs, {duration(a_run)} a run{left}: {judged[-1].name}")
    return judged


def main() -> None:
    parser = argparse.ArgumentParser(description="The choice without truth, judged by the truth.")
    parser.add_argument("runs", nargs="+", type=Path, help="run folders of adaptations with kept candidates")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    logging.basicConfig(level=logging.WARNING)
    print(table(judge_all(arguments.runs)))


if __name__ == "__main__":
    main()
