"""``steadyface run``: an experiment, from its file to its report."""

from __future__ import annotations

import argparse
from pathlib import Path

from launcher.commands.command import Command


def run_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", type=Path, metavar="EXPERIMENT.yaml")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings that replace the file's")
    parser.add_argument(
        "--dry-run", action="store_true", help="print the resolved settings and the stages, run nothing"
    )


def run(arguments: argparse.Namespace) -> None:
    from launcher.experiment import describe_experiment, run_experiment
    from launcher.load import load_experiment

    experiment = load_experiment(arguments.experiment, arguments.overrides)
    if arguments.dry_run:
        print(describe_experiment(experiment))
    else:
        run_experiment(experiment)


COMMANDS = (
    Command(
        "run", run, "Run an experiment: train, adapt, track, compare. What was done before is reused.",
        "steadyface run experiments/demo.yaml adaptation.steps=200 'seeds=[0,1,2]'", run_words,
    ),
)  # fmt: skip
