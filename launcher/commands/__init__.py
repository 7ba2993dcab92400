"""The sub-commands of ``steadyface``, a module a group.

==================  =================================
``command``         what a sub-command is
``experiments``     run
``sweep``           sweep
``track``           track
``clips``           check
``export``          export
``scores``          evaluate, results, figures
``confidence``      confidence
``stress``          stress
``compare``         compare
``runs``            runs, resume
``subjects``        studio, import-decoder
``wandb_commands``  sync, dashboard
==================  =================================

To add one: a `Command` in a module's ``COMMANDS``, and a new module's name in `commands`. Each action imports what
it needs when it is called, so that ``--help`` answers at once.
"""

from __future__ import annotations

from launcher.commands import (
    clips,
    compare,
    confidence,
    experiments,
    export,
    runs,
    scores,
    stress,
    subjects,
    sweep,
    track,
    wandb_commands,
)
from launcher.commands.command import Command


def commands() -> tuple[Command, ...]:
    """Every sub-command, in the order of the help."""
    groups = (
        experiments, sweep, runs, scores, compare, confidence, stress, track, clips, export, subjects, wandb_commands,
    )  # fmt: skip
    return tuple(command for group in groups for command in group.COMMANDS)
