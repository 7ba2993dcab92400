"""The conditions of the stress suite, by name: what each is, the range of its strength, and how a clip of it is made.

An entry names either an overlay (of ``conditions``: laid over a clip that was filmed) or a staging (of
``stress_staging``: filmed again). To add a condition, write the one or the other and give it an entry in ``STRESS``,
with a file in ``experiments/stress/`` that says how strong.
"""

from __future__ import annotations

import difflib
from typing import NamedTuple

from steadyface.errors import InputError

CLEAN = "clean"


class StressCondition(NamedTuple):
    """What goes wrong: a title, a sentence, the unit of its strength with its range, and the overlay or staging that
    makes it."""

    title: str
    what: str
    unit: str
    lowest: float
    highest: float
    overlay: str = ""
    staged: str = ""


STRESS: dict[str, StressCondition] = {
    CLEAN: StressCondition(
        "Nothing",
        "The same stretches of the studio's clips as they were filmed.",
        "none", 0, 0, overlay="clean",
    ),
    "exposure_ramp": StressCondition(
        "Exposure ramp",
        "The exposure falls steadily over the whole clip, from overexposed to dark.",
        "stops over the clip", 0, 8, overlay="exposure_ramp",
    ),
    "auto_exposure": StressCondition(
        "Auto-exposure steps",
        "An automatic exposure steps up and down every third of a second or so, and settles in a few frames.",
        "stops", 0, 4, overlay="auto_exposure_steps",
    ),
    "white_balance": StressCondition(
        "White-balance steps",
        "An automatic white balance steps between warm and cold, at once.",
        "stops of red over blue", 0, 4, overlay="white_balance_steps",
    ),
    "key_light": StressCondition(
        "Moving key light",
        "The key light swings about the head: shading and shadows wander over a still skin.",
        "degrees either way", 0, 120, staged="moving_key_light",
    ),
    "flicker": StressCondition(
        "Flicker",
        "A lamp on alternating current under a rolling shutter: bright and dark bands run through the picture.",
        "stops", 0, 4, overlay="rolling_flicker",
    ),
    "cast_shadow": StressCondition(
        "Cast shadow crossing",
        "The soft shadow of a bar before the key light passes over the face, to and fro.",
        "share of the key light", 0, 1, staged="cast_shadow",
    ),
    "motion_blur": StressCondition(
        "Motion blur",
        "A shaking hand in dim light: a frame is the mean of nine places along the way that the picture took.",
        "pixels an exposure", 0, 64, staged="motion_blur",
    ),
    "frame_rate": StressCondition(
        "Frame-rate drop",
        "Frames are lost at random; those that are left keep their true times.",
        "frames to one", 1, 3.5, overlay="frame_rate_drop",
    ),
    "compression": StressCondition(
        "Compression",
        "The clip is encoded by H.264 at a high rate factor.",
        "CRF of H.264", 0, 51, overlay="compression",
    ),
    "occluder": StressCondition(
        "Hand and hair",
        "A hand passes before the face, then hair falls into it.",
        "share of the face's height", 0.05, 2, overlay="hand_and_hair",
    ),
    "viewpoint": StressCondition(
        "Viewpoint jump",
        "The phone jumps about the head, to and fro, four views in all.",
        "degrees", 0, 60, staged="viewpoint_jump",
    ),
    "head_turn": StressCondition(
        "Fast head turn",
        "The head shakes as in a no, beside its usual motion.",
        "degrees a second", 0, 720, staged="fast_head_turn",
    ),
    "low_resolution": StressCondition(
        "Low resolution",
        "The picture has fewer pixels, enlarged again.",
        "pixels to one", 1, 32, overlay="coarse",
    ),
    "expression": StressCondition(
        "Expression extremes",
        "Grimaces of many shapes at once, up to beyond the range that the lab covers.",
        "of the full reach", 0, 2, staged="expression_extremes",
    ),
}  # fmt: skip


def find_stress(name: str) -> StressCondition:
    """The condition of a name. Raises InputError, with the nearest known name, where there is none."""
    if name not in STRESS:
        (nearest,) = difflib.get_close_matches(name, STRESS, n=1, cutoff=0.0)
        raise InputError("stress condition", f"one of {', '.join(STRESS)}", name, f"the nearest is {nearest}")
    return STRESS[name]


def check_stress(name: str, strength: float, subject: str = "") -> None:
    """Raises InputError for a condition that is not known, or a strength outside of its range.

    Args:
        name, strength: of the condition.
        subject: the setting at fault; by default named after the condition.
    """
    kind = find_stress(name)
    if not kind.lowest <= strength <= kind.highest:
        expected = f"{kind.lowest:g} to {kind.highest:g} ({kind.unit})"
        raise InputError(subject or f"strength of {name}", expected, f"{strength:g}", "choose one in that range")
