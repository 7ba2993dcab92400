"""Speech-like jaw and lips: syllables of 3 to 6 Hz through mouth postures, in phrases with pauses."""

from __future__ import annotations

import numpy as np

from steadyface.studio.motion import Array, Shapes, band_limited, smooth_keys

_POSTURES: dict[str, dict[str, float]] = {
    "open": {"jawOpen": 0.55, "mouthLowerDown": 0.35, "mouthUpperUp": 0.2},
    "spread": {"jawOpen": 0.2, "mouthSmile": 0.4, "mouthStretch": 0.3, "mouthUpperUp": 0.25, "mouthLowerDown": 0.3},
    "round": {"jawOpen": 0.25, "mouthFunnel": 0.65, "mouthPucker": 0.25},
    "kiss": {"jawOpen": 0.08, "mouthPucker": 0.75, "mouthFunnel": 0.2},
    "half": {"jawOpen": 0.3, "mouthUpperUp": 0.15, "mouthLowerDown": 0.2},
}
"""Mouth postures of vowels, in ARKit's shapes."""

_CLOSURES: dict[str, dict[str, float]] = {
    "lips": {"mouthClose": 0.1, "mouthPress": 0.45, "mouthRollLower": 0.15, "mouthRollUpper": 0.15},
    "teeth": {"jawOpen": 0.06, "mouthRollLower": 0.45, "mouthUpperUp": 0.2},
    "tongue": {"jawOpen": 0.12, "mouthLowerDown": 0.15},
}
"""Mouth postures of the consonants between them."""


def _posture(shapes: Shapes, parts: dict[str, float], strength: float) -> Array:
    weights = np.zeros((1, len(shapes.names)))
    for name, value in parts.items():
        shapes.add(weights, name, np.array([value * strength]))
    return weights[0]


def speech_weights(rng: np.random.Generator, times: Array, shapes: Shapes) -> Array:
    """A person talking: phrases of 1 to 2.6 s, then a pause of 0.25 to 0.8 s: times (T,) -> (T, E).

    A syllable is a consonant's posture and a vowel's; minimum-jerk joins stand for coarticulation.
    """
    vowels, closures = list(_POSTURES.values()), list(_CLOSURES.values())
    rest = np.zeros(len(shapes.names))
    key_times, keys = [times[0] - 0.1], [rest]
    at = times[0] + rng.uniform(0.0, 0.3)
    while at < times[-1]:
        phrase_end = at + rng.uniform(1.0, 2.6)
        loudness = rng.uniform(0.75, 1.25)
        while at < phrase_end:
            syllable = 1.0 / rng.uniform(3.0, 6.0)
            strength = loudness * rng.uniform(0.6, 1.2)
            key_times += [at + 0.35 * syllable, at + 0.85 * syllable]
            keys.append(_posture(shapes, closures[rng.integers(len(closures))], 1.0))
            keys.append(_posture(shapes, vowels[rng.integers(len(vowels))], strength))
            at += syllable
        pause = rng.uniform(0.25, 0.8)
        key_times += [at + 0.15, at + max(pause - 0.02, 0.16)]
        keys += [rest, rest]
        at += pause
    return smooth_keys(np.array(key_times), np.stack(keys), times)


def emotion_weights(rng: np.random.Generator, times: Array, shapes: Shapes) -> Array:
    """What goes with talking: brow raises and frowns, squints, smiles, each for a second or two: -> (T, E)."""
    weights = np.zeros((len(times), len(shapes.names)))
    events = (
        ({"browInnerUp": 0.7, "browOuterUp": 0.8, "eyeWide": 0.3}, 0.16),
        ({"browDown": 0.7, "eyeSquint": 0.4}, 0.12),
        ({"mouthSmile": 0.7, "cheekSquint": 0.5, "eyeSquint": 0.25}, 0.2),
        ({"mouthFrown": 0.4, "mouthShrugLower": 0.3}, 0.08),
        ({"noseSneer": 0.5}, 0.06),
    )
    for parts, rate_hz in events:
        envelope = _events(rng, times, rate_hz)
        side = rng.uniform(0.75, 1.0)
        for name, value in parts.items():
            shapes.add(weights, name, value * envelope, right_share=side)
    alive = 0.06 * (1.0 + band_limited(rng, times, 0.2, 1.5))  # a living face is never quite at rest
    for name in ("browInnerUp", "mouthSmile", "eyeSquint"):
        shapes.add(weights, name, alive)
    return weights


def _events(rng: np.random.Generator, times: Array, rate_hz: float) -> Array:
    """Smooth pulses of random height, 0.5 to 1.6 s long, ``rate_hz`` a second on average: (T,) in [0, 1]."""
    envelope = np.zeros_like(times)
    at = times[0] - 1.0 + rng.exponential(1.0 / rate_hz)
    while at < times[-1]:
        rise, hold, fall = rng.uniform(0.15, 0.4), rng.uniform(0.1, 0.8), rng.uniform(0.25, 0.5)
        keys = at + np.cumsum([0.0, rise, hold, fall])
        height = rng.uniform(0.5, 1.0)
        pulse = smooth_keys(keys, np.array([[0.0], [height], [height], [0.0]]), times)[:, 0]
        envelope = np.maximum(envelope, pulse)
        at = keys[-1] + rng.exponential(1.0 / rate_hz)
    return envelope
