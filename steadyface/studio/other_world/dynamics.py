"""What the second generator's person and hand do: springs that are pulled from rest to rest at random times.

Heads and eyes jump between targets and settle as damped masses do; mouths are driven by random pulses through
resonators; the phone is a mass in a hand that sways, breathes and trembles. Nothing is a sum of waves or a
path through keys.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from steadyface.studio.other_world.deformation import CONTROLS, NAMES
from steadyface.studio.other_world.mesh_fields import Floats
from steadyface.studio.other_world.settings import OtherWorldSettings

RATE_HZ = 360.0
_BEFORE_S = 1.5  # simulated before the first frame, so that a clip does not begin at rest


@dataclass(frozen=True)
class Motion:
    """Everything that moves, at evenly spaced times; between them it is blended.

    Shapes: time_s (S,); controls (S, K) of ``deformation.NAMES``; head (S, 6): rotation vector, radians, and shift,
    mm, of the head from its place before the phone, about the neck; phone (S, 6): the same of the phone, about itself.
    """

    time_s: Floats
    controls: Floats
    head: Floats
    phone: Floats

    def at(self, time_s: Floats) -> Motion:
        """At other times, (T,), linear between the nearest two."""
        place = np.clip((time_s - self.time_s[0]) / (self.time_s[1] - self.time_s[0]), 0.0, len(self.time_s) - 1.001)
        low = place.astype(int)
        share = (place - low)[:, None]

        def blend(values: Floats) -> Floats:
            return values[low] * (1.0 - share) + values[low + 1] * share

        return Motion(time_s, blend(self.controls), blend(self.head), blend(self.phone))


def stand_in(rng: np.random.Generator, seconds: float, settings: OtherWorldSettings) -> Motion:
    """A performance for when none was tracked: ``seconds`` long, from a little before 0 on."""
    time_s = np.arange(-_BEFORE_S, seconds + 0.1, 1.0 / RATE_HZ)
    controls = _face(rng, len(time_s)) * settings.expression
    head = _head(rng, len(time_s)) * settings.head_motion
    return Motion(time_s, controls, head, hand_held(rng, len(time_s)) * settings.hand_motion)


def hand_held(rng: np.random.Generator, count: int) -> Floats:
    """A phone at an arm's end: (count, 6). It sways, rises with the breath, trembles, and is moved at times."""
    turn = np.radians(1.1) * sway(rng, count, 3, 0.5) + np.radians(0.05) * sway(rng, count, 3, 9.0, damping=0.15)
    shift = 5.0 * sway(rng, count, 3, 0.45) + 0.25 * sway(rng, count, 3, 8.0, damping=0.15)
    arm = spring(jumps(rng, count, 1.6, lambda: rng.normal(0.0, [26.0, 14.0, 16.0])), 0.55, 0.9)
    shift = shift + arm
    breath = np.sin(2.0 * np.pi * rng.uniform(0.22, 0.32) * np.arange(count) / RATE_HZ + rng.uniform(0.0, 6.0))
    shift[:, 1] += 2.0 * breath
    # the wrist keeps the face in the picture: it turns against the arm's shift
    turn[:, 1] -= 0.8 * arm[:, 0] / 560.0
    turn[:, 0] += 0.8 * arm[:, 1] / 560.0
    return np.concatenate([turn, shift], axis=1)


def spring(target: Floats, frequency_hz: float, damping: float) -> Floats:
    """A mass on a damped spring that pulls it to a moving target: (S, C) -> (S, C)."""
    omega, step = 2.0 * np.pi * frequency_hz, 1.0 / RATE_HZ
    place, speed = target[0].copy(), np.zeros_like(target[0])
    path = np.empty_like(target)
    for index, goal in enumerate(target):
        # the damping is implicit: stable however stiff
        speed = (speed + step * omega**2 * (goal - place)) / (1.0 + 2.0 * damping * omega * step)
        place = place + step * speed
        path[index] = place
    return path


def sway(rng: np.random.Generator, count: int, channels: int, frequency_hz: float, damping: float = 0.6) -> Floats:
    """White noise through a resonator, deviation 1: (count, channels)."""
    path = spring(rng.normal(size=(count, channels)), frequency_hz, damping)
    # of a spring under white noise of one draw a step
    deviation = np.sqrt(2.0 * np.pi * frequency_hz / (4.0 * damping * RATE_HZ))
    return path / deviation


def jumps(rng: np.random.Generator, count: int, every_s: float, draw: object, rest_share: float = 0.0) -> Floats:
    """A target that jumps at random times, ``every_s`` on average: (count, C).

    Args:
        draw: gives the next target, (C,); rest_share: how often it is 0 instead.
    """
    assert callable(draw)
    path, at = np.empty((count, len(np.atleast_1d(draw())))), 0
    while at < count:
        length = max(int(rng.exponential(every_s) * RATE_HZ), int(0.12 * every_s * RATE_HZ), 1)
        path[at : at + length] = 0.0 if rng.random() < rest_share else np.atleast_1d(draw())
        at += length
    return path


