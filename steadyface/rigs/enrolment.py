"""Whether a rig has what enrolling a person from a clip needs, said before the long work starts."""

from __future__ import annotations

from collections.abc import Sequence

from steadyface.capture.arkit_names import ARKIT_NAMES
from steadyface.errors import InputError
from steadyface.rigs.landmarks import INNER, named_ranges
from steadyface.rigs.rig import Rig

REQUIRED_SHAPES = ("jawOpen",)
"""A mouth that cannot open would be fitted by the shape of the person's jaw."""
REQUIRED_LANDMARKS = INNER
"""Brows, nose, eyes and lips; the jaw's outline helps where a rig has it."""


def check_for_enrolment(
    rig: Rig, landmarks: Sequence[int] = REQUIRED_LANDMARKS, shapes: Sequence[str] = REQUIRED_SHAPES
) -> None:
    """Raise what a rig lacks for fitting it to a person's landmarks.

    Args:
        landmarks: numbers of the 68 points that must be there; shapes: names of expressions likewise.

    Raises:
        InputError: it names the landmarks or shapes that are missing, or shapes that move nothing, and what to supply.
    """
    missing = tuple(number for number in landmarks if number not in rig.landmarks.numbers)
    if missing:
        got = f"no {named_ranges(missing)}" if rig.landmarks.numbers else "none"
        remedy = "give its vertices in a landmarks.json beside the rig (a list of 68 under \"68\", see docs/rigs.md)"
        raise InputError(rig.name, "landmarks by the 68 points' numbers", got, remedy)
    absent = [name for name in shapes if name not in rig.expression_names]
    if absent:
        got = _listed(rig.expression_names) if rig.expression_names else "no shapes at all"
        remedy = f"add {_them(absent)} to the rig under ARKit's name (see docs/rigs.md)"
        raise InputError(rig.name, f"the expression shapes {', '.join(absent)}", got, remedy)
    still = [name for name in shapes if float(rig.expressions[rig.expression_names.index(name)].abs().max()) < 1e-3]
    if still:
        raise InputError(
            rig.name, f"{', '.join(still)} that moves the face", "the neutral face again", "export the shape again"
        )


def missing_arkit(rig: Rig) -> tuple[str, ...]:
    """The names of ARKit's 52 that a rig lacks, in ARKit's order: the curves of these will stay 0."""
    return tuple(name for name in ARKIT_NAMES if name not in rig.expression_names)


def _listed(names: tuple[str, ...]) -> str:
    return f"{len(names)} others ({', '.join(names[:4])}{', ...' if len(names) > 4 else ''})"


def _them(names: list[str]) -> str:
    return "it" if len(names) == 1 else "them"
