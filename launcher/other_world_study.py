"""Does the second generator give the same verdicts? The same methods on clips of both, and how their ranks agree.

    python -m launcher.other_world_study runs/results_0 runs/results_1 runs/results_2 --out runs/other_world

Each run's source network is adapted, by each method, to its own studio's clip and to a clip of the same person in the
other world. Clips and adaptations are stages of experiments under ``--out``: what was done is taken as it is. A method
is a row of ``experiments/results/subject.yaml``, or ``source`` or ``adapted``.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import torch
import yaml
from scipy.stats import spearmanr

from launcher.checks import check
from launcher.experiment import run_experiment
from launcher.load import load_experiment
from launcher.other_world import write_clips
from launcher.outcome import ADAPTED, Outcome, load_outcome
from launcher.plan import DATA, make_plan
from launcher.runs import EXPERIMENT, find_finished, make_folder, write_atomically
from launcher.settings import Experiment, to_yaml
from steadyface.errors import InputError
from steadyface.studio.other_world.generate import SETTINGS
from steadyface.studio.other_world.settings import OtherWorldSettings

METHODS = (
    "source", "source_smoothed", "published", ADAPTED, "cftc_alone", "motc_alone", "cftc_raw_alone", "motc_raw_alone",
    "without_registration", "without_rehearsal", "without_source_prior",
)  # fmt: skip
WITHOUT_TRAINING = {"source", "source_smoothed", f"{ADAPTED}_smoothed", ADAPTED}
WORLDS = ("studio", "other world")
METRICS = {"reprojection_error_px": "reprojection px", "vertex_error_mm": "vertices mm"}
CLIPS = {"adapted_clip": "adapted clip", "held_out_clip": "held-out clip"}
SAME_VERDICT = 0.8


class Cell(NamedTuple):
    """What a figure belongs to: a world, a subject's run, a clip, a metric."""

    world: str
    subject: str
    clip: str
    metric: str


Figures = dict[Cell, dict[str, float]]
"""Cell -> method -> mean over the seeds."""


def other_clips(run: Path, out: Path, settings: OtherWorldSettings, motion: Path | None) -> Path:
    """The folder of the clips of a run's person in the other world; made where it is not there.

    Raises:
        InputError: the clips that are there follow from other settings.
    """
    folder = out / "clips" / run.name
    if not folder.exists():
        write_clips(folder, settings, motion)
    found = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    if found["fingerprint"] != settings.fingerprint:
        got = f"clips of settings {found['fingerprint']}"
        raise InputError(folder, f"clips of the settings {settings.fingerprint}", got, "name another --out")
    return folder


def experiment_of(
    run: Path, world: str, clips: Path, focal_px: float, methods: Sequence[str], template: Experiment, out: Path
) -> Experiment:
    """The experiment that adapts a run's source network to a world's clip by each method.

    Raises:
        InputError: a method that the template does not have.
    """
    unknown = [method for method in methods if method not in {*WITHOUT_TRAINING, *template.variants}]
    if unknown:
        known = ", ".join([*METHODS[:2], ADAPTED, *template.variants])
        raise InputError("--methods", f"some of {known}", ", ".join(unknown), "correct the names")
    outcome = load_outcome(run)
    held_out = str(clips / "held_out.mp4") if (clips / "held_out.mp4").is_file() else ""
    experiment = replace(
        template,
        name=f"{run.name}-{world.replace(' ', '_')}",
        runs=str(out),
        source=str(outcome.source),
        sources={},
        variants={name: changes for name, changes in template.variants.items() if name in methods},
        studio=replace(template.studio, identity_seed=identity(run)),
        lab=replace(template.lab, folder=str(studio_data(run, outcome) / "lab")),
        clips=replace(template.clips, clips=[str(clips / "adapt.mp4")], focal_px=focal_px),
        evaluation=replace(template.evaluation, held_out_clip=held_out, baselines=[], degradations=[]),
    )
    faults = list(check(experiment))
    if faults:
        raise ExceptionGroup(f"faults in the experiment of {run}", faults)
    return experiment


