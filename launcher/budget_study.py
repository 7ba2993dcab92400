"""What few frames cost: adaptations to 8, 16, 48, 150 and all frames of a clip, and to its first 48 as the rival.

    python -m launcher.budget_study runs/results_0 runs/results_1 runs/results_2 --runs runs --page docs/few-frames.md

Each finished experiment with a studio gives its source network, its lab capture, its clips and its settings; each
budget is an adaptation stage of the experiment ``NAME_few_frames`` under ``--runs``, which goes on where it was and is
taken from there once it is finished. Both clips are tracked by every network and scored against the truth. Words
``key=value`` change the settings of every stage, for example ``adaptation.steps=20``.
"""

from __future__ import annotations

import argparse
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from launcher.load import load_experiment
from launcher.memory import keep_freed_memory
from launcher.outcome import ADAPTED, load_outcome
from launcher.plan import make_plan
from launcher.results.tables import markdown_table
from launcher.runs import EXPERIMENT, write_atomically
from launcher.settings import Experiment
from launcher.stages import StageRunner
from launcher.tracking import load_tracker, track_one
from steadyface.capture.clip_truth import ClipTruth, truth_path
from steadyface.metrics.evaluate_track import evaluate_track

BUDGETS = ("8", "16", "48", "150", "all", "first 48")
ALL = "all"
CLIPS = {"adapt": "adapted clip", "held_out": "held-out clip"}
COLUMNS = {
    "reprojection_error_px": "reprojection px", "acceleration_error_px_s2": "acceleration px/s2",
    "vertex_error_mm": "head frame mm", "vertex_error_lips_mm": "lips mm", "vertex_error_lids_mm": "lids mm",
}  # fmt: skip
TABLE = "<!-- table: python -m launcher.budget_study -->"
TABLE_END = "<!-- end of the table -->"


class BudgetRow(NamedTuple):
    """Of one subject and budget: clip -> metric -> value; seconds that the adaptation took, nan for the source."""

    scores: dict[str, dict[str, float]]
    seconds: float


def study_subject(run: Path, runs: Path, budgets: Sequence[str], words: Sequence[str]) -> dict[str, BudgetRow]:
    """Adapt one subject's source network under each budget, and score it: row -> scores, ``source`` the first.

    Args:
        run: a finished experiment with a studio.
        runs: where the stages go.
        budgets: a number of frames, ``all``, or ``first N``.
        words: ``key=value``, further settings of every stage.
    """
    outcome = load_outcome(run)
    assert outcome.studio is not None, f"{run} has no studio"
    clips = outcome.studio / "data" / "clips"
    given = (f"lab.folder={outcome.studio / 'data' / 'lab'}", f"source={outcome.source}", f"runs={runs}",
             f"name={run.name}_few_frames", f"clips.clips=[{clips / 'adapt.mp4'}]", "sources={}", "variants={}",
             "seeds=[0]", "evaluation.held_out_clip=", "evaluation.baselines=[]", "evaluation.degradations=[]",
             "decoder=")  # fmt: skip
    lab = None
    first = load_experiment(run / EXPERIMENT, [*given, *words])
    rows = {"source": BudgetRow(scores_of(outcome.source, clips, first), math.nan)}
    for budget in budgets:
        experiment = load_experiment(run / EXPERIMENT, [*given, *words, *budget_words(budget)])
        plan = make_plan(experiment)
        runner = StageRunner(experiment, plan)
        if lab is not None:
            runner.lab = lab  # one capture for all budgets: it is decoded once
        lab = runner.lab
        stage, source = plan.adaptations[ADAPTED, 0], plan.source_checkpoint
        assert source is not None
        result = runner.run_adaptation(stage, source, ADAPTED, 0)
        rows[budget] = BudgetRow(scores_of(result.checkpoint, clips, experiment), result.seconds)
    return rows


def budget_words(budget: str) -> list[str]:
    """The settings of a budget as ``key=value`` words.

    >>> budget_words("first 48"), budget_words("all")
    (['clips.frames=48', 'clips.chosen_by=first'], ['clips.frames=0', 'clips.chosen_by=coverage'])
    """
    count = budget.split()[-1]
    by = "first" if budget.startswith("first") else "coverage"
    return [f"clips.frames={0 if count == ALL else int(count)}", f"clips.chosen_by={by}"]


