"""Which part of a rig a triangle belongs to, by the names that its file gives, or by where it lies.

Only the skin of the face is tracked. All else is drawn with it, and moves as the rig says.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from steadyface.rigs.landmarks import CHIN, JAW_ENDS, OUTER_EYE_CORNERS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PART_NAMES = ("face", "head", "eye_left", "eye_right", "mouth", "teeth", "hair", "other")
"""face: skin that is tracked; head: other skin (scalp, ears, back, neck); mouth: gums, tongue and the mouth's bag."""
TRACKED = frozenset({"face"})
EYES = ("eye_left", "eye_right")
FACE, HEAD = PART_NAMES.index("face"), PART_NAMES.index("head")

_EYE = "eye"
_SEE_THROUGH = re.compile(r"lash|lacrimal|tear(?!duct)|eye.?(blend|occlusion|shadow|ao|wet|moist)|cornea|occlusion")
_WORDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("face", re.compile(r"eye.?lid")),
    ("hair", re.compile(r"(?<!c)hair|brow|beard|moustache|mustache|stubble")),
    (_EYE, re.compile(r"sclera|iris|pupil|eye.?ball|(?<![a-z])eyes?(?![a-z])|(?<![a-z])eye_?(left|right)")),
    ("teeth", re.compile(r"teeth|tooth|denture|dental")),
    ("mouth", re.compile(r"gum|tongue|mouth|(?<![a-z])oral")),
    ("head", re.compile(r"neck|back.?head|scalp|(?<![a-z])ears?(?![a-z])|skull")),
    ("other", re.compile(r"cloth|shirt|glasses|collar|hat$")),
)  # fmt: skip


def is_see_through(name: str) -> bool:
    """Whether a material or group name is of a layer that is seen through: lashes, tear film, the eye's shadow.

    Lashes are cards with a picture of hairs. Drawn opaque such layers would hide the eye, so readers leave them out.
    """
    return bool(_SEE_THROUGH.search(name.lower()))


def part_of_name(name: str) -> str | None:
    """The part that a material, group or node name speaks of; ``eye`` of either side; None where it says nothing.

    >>> part_of_name("M_GumsTongue"), part_of_name("M_ScleraLeft"), part_of_name("M_Face")
    ('mouth', 'eye', None)
    """
    if name in PART_NAMES:
        return name
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    return next((part for part, pattern in _WORDS if pattern.search(spaced)), None)


def parts_by_names(names: list[str], neutral: Floats, faces: Ints) -> Ints:
    """The part of each triangle from its name, what is not known by name is the face.

    Which eye is which is where it lies: the subject's left is at +x of the head's middle.

    Args:
        names: F names; neutral: (N, 3) mm, head frame; faces: (F, 3).

    Returns:
        (F,) indices into PART_NAMES.
    """
    known = {name: part_of_name(name) or "face" for name in set(names)}
    parts = [known[name] for name in names]
    middle = float(np.median(neutral[faces[:, 0], 0]))
    left = neutral[faces].mean(axis=1)[:, 0] > middle
    sided = [EYES[0] if side else EYES[1] for side in left.tolist()]
    return np.array(
        [PART_NAMES.index(eye if part == _EYE else part) for part, eye in zip(parts, sided, strict=True)],
        dtype=np.int64,
    )


def narrow_to_face(parts: Ints, neutral: Floats, faces: Ints, points: dict[int, Floats]) -> Ints:
    """Of the triangles called face, those that lie outside the face become ``head``: the scalp, the back, the neck.

    The face reaches from 0.75 of the height between eyes and chin above the eyes to a little below the chin, and back
    to the jaw's ends, in front of the ears. Without landmarks nothing changes.

    Args:
        parts: (F,); neutral: (N, 3) mm, head frame; faces: (F, 3); points: number -> (3,) of the landmarks.
    """
    if not all(number in points for number in (*OUTER_EYE_CORNERS, 48, 54)):
        return parts
    eyes = np.mean([points[number] for number in OUTER_EYE_CORNERS], axis=0)
    mouth = np.mean([points[48], points[54]], axis=0)
    chin_y = points[CHIN][1] if CHIN in points else eyes[1] + 1.6 * (mouth[1] - eyes[1])
    height = chin_y - eyes[1]
    ends = [points[number][2] for number in JAW_ENDS if number in points]
    back = float(np.mean(ends)) if ends else eyes[2] + 0.45 * height
    _, y, z = neutral.T
    inside = (y > eyes[1] - 0.75 * height) & (y < chin_y + 0.10 * height) & (z < back)
    # under the chin the face ends where the neck begins
    inside &= ~((y > chin_y - 0.05 * height) & (z > eyes[2] + 0.25 * height))
    outside = ~inside[faces].all(axis=1)
    return np.where((parts == FACE) & outside, HEAD, parts)
