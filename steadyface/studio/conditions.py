"""What goes wrong while a phone films: conditions laid over a clip whose truth is known, without rendering again.

A condition takes frames and the true place of the face, and gives other frames, with the truth that then
holds: which frame's truth, by how much the picture moved, whether the face is there, and how much of it is
hidden. It comes and goes within the clip, so that one clip shows frames of both kinds. All is a function of
the strength and the seed.

To add a condition, write a function as those of ``condition_kinds`` and give it an entry in ``CONDITIONS``; one that
lasts for most of a clip stands in ``stress_overlays`` and ``LASTING``.

``CALIBRATION`` and ``TEST`` are the conditions on which confidence is fitted and judged. They share neither
strengths, nor the shapes of what hides the face, nor seeds; whoever uses them gives them other people, too.
"""

from __future__ import annotations

import difflib
from typing import NamedTuple

import numpy as np

from steadyface.errors import InputError
from steadyface.studio import condition_kinds as kinds
from steadyface.studio import faceless
from steadyface.studio import stress_overlays as overlays
from steadyface.studio.condition_kinds import Condition, Disturbed, Take

CONDITIONS: dict[str, Condition] = {
    "clean": Condition("none, 0", (0.0,), 0, 0, kinds.leave_alone),
    "hand": Condition("share of the face's height", (0.4, 0.8), 0.05, 3, kinds.occluder("hand")),
    "cup": Condition("share of the face's height", (0.4, 0.8), 0.05, 3, kinds.occluder("cup")),
    "ball": Condition("share of the face's height", (0.4, 0.8), 0.05, 3, kinds.occluder("ball")),
    "forearm": Condition("share of the face's height", (0.4, 0.8), 0.05, 3, kinds.occluder("forearm")),
    "phone": Condition("share of the face's height", (0.4, 0.8), 0.05, 3, kinds.occluder("phone")),
    "paper": Condition("share of the face's height", (0.4, 0.8), 0.05, 3, kinds.occluder("paper")),
    "exposure": Condition("stops", (-2.0, 1.0), -8, 8, kinds.change_exposure),
    "white_balance": Condition("stops of red over blue", (1.0,), -4, 4, kinds.change_white_balance),
    "flicker": Condition("stops", (0.5,), 0, 4, kinds.flicker),
    "jump": Condition("seconds left out", (1.0,), 0, 600, kinds.jump),
    "cut_to_room": Condition("share of the clip", (0.3,), 0, 0.9, kinds.cut_away(faceless.room_frame)),
    "cut_to_card": Condition("share of the clip", (0.3,), 0, 0.9, kinds.cut_away(faceless.card_frame)),
    "covered_lens": Condition("share of the clip", (0.3,), 0, 0.9, kinds.cut_away(faceless.dark_frame)),
    "leave": Condition("share of the face beyond the border", (0.5, 1.2), 0, 3, kinds.leave_picture),
    "motion_blur": Condition("share of the face's height", (0.1, 0.2), 0, 1, kinds.motion_blur),
    "low_resolution": Condition("pixels to one", (4.0, 8.0), 1, 64, kinds.low_resolution),
    "noise": Condition("8-bit levels, sigma", (20.0, 40.0), 0, 255, kinds.noise),
    "compression": Condition("CRF of H.264", (40.0, 51.0), 0, 51, kinds.compression),
}

LASTING: dict[str, Condition] = {
    "exposure_ramp": Condition("stops", (1.0, 3.0), 0, 8, overlays.exposure_ramp),
    "auto_exposure_steps": Condition("stops", (0.5, 1.5), 0, 4, overlays.auto_exposure_steps),
    "white_balance_steps": Condition("stops of red over blue", (0.5, 1.5), 0, 4, overlays.white_balance_steps),
    "rolling_flicker": Condition("stops", (0.25, 0.75), 0, 4, overlays.rolling_flicker),
    "frame_rate_drop": Condition("frames to one", (1.5, 2.0), 1, 8, overlays.frame_rate_drop),
    "hand_and_hair": Condition("share of the face's height", (0.4, 0.8), 0.05, 3, overlays.hand_and_hair),
    "coarse": Condition("pixels to one", (4.0, 8.0), 1, 64, overlays.coarse),
}
"""Conditions that last for most of a clip: the stress suite's, which confidence is neither fitted nor judged on."""


