"""``sizes:`` of an experiment file: what changes where it runs smaller, chosen by ``size=NAME``.

An experiment is written at its full size. ``sizes: {demo: {...}}`` names what a smaller one changes; the
size lies over all files and under the words of the command line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from launcher.resolve import Layer
from steadyface.errors import InputError

FULL = "full"
"""The experiment as its files say."""


def choose_size(files: Sequence[Layer], words: Sequence[Layer]) -> list[Layer]:
    """The layers without ``size`` and ``sizes``, the chosen size's own between files and words.

    Raises:
        InputError: for a size that no file describes, or a description that is no mapping.
    """
    chosen, described = FULL, []
    plain: list[list[Layer]] = [[], []]
    for kept, layers in zip(plain, (files, words), strict=True):
        for layer in layers:
            values = dict(layer.values)
            chosen = str(values.pop("size", chosen))
            described += list(_sizes(layer.origin, values.pop("sizes", {})).items())
            kept.append(Layer(layer.origin, values))
    wanted = [Layer(f"{origin}: sizes.{name}", values) for (origin, name), values in described if name == chosen]
    if chosen != FULL and not wanted:
        known = ", ".join(sorted({FULL, *(name for (_, name), _ in described)}))
        raise InputError("size", f"one of {known}", chosen, "choose one of them")
    return [*plain[0], *wanted, *plain[1]]


def _sizes(origin: str, sizes: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """(file, size) -> what it changes."""
    if not isinstance(sizes, dict) or not all(isinstance(values, dict) for values in sizes.values()):
        raise InputError(f"{origin}: sizes", "a mapping of names to settings", repr(sizes),
                         "write sizes: {demo: {appearance: {steps: 100}}}")
    return {(origin, str(name)): values for name, values in sizes.items()}
