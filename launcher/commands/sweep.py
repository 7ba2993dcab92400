"""``steadyface sweep``: many runs of one experiment under other settings."""

from __future__ import annotations

import argparse
from pathlib import Path

from launcher.commands.command import Command


def sweep_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sweep", type=Path, metavar="SWEEP.yaml", help="W&B's schema; command: names the experiment")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings of every trial")
    parser.add_argument(
        "--engine", choices=("optuna", "wandb"),
        help="what chooses the trials; wandb where the experiment says wandb.mode=online, else optuna",
    )  # fmt: skip
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="trials at once; 1 by default")
    parser.add_argument(
        "--gpus-per-trial", type=int, default=0, metavar="N", help="GPUs that each trial sees; by default all"
    )
    parser.add_argument(
        "--storage", default="", metavar="URL",
        help="postgresql://USER@HOST/DATABASE, shared by launchers on several machines; a file under runs by default",
    )  # fmt: skip
    parser.add_argument("--retry-failed", action="store_true", help="try the failed trials again")
    parser.add_argument("--launcher", choices=("local", "slurm"), default="local", help="what starts the trials")
    parser.add_argument(
        "--slurm", action="append", default=[], metavar="OPTION",
        help="a further word for sbatch, such as --slurm=--partition=gpu; may be repeated",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="check everything, print the trials, start nothing")


def sweep(arguments: argparse.Namespace) -> int:
    from launcher.sweep.start import SweepOptions, start_sweep

    return start_sweep(
        SweepOptions(
            path=arguments.sweep,
            overrides=tuple(arguments.overrides),
            engine=arguments.engine or "",
            workers=arguments.workers,
            gpus_per_trial=arguments.gpus_per_trial,
            storage=arguments.storage,
            retry_failed=arguments.retry_failed,
            launcher=arguments.launcher,
            slurm=tuple(arguments.slurm),
            dry_run=arguments.dry_run,
        )
    )


COMMANDS = (
    Command(
        "sweep", sweep,
        "Run an experiment at many settings: grid, random or bayes, early stop. A killed sweep goes on.",
        "steadyface sweep experiments/sweeps/weights.yaml --workers 2", sweep_words,
    ),
)  # fmt: skip
