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
    """What goes wrong: a title, the unit of its strength with its range, and the overlay or staging that makes it."""

    title: str
    unit: str
    lowest: float
    highest: float
    overlay: str = ""
    staged: str = ""


STRESS: dict[str, StressCondition] = {
    CLEAN: StressCondition("Nothing", "none", 0, 0, overlay="clean"),
    "exposure_ramp": StressCondition("Exposure ramp", "stops over the clip", 0, 8, overlay="exposure_ramp"),
    "auto_exposure": StressCondition("Auto-exposure steps", "stops", 0, 4, overlay="auto_exposure_steps"),
    "white_balance": StressCondition(
        "White-balance steps", "stops of red over blue", 0, 4, overlay="white_balance_steps"
    ),
    "key_light": StressCondition("Moving key light", "degrees either way", 0, 120, staged="moving_key_light"),
    "flicker": StressCondition("Flicker", "stops", 0, 4, overlay="rolling_flicker"),
    "cast_shadow": StressCondition("Cast shadow crossing", "share of the key light", 0, 1, staged="cast_shadow"),
    "motion_blur": StressCondition("Motion blur", "pixels an exposure", 0, 64, staged="motion_blur"),
    "frame_rate": StressCondition("Frame-rate drop", "frames to one", 1, 3.5, overlay="frame_rate_drop"),
    "compression": StressCondition("Compression", "CRF of H.264", 0, 51, overlay="compression"),
    "occluder": StressCondition("Hand and hair", "share of the face's height", 0.05, 2, overlay="hand_and_hair"),
    "viewpoint": StressCondition("Viewpoint jump", "degrees", 0, 60, staged="viewpoint_jump"),
    "head_turn": StressCondition("Fast head turn", "degrees a second", 0, 720, staged="fast_head_turn"),
    "low_resolution": StressCondition("Low resolution", "pixels to one", 1, 32, overlay="coarse"),
    "expression": StressCondition("Expression extremes", "of the full reach", 0, 2, staged="expression_extremes"),
}


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
