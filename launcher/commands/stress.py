"""``steadyface stress``: source, paper's objective and ours where the premise breaks."""

from __future__ import annotations

import argparse
from pathlib import Path

from launcher.commands.command import Command


def stress_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help="conditions: files, or folders such as experiments/stress"
    )
    parser.add_argument(
        "--sources", type=Path, nargs="+", metavar="RUN",
        help="finished experiments with a studio, one a subject; runs/person_0 and so on by default",
    )  # fmt: skip
    parser.add_argument(
        "--runs", type=Path, default=Path("runs/stress"), metavar="DIR", help="for the cells; runs/stress by default"
    )
    parser.add_argument(
        "--grid", default="full", metavar="NAME",
        help="full: mild and strong on every subject, all five strengths on the first; strengths: the five on the "
        "first; quick: strong on the first",
    )  # fmt: skip
    parser.add_argument("--world", default="studio", metavar="NAME", help="who films the clips; studio by default")
    parser.add_argument(
        "--out", type=Path, default=Path("docs/stress.md"), metavar="PAGE.md",
        help="the page to write or replace, its figures beside it; docs/stress.md by default",
    )  # fmt: skip
    parser.add_argument(
        "--page-only", action="store_true", help="train nothing: write the page of the cells that are done"
    )
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings of every condition: adaptation.steps=20"
    )


def stress(arguments: argparse.Namespace) -> None:
    from launcher.stress.report import write_report
    from launcher.stress.study import run_stress

    if arguments.page_only:
        write_report(arguments.runs, arguments.out)
        return
    sources = arguments.sources or sorted(Path("runs").glob("person_[0-9]"))
    run_stress(
        arguments.files, arguments.runs, sources, grid=arguments.grid, world=arguments.world, page=arguments.out,
        overrides=arguments.set,
    )  # fmt: skip


COMMANDS = (
    Command(
        "stress", stress,
        "Adapt to clips under fourteen conditions, and write where adaptation helps and where it hurts.",
        "steadyface stress experiments/stress --sources runs/person_0 runs/person_1 runs/person_2",
        stress_words,
    ),
)  # fmt: skip