def studio_data(run: Path, outcome: Outcome) -> Path:
    """Where a run's studio wrote lab and clips. Raises InputError where it has none."""
    if outcome.studio is None:
        raise InputError(run, "a run with a studio", "one without", "give runs/results_0 and the like")
    return (outcome.studio / DATA).resolve()


def identity(run: Path) -> int:
    """The identity of a run's studio."""
    settings = yaml.safe_load((run / "experiment.yaml").read_text(encoding="utf-8"))
    return int(settings["studio"]["identity_seed"])


def study(
    runs: Sequence[Path],
    methods: Sequence[str],
    template: Experiment,
    out: Path,
    settings: OtherWorldSettings,
    motion: Path | None = None,
    from_runs: bool = False,
) -> Figures:
    """Every method on both worlds' clips of every run's person; what was done before is taken as it is.

    Args:
        from_runs: the studio's figures are those of the runs' own tables, over all their seeds.
    """
    figures: Figures = {}
    first_focal = template.clips.focal_px
    for run in runs:
        own = studio_data(run, load_outcome(run)) / "clips"
        other = other_clips(run, out, replace(settings, identity_seed=identity(run)), motion)
        for world, clips, focal in zip(WORLDS, (own, other.resolve()), (first_focal, settings.focal_px), strict=True):
            if from_runs and world == WORLDS[0]:
                figures |= read_figures(own_table(run, methods), world, run.name, methods)
                continue
            experiment = experiment_of(run, world, clips, focal, methods, template, out)
            folder = scored_folder(experiment) or run_experiment(experiment)
            summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
            figures |= read_figures(summary, world, run.name, methods)
    return figures


def own_table(run: Path, methods: Sequence[str]) -> dict[str, Any]:
    """A run's summary.json. Raises InputError where a method is not in it."""
    summary: dict[str, Any] = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    missing = [method for method in methods if method not in summary["adapted_clip"]]
    if missing:
        remedy = "leave out --from-runs, so that they are adapted here"
        raise InputError(run / "summary.json", "a row of every method", f"none of {', '.join(missing)}", remedy)
    return summary


def scored_folder(experiment: Experiment) -> Path | None:
    """The experiment's folder where every stage of it was finished and scored as it is now; else None."""
    folder = Path(experiment.runs) / experiment.name
    settings, summary = folder / EXPERIMENT, folder / "summary.json"
    if not summary.is_file() or not settings.is_file() or settings.read_text(encoding="utf-8") != to_yaml(experiment):
        return None
    found = [find_finished(Path(experiment.runs), stage) for stage in make_plan(experiment).stages()]
    if None in found or settings.stat().st_mtime_ns > summary.stat().st_mtime_ns:
        return None
    return folder


def read_figures(summary: dict[str, Any], world: str, subject: str, methods: Sequence[str]) -> Figures:
    """The figures of the methods that a summary.json has, in this study's metrics."""
    return {
        Cell(world, subject, clip, metric): {
            method: fmean(summary[clip][method][metric])
            for method in methods
            if None not in summary[clip].get(method, {}).get(metric, [None])
        }
        for clip in CLIPS
        if clip in summary
        for metric in METRICS
    }


def rank_correlation(one: dict[str, float], other: dict[str, float]) -> float:
    """Spearman's correlation of the methods that both have; nan for fewer than three.

    >>> rank_correlation({"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 5.0, "b": 6.0, "c": 60.0})
    1.0
    """
    common = [method for method in one if method in other]
    if len(common) < 3:
        return float("nan")
    return float(spearmanr([one[m] for m in common], [other[m] for m in common]).statistic)


def same_side(one: dict[str, float], other: dict[str, float]) -> tuple[int, int]:
    """How many methods are on the same side of the source in both, and of how many."""
    methods = [m for m in one if m in other and m != "source"]
    same = sum((one[m] < one["source"]) == (other[m] < other["source"]) for m in methods)
    return same, len(methods)


