"""``steadyface evaluate``, ``results`` and ``figures``: what finished experiments show."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from launcher.commands.command import Command


def evaluate_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of an experiment")
    parser.add_argument(
        "--external", nargs="+", default=[], metavar="NAME[@CLIP]=FILE.npz",
        help="another tracker's result as a row NAME, of the adapted clip or @held_out_clip; docs/external-trackers.md",
    )  # fmt: skip


def results_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="an experiment's folder, one a subject")
    parser.add_argument("--out", type=Path, required=True, metavar="PAGE.md", help="the page to write or replace")
    parser.add_argument(
        "--margin", type=float, default=0.05, metavar="SHARE",
        help="the change, as a share of the rival's value, that would not matter; 0.05 by default",
    )  # fmt: skip
    parser.add_argument(
        "--made-by", default="", metavar="COMMAND",
        help="what the page names as the command that makes it, runs included; this one by default",
    )  # fmt: skip


def figures_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="an experiment's folder, one a subject")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where to write; RUN/figures by default, of several runs ./figures"
    )
    parser.add_argument(
        "--only", default="", metavar="NAMES", help="some of stability,sheet,ablation,accuracy; all by default"
    )


def evaluate(arguments: argparse.Namespace) -> None:
    from launcher.experiment import show_results

    show_results(arguments.run, arguments.external)


def results(arguments: argparse.Namespace) -> None:
    from launcher.results.page import write_results

    words = ["steadyface", "results", *map(str, arguments.runs), "--out", str(arguments.out)]
    command = shlex.join([*words, "--margin", f"{arguments.margin:g}"])
    write_results(arguments.runs, arguments.out, arguments.margin, arguments.made_by or command)


def figures(arguments: argparse.Namespace) -> None:
    from launcher.figures.write import write_figures

    write_figures(arguments.runs, arguments.out, arguments.only)


COMMANDS = (
    Command(
        "evaluate", evaluate,
        "Score the networks of a finished experiment again: table, summary.json, report.html.",
        "steadyface evaluate runs/demo --external smirk=smirk_adapt.npz smirk@held_out_clip=smirk_held_out.npz",
        evaluate_words,
    ),
    Command(
        "results", results,
        "Write the page of several finished experiments, one a subject: intervals, tests, claims.",
        "steadyface results runs/subject_0 runs/subject_1 runs/subject_2 --out docs/results.md", results_words,
    ),
    Command(
        "figures", figures,
        "Draw the paper's figures from finished experiments, one a subject: PNG and PDF files.",
        "steadyface figures runs/demo --only stability,sheet --out figures", figures_words,
    ),
)  # fmt: skip
