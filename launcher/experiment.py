"""The main path: what ``steadyface run`` does, on one screen."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from launcher.distributed import all_processes, check_processes
from launcher.evaluation import evaluate
from launcher.execution import is_main_process, say
from launcher.memory import keep_freed_memory
from launcher.outcome import Outcome, load_outcome, save_outcome
from launcher.plan import Plan, check_given_clips, describe_plan, make_plan
from launcher.report.from_run import report_run
from launcher.runs import StageResult, make_folder, write_atomically
from launcher.settings import Experiment, to_yaml, variant_source
from launcher.stages import StageRunner
from launcher.stopping import clean_stops
from launcher.summary import print_summary
from launcher.unfinished import unfinished
from launcher.wandb_evaluation import log_evaluation
from launcher.weights import check_given_weights

EVALUATION, REPORT = "evaluation", "report"  # their labels among the stages' times


def run_experiment(experiment: Experiment) -> Path:
    """Train, adapt, track and compare; what was done before is taken from its folder.

    Returns:
        The experiment's folder: ``summary.json``, ``report.html``, ``tracks/``, a folder a stage.
    """
    check_processes(experiment.trainer)
    plan = make_plan(experiment)
    check_given_clips(experiment)
    check_given_weights(experiment, plan)
    folder = Path(experiment.runs) / experiment.name
    make_folder(folder)
    with clean_stops(), unfinished(folder, to_yaml(experiment)):
        with all_processes(experiment, plan) as plan:
            outcome = run_stages(experiment, plan)
        if is_main_process():
            write_atomically(folder / "experiment.yaml", to_yaml(experiment))
            save_outcome(outcome, folder)
            show_results(folder)
    return folder


def run_stages(experiment: Experiment, plan: Plan) -> Outcome:
    """Studio, face model, source networks, then every row of the table under every seed."""
    runner = StageRunner(experiment, plan)
    results: list[StageResult] = []
    if plan.studio is not None:
        results.append(runner.run_studio(plan.studio))
    sources = run_sources(runner, plan, results)
    adapted = {}
    for (variant, seed), stage in plan.adaptations.items():
        source = sources[variant_source(experiment, variant)]
        result = runner.run_adaptation(stage, source, variant, seed)
        results.append(result)
        adapted[variant, seed] = result.checkpoint
    reused = sum(result.reused for result in results)
    say(f"{len(results)} stages done, {reused} of them taken from earlier runs")
    main = sources.pop("")
    seconds = {result.label: result.seconds for result in results}
    return Outcome(runner.studio_folder, main, adapted, seconds, sources)


def run_sources(runner: StageRunner, plan: Plan, results: list[StageResult]) -> dict[str, Path]:
    """The face model and the source networks, trained or given: row -> checkpoint, "" for the first."""
    if plan.source_checkpoint is not None:
        return {"": plan.source_checkpoint}
    decoder = plan.decoder_checkpoint
    if plan.appearance is not None:
        results.append(runner.run_appearance(plan.appearance))
        decoder = results[-1].checkpoint
    assert decoder is not None and plan.pretraining is not None  # a plan gives or trains each
    sources = {}
    for name, stage in {"": plan.pretraining, **plan.sources}.items():
        results.append(runner.run_pretraining(stage, decoder, name))
        sources[name] = results[-1].checkpoint
    return sources


def show_results(folder: Path, external: Sequence[str] = ()) -> None:
    """Score the networks of a finished experiment: tracks, ``summary.json``, ``report.html``, the table.

    Args:
        folder: of the experiment.
        external: ``NAME[@CLIP]=FILE.npz`` of other trackers' results, each a row.

    Raises:
        InputError: when the folder holds no experiment whose stages all finished.
    """
    keep_freed_memory()
    started = time.monotonic()
    summary = evaluate(folder, external)
    evaluated = time.monotonic()
    outcome = note_seconds(folder, {EVALUATION: evaluated - started})
    report = report_run(folder)
    outcome = note_seconds(folder, {REPORT: time.monotonic() - evaluated})
    print_summary(summary, outcome.seconds)
    print(f"\nreport: {report}", flush=True)
    log_evaluation(folder)


def note_seconds(folder: Path, seconds: dict[str, float]) -> Outcome:
    """Add what a step after the stages took to the times in ``stages.json``, last in their order."""
    outcome = load_outcome(folder)
    kept = {label: spent for label, spent in outcome.seconds.items() if label not in seconds}
    outcome = replace(outcome, seconds={**kept, **seconds})
    save_outcome(outcome, folder)
    return outcome


def describe_experiment(experiment: Experiment) -> str:
    """The resolved settings and the stages, each done or to run: what ``--dry-run`` prints."""
    stages = describe_plan(make_plan(experiment), Path(experiment.runs))
    return "\n".join([to_yaml(experiment), "# stages", *(f"# {line.strip()}" for line in stages)])
