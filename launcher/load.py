"""An experiment file and ``key=value`` words to a checked `Experiment`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from launcher.checks import check
from launcher.resolve import file_layers, override_layers, resolve
from launcher.settings import Experiment
from launcher.sizes import choose_size


def load_experiment(path: Path, overrides: Sequence[str] = ()) -> Experiment:
    """The experiment that a file and ``key=value`` words describe, checked.

    Raises:
        ExceptionGroup or InputError: all faults at once, before any data is opened.
    """
    experiment = resolve(Experiment, choose_size(file_layers(path), override_layers(overrides)))
    if not experiment.name:
        experiment = replace(experiment, name=path.stem)
    faults = list(check(experiment))
    if faults:
        raise ExceptionGroup(f"faults in {path}", faults)
    return experiment
