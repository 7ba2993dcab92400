"""An experiment file and ``key=value`` words to a checked `Experiment`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from launcher.checks import check
from launcher.resolve import Layer, file_layers, override_layers, resolve_what_fits
from launcher.settings import Experiment
from launcher.sizes import choose_size
from steadyface.errors import InputError


def load_experiment(path: Path, overrides: Sequence[str] = ()) -> Experiment:
    """The experiment that a file and ``key=value`` words describe, checked.

    Raises:
        ExceptionGroup or InputError: all faults at once, before any data is opened.
    """
    files, words, faults = file_layers(path), list[Layer](), list[InputError]()
    for word in overrides:
        try:
            words += override_layers([word])
        except ExceptionGroup as group:
            faults += [fault for fault in group.exceptions if isinstance(fault, InputError)]
    experiment, unfit = resolve_what_fits(Experiment, choose_size(files, words))
    if not experiment.name:
        experiment = replace(experiment, name=path.stem)
    faults += unfit
    # What a faulty key was meant to say is not known: what would follow from its absence is no fault.
    named = {key for fault in faults for key in named_keys(fault)}
    faults += [fault for fault in check(experiment) if not named & named_keys(fault)]
    if faults:
        raise ExceptionGroup(f"faults in {path}", faults)
    return experiment


def named_keys(fault: InputError) -> set[str]:
    """The dotted keys that a fault is about, the nearest known one of an unknown key among them.

    >>> fault = InputError("a.yaml: lab.foldr", "a known setting", "...", "the nearest known one is lab.folder")
    >>> sorted(named_keys(fault))
    ['a.yaml', 'lab.folder', 'lab.foldr']
    """
    return set(re.findall(r"\w+(?:\.\w+)+", f"{fault.subject} {fault.remedy.partition('nearest known one is ')[2]}"))