def mean_over_subjects(figures: Figures, world: str, clip: str, metric: str) -> dict[str, float]:
    """Method -> mean over the subjects, of those methods that every subject has."""
    rows = [row for cell, row in figures.items() if (cell.world, cell.clip, cell.metric) == (world, clip, metric)]
    common = [m for m in rows[0] if all(m in row for row in rows)] if rows else []
    return {method: fmean(row[method] for row in rows) for method in common}


def page(figures: Figures, settings: OtherWorldSettings, motion: str) -> str:
    """Markdown: the methods in both worlds, their ranks' correlation, by subject and over the means."""
    subjects = list(dict.fromkeys(cell.subject for cell in figures))
    lines = [f"Other world {settings.frozen} (settings, the person left out), motion: {motion or 'stand-in'}.", ""]
    for clip, words in CLIPS.items():
        means = {(metric, world): mean_over_subjects(figures, world, clip, metric)
                 for metric in METRICS for world in WORLDS}  # fmt: skip
        if not all(means.values()):
            continue
        heads = [f"{METRICS[metric]}, {world}" for metric, world in means]
        lines += [f"| {words} | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
        methods = [m for m in next(iter(means.values())) if all(m in row for row in means.values())]
        lines += [f"| {m} | " + " | ".join(f"{row[m]:.3f}" for row in means.values()) + " |" for m in methods]
        lines.append("")
        for metric, name in METRICS.items():
            one, other = (means[metric, world] for world in WORLDS)
            whole, (same, of) = rank_correlation(one, other), same_side(one, other)
            each = [rank_correlation(*(figures[Cell(world, subject, clip, metric)] for world in WORLDS))
                    for subject in subjects]  # fmt: skip
            verdict = "the same verdicts" if whole > SAME_VERDICT - 1e-9 else f"below {SAME_VERDICT}"
            of_each = ", ".join(f"{subject} {value:.2f}" for subject, value in zip(subjects, each, strict=True))
            lines.append(f"{name}: rank correlation over the means {whole:.2f} ({verdict}); {of_each}; "
                         f"{same} of {of} methods on the same side of the source.")  # fmt: skip
        lines.append("")
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="The same methods in both generators' worlds, and their ranks.")
    parser.add_argument("runs", nargs="+", type=Path, help="finished experiments with a studio, one a person")
    parser.add_argument("--out", type=Path, default=Path("runs/other_world"), help="for clips, stages and the page")
    parser.add_argument("--methods", default=",".join(METHODS), help="with commas between")
    parser.add_argument("--experiment", type=Path, default=Path("experiments/results/subject.yaml"))
    parser.add_argument("--motion", type=Path, help="a file of python -m launcher.other_world motion")
    parser.add_argument("--frames", type=int, default=OtherWorldSettings.adapt_frames, help="of the adapted clip")
    parser.add_argument("--held-out-frames", type=int, default=OtherWorldSettings.held_out_frames)
    parser.add_argument("--from-runs", action="store_true", help="the studio's figures from the runs' own tables")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="as for steadyface run")
    arguments = parser.parse_args(words)
    torch.set_num_threads(1)
    logging.basicConfig(level=logging.WARNING)
    settings = OtherWorldSettings(adapt_frames=arguments.frames, held_out_frames=arguments.held_out_frames)
    try:
        settings.check()
        make_folder(arguments.out)
        template = load_experiment(arguments.experiment, ["size=demo", *arguments.set])
        methods = arguments.methods.split(",")
        figures = study(arguments.runs, methods, template, arguments.out, settings, arguments.motion,
                        arguments.from_runs)  # fmt: skip
    except* InputError as group:
        for error in group.exceptions:
            print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    text = page(figures, settings, str(arguments.motion or ""))
    cells = [{**cell._asdict(), "methods": row} for cell, row in figures.items()]
    content = {"frozen": settings.frozen, "settings": asdict(settings), "cells": cells}
    write_atomically(arguments.out / "study.json", json.dumps(content, indent=1) + "\n")
    write_atomically(arguments.out / "study.md", text + "\n")
    print(text)


if __name__ == "__main__":
    main()
