"""How other spellings of expression shapes are brought to ARKit's."""

from __future__ import annotations

import re

from steadyface.capture.arkit_names import ARKIT_NAMES

HALVES: dict[str, tuple[str, str]] = {
    "browInnerUp": ("browInnerUp_L", "browInnerUp_R"),
    "cheekPuff": ("cheekPuff_L", "cheekPuff_R"),
}
"""Shapes that ARKit has whole and others by halves: the whole is their sum, and the halves are not kept beside it,
for nobody could tell the one from the other two."""

_BY_LOWER = {name.lower(): name for name in ARKIT_NAMES}


def arkit_name(name: str) -> str:
    """ARKit's spelling of a shape's name, or the name itself where it is none of ARKit's.

    ``_L`` and ``_R`` at the end, any case, and what a program puts in front of the last dot or colon are understood.

    >>> arkit_name("mouthSmile_L"), arkit_name("Face.EyeBlinkRight"), arkit_name("cheekRaiser_L")
    ('mouthSmileLeft', 'eyeBlinkRight', 'cheekRaiser_L')
    """
    last = re.split(r"[.:]", name)[-1]
    plain = last.lower()
    sided = re.sub(r"_?(l|left)$", "left", plain), re.sub(r"_?(r|right)$", "right", plain)
    return next((_BY_LOWER[form] for form in (plain, *sided) if form in _BY_LOWER), name)