def scores_of(checkpoint: Path, clips: Path, experiment: Experiment) -> dict[str, dict[str, float]]:
    """Clip -> metric -> value of one network on both clips of a studio."""
    networks, found = load_tracker(checkpoint), {}
    statistics, settings = networks.statistics, experiment.clips
    for name in CLIPS:
        path = clips / f"{name}.mp4"
        truth = ClipTruth.load(truth_path(path))
        track = track_one(networks, path, settings.box, settings.focal_px).track
        scores = evaluate_track(
            track, truth, statistics.regions, statistics.rigid_vertices, statistics.vertex_mean
        )
        found[name] = {column: scores[column] for column in COLUMNS if column in scores}
    return found


def table(subjects: dict[str, dict[str, BudgetRow]]) -> str:
    """Markdown: the mean over the subjects, and the distance from all frames, geometric mean and worst subject."""
    lines = []
    for clip, title in CLIPS.items():
        names = [name for name in COLUMNS if all(name in row["source"].scores[clip] for row in subjects.values())]
        heading = ["frames", *(COLUMNS[name] for name in names), *([] if clip != "adapt" else ["seconds"])]
        body = [
            [budget, *(_cell(subjects, budget, clip, name) for name in names), *_seconds(subjects, budget, clip)]
            for budget in next(iter(subjects.values()))
        ]
        lines += [f"**{title[0].upper()}{title[1:]}**", "", *markdown_table(heading, body), ""]
    return "\n".join(lines)


def _cell(subjects: dict[str, dict[str, BudgetRow]], budget: str, clip: str, name: str) -> str:
    values = [rows[budget].scores[clip][name] for rows in subjects.values()]
    text = f"{math.fsum(values) / len(values):.4g}"
    if budget in (ALL, "source") or not all(ALL in rows for rows in subjects.values()):
        return text
    reached = [rows[ALL].scores[clip][name] for rows in subjects.values()]
    logs = [math.log(value / whole) for value, whole in zip(values, reached, strict=True)]
    mean, worst = (100 * math.expm1(log) for log in (math.fsum(logs) / len(logs), max(logs)))
    return f"{text} ({mean:+.1f} %, worst {worst:+.1f} %)"


def _seconds(subjects: dict[str, dict[str, BudgetRow]], budget: str, clip: str) -> list[str]:
    if clip != "adapt":
        return []
    seconds = [rows[budget].seconds for rows in subjects.values()]
    mean = math.fsum(seconds) / len(seconds)
    return ["-" if math.isnan(mean) else f"{mean:.0f}"]


def write_page(page: Path, text: str) -> None:
    """Put a table into a page in place of the one that is there.

    Raises:
        ValueError: a page without the two lines that say where it goes.
    """
    content = page.read_text(encoding="utf-8")
    before, start, rest = content.partition(TABLE)
    _, end, after = rest.partition(TABLE_END)
    if not (start and end):
        raise ValueError(f"{page}: expected the lines {TABLE} and {TABLE_END}")
    write_atomically(page, f"{before}{TABLE}\n\n{text}\n{TABLE_END}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Adaptations to few frames of a clip.")
    parser.add_argument("experiments", nargs="+", type=Path, help="finished experiments with a studio, one a subject")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where the stages go (default runs)")
    parser.add_argument("--budgets", default=",".join(BUDGETS), help="with commas between; 'all', '48', 'first 48'")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings of every stage")
    parser.add_argument("--page", type=Path, help="write the table into this page")
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    keep_freed_memory()
    budgets = [budget.strip() for budget in chosen.budgets.split(",")]
    subjects = {
        run.name: study_subject(run.resolve(), chosen.runs.resolve(), budgets, chosen.set) for run in chosen.experiments
    }
    found = table(subjects)
    print(found)
    if chosen.page:
        write_page(chosen.page, found)


if __name__ == "__main__":
    main()