class Trial(NamedTuple):
    """A condition of ``CONDITIONS`` or ``LASTING``, how strong, and the seed of all that it draws."""

    condition: str
    strength: float
    seed: int


def _numbered(first_seed: int, listed: dict[str, tuple[float, ...]]) -> tuple[Trial, ...]:
    pairs = [(name, strength) for name, strengths in listed.items() for strength in strengths]
    return tuple(Trial(name, strength, first_seed + place) for place, (name, strength) in enumerate(pairs))


CALIBRATION = _numbered(1000, {
    "clean": (0.0,), "hand": (0.35, 0.6, 0.9, 1.3), "cup": (0.5, 0.8, 1.2), "ball": (0.4, 0.7, 1.1),
    "exposure": (-3.0, -1.5, 0.8, 1.6), "white_balance": (0.8, -1.4), "flicker": (0.4,), "jump": (0.7, 1.5),
    "cut_to_room": (0.25, 0.35), "cut_to_card": (0.3,), "covered_lens": (0.25,), "leave": (0.45, 0.8, 1.3),
    "motion_blur": (0.12, 0.25), "low_resolution": (6.0, 12.0), "noise": (25.0, 60.0), "compression": (42.0,),
})  # fmt: skip

TEST = _numbered(2000, {
    "clean": (0.0,), "forearm": (0.5, 0.75, 1.05), "phone": (0.45, 0.7, 1.0), "paper": (0.55, 0.85, 1.15),
    "exposure": (-2.2, 1.2), "white_balance": (-1.0, 1.1), "flicker": (0.7,), "jump": (0.5, 1.1),
    "cut_to_room": (0.3,), "cut_to_card": (0.2,), "covered_lens": (0.35,), "leave": (0.6, 1.1),
    "motion_blur": (0.18,), "low_resolution": (9.0,), "noise": (40.0,), "compression": (46.0,),
})  # fmt: skip


def find_condition(name: str) -> Condition:
    """The condition of a name. Raises InputError, with the nearest known name, where there is none."""
    known = CONDITIONS | LASTING
    if name not in known:
        (nearest,) = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
        raise InputError("condition", f"one of {', '.join(known)}", name, f"the nearest is {nearest}")
    return known[name]


def disturb(take: Take, trial: Trial, frames: int) -> Disturbed:
    """A stretch of a take under a condition.

    Args:
        take: frames and the face's true place; at least ``frames`` of them, for ``jump`` more by what it leaves out.
        trial: which condition, how strong, and the seed, which also says where in the take the stretch starts.
        frames: T, its length.

    Raises:
        InputError: an unknown condition, a strength outside its range, or a take that is too short.
    """
    kind = find_condition(trial.condition)
    check_strength(trial)
    needed = frames_needed(trial, frames, take.fps)
    if len(take.frames) < needed:
        remedy = "use a longer clip, or ask for fewer frames"
        raise InputError("take", f"at least {needed} frames", str(len(take.frames)), remedy)
    rng = np.random.default_rng([trial.seed, 301])
    start = int(rng.integers(0, len(take.frames) - needed + 1))
    return kind.make(Take(take.frames[start:], take.face[start:], take.fps), frames, trial.strength, rng).from_(start)


def check_strength(trial: Trial) -> None:
    """Raises InputError where a strength is outside its condition's range, or the condition is not known."""
    kind = find_condition(trial.condition)
    if not kind.lowest <= trial.strength <= kind.highest:
        expected = f"{kind.lowest:g} to {kind.highest:g} ({kind.unit})"
        remedy = "for example " + " or ".join(f"{value:g}" for value in kind.strengths)
        raise InputError(f"strength of {trial.condition}", expected, f"{trial.strength:g}", remedy)


def frames_needed(trial: Trial, frames: int, fps: float) -> int:
    """Frames of a take that a trial of so many frames needs: more, where frames are left out."""
    if trial.condition == "jump":
        return frames + round(trial.strength * fps)
    return overlays.frames_of_drop(frames, trial.strength) if trial.condition == "frame_rate_drop" else frames
