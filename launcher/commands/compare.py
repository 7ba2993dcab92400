"""``steadyface compare``: what differs between finished experiments, and which tracks better."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from launcher.commands.command import Command


def compare_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs", nargs="+", metavar="RUN[:ROW]",
        help="an experiment's folder and a row of its table, each compared with the first; RUN+RUN joins runs of one "
        "setting under several source networks",
    )  # fmt: skip
    parser.add_argument("--row", default="", metavar="ROW", help="the row where none is named; adapted by default")
    parser.add_argument(
        "--margin", type=float, default=0.05, metavar="SHARE",
        help="the relative change that would not matter; 0.05 by default",
    )  # fmt: skip
    parser.add_argument("--html", type=Path, metavar="PAGE.html", help="write a page with videos, graphs and tables")
    parser.add_argument("--wandb", action="store_true", help="log the tables as a W&B run, offline by default")


def compare(arguments: argparse.Namespace) -> None:
    from launcher.compare.comparison import compare_runs

    words = ["steadyface", "compare", *arguments.runs, "--margin", f"{arguments.margin:g}"]
    command = shlex.join([*words, *(["--row", arguments.row] if arguments.row else [])])
    compare_runs(arguments.runs, arguments.margin, arguments.row, arguments.html, arguments.wandb, command)


COMMANDS = (
    Command(
        "compare", compare,
        "Compare finished runs: settings that differ, metrics with intervals, and a verdict on each against the first.",
        "steadyface compare runs/demo:source runs/demo:adapted --html compare.html", compare_words,
    ),
)  # fmt: skip
