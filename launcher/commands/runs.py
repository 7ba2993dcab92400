"""``steadyface resume`` and ``runs``: what was begun, and going on with it."""

from __future__ import annotations

import argparse
from pathlib import Path

from launcher.commands.command import Command


def resume_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of an experiment or of a stage")


def runs_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs", type=Path, nargs="?", default=Path("runs"), metavar="RUNS",
        help="the folder of all runs; runs by default",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print a list of objects, ages and times in seconds")


def resume(arguments: argparse.Namespace) -> None:
    from launcher.resume import resume

    resume(arguments.run)


def runs(arguments: argparse.Namespace) -> None:
    import json
    from dataclasses import asdict

    from launcher.run_list import list_runs, table

    found = list_runs(arguments.runs)
    print(json.dumps([asdict(run) for run in found], indent=1) if arguments.json else "\n".join(table(found)))


COMMANDS = (
    Command(
        "resume", resume, "Go on with a stopped experiment or stage, out of its folder; never starts from scratch.",
        "steadyface resume runs/demo", resume_words,
    ),
    Command(
        "runs", runs, "List experiments and stages: state, age, time, steps, best or last metric.",
        "steadyface runs --json", runs_words,
    ),
)  # fmt: skip