def _head(rng: np.random.Generator, count: int) -> Floats:
    """Turns and shifts between rests: pitch, yaw, roll, then x, y, z: (count, 6)."""
    turn = jumps(rng, count, 1.1, lambda: np.radians(rng.normal(0.0, [6.0, 11.0, 4.0]).clip(-22, 22)))
    shift = jumps(rng, count, 2.2, lambda: rng.normal(0.0, [9.0, 4.0, 14.0]))
    nod = np.radians(2.2) * spring(jumps(rng, count, 0.35, lambda: rng.normal(0.0, [1.0]), 0.6), 2.6, 0.5)
    rest = np.radians(0.35) * sway(rng, count, 3, 1.4)
    turn = spring(turn, 1.25, 0.72) + rest
    turn[:, :1] += nod
    return np.concatenate([turn, spring(shift, 0.7, 0.8)], axis=1)


def _face(rng: np.random.Generator, count: int) -> Floats:
    """The controls of a face that talks: (count, K)."""
    controls = {name: np.zeros(count) for name in NAMES}
    talking = spring(jumps(rng, count, 1.4, lambda: np.ones(1), 0.3), 3.0, 1.0)[:, 0].clip(0.0, 1.0)

    def driven(every_s: float, hz: float, damping: float, low: float, high: float, rest: float) -> Floats:
        return spring(jumps(rng, count, every_s, lambda: rng.uniform(low, high, 1), rest), hz, damping)[:, 0]

    controls["jaw_drop"] = talking * driven(0.11, 4.2, 0.7, 0.05, 1.0, 0.45)
    controls["jaw_side"] = talking * driven(0.4, 2.0, 0.8, -0.6, 0.6, 0.5)
    controls["lips_round"] = talking * driven(0.17, 4.0, 0.8, -0.7, 1.1, 0.2)
    controls["lips_press"] = driven(0.16, 5.0, 0.9, 0.3, 1.0, 0.8) * (1.0 - controls["jaw_drop"]).clip(0.0, 1.0)
    controls["chin_raise"] = driven(0.7, 2.5, 0.8, 0.2, 0.9, 0.75)
    controls["brow_knit"] = driven(1.1, 2.2, 0.9, 0.2, 1.0, 0.7)
    for name, every, hz, low, high, rest, apart in (
        ("smile", 1.3, 1.8, 0.2, 1.0, 0.55, 0.45), ("corner_down", 1.2, 2.0, 0.2, 0.8, 0.75, 0.3),
        ("lip_raise", 0.3, 3.5, 0.1, 0.9, 0.6, 0.4), ("lip_drop", 0.22, 3.8, 0.1, 0.9, 0.55, 0.3),
        ("cheek", 0.8, 2.6, -0.6, 0.7, 0.65, 0.35), ("brow", 1.0, 2.6, -0.7, 1.0, 0.55, 0.35),
        ("nose_flare", 0.9, 3.0, 0.2, 1.0, 0.7, 0.2),
    ):  # fmt: skip
        both = driven(every, hz, 0.85, low, high, rest)
        for side in ("left", "right"):  # a face is never even: each side has a part of its own
            own = driven(every, hz, 0.85, low, high, rest)
            controls[f"{name}_{side}"] = (1.0 - apart) * both + apart * own
    lids = _blinks(rng, count)
    look = spring(jumps(rng, count, 0.6, lambda: rng.normal(0.0, [9.0, 5.0])), 18.0, 0.9)
    controls["gaze_x_deg"], controls["gaze_y_deg"] = look.T
    for side in ("left", "right"):
        controls[f"lids_{side}"] = lids + 0.06 * sway(rng, count, 1, 0.5)[:, 0] - 0.05
    for name in NAMES:
        if name.startswith("tissue_"):
            controls[name] = 0.55 * sway(rng, count, 1, 1.1, damping=0.8)[:, 0]
    low, high = np.array(list(CONTROLS.values())).T
    return np.clip(np.stack([controls[name] for name in NAMES], axis=1), low, high)


def _blinks(rng: np.random.Generator, count: int) -> Floats:
    """Closure of the lids: a pulse to shut them, and a fast spring: (count,)."""
    pulses, at = np.zeros((count, 1)), rng.exponential(1.5)
    while at * RATE_HZ < count:
        start = int(at * RATE_HZ)
        pulses[start : start + int(rng.uniform(0.07, 0.13) * RATE_HZ)] = rng.uniform(1.0, 1.12)
        at += 0.35 + rng.exponential(2.2)
    return spring(pulses, 9.0, 0.95)[:, 0].clip(0.0, 1.0)


def rotations(vectors: Floats) -> Floats:
    """Rotation vectors (..., 3), radians, as matrices (..., 3, 3)."""
    return Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix().reshape(*vectors.shape[:-1], 3, 3)
