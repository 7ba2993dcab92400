"""``steadyface sync`` and ``dashboard``: what has to do with the W&B server."""

from __future__ import annotations

import argparse
from pathlib import Path

from launcher.commands.command import Command


def sync_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="an experiment's folder, or a stage's")
    parser.add_argument("--dry-run", action="store_true", help="print the command lines, send nothing")


def dashboard_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--project", default="steadyface", metavar="NAME", help="steadyface by default")
    parser.add_argument("--entity", default="", metavar="NAME", help="user or team; that of the login by default")
    parser.add_argument(
        "--out", type=Path, metavar="FILE.json", help="write the view to a file, save nothing on the server"
    )


def sync(arguments: argparse.Namespace) -> int:
    from launcher.wandb_sync import sync_runs

    return sync_runs(arguments.runs, arguments.dry_run)


def dashboard(arguments: argparse.Namespace) -> None:
    from launcher.dashboard import save_dashboard, write_dashboard

    if arguments.out is not None:
        write_dashboard(arguments.project, arguments.entity, arguments.out)
    else:
        save_dashboard(arguments.project, arguments.entity)


COMMANDS = (
    Command(
        "sync", sync, "Send the offline W&B runs of experiments or stages to the server, every part of a run in order.",
        "steadyface sync runs/demo", sync_words,
    ),
    Command(
        "dashboard", dashboard, "Save the W&B view that compares sources, adapted runs and baselines.",
        "steadyface dashboard --project steadyface --out dashboard.json", dashboard_words,
    ),
)  # fmt: skip
