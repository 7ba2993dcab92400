"""What ``steadyface check`` says of the premise of adaptation: that the face looks the same from frame to frame."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from steadyface.capture.clip_figures import ClipFigures, PairView
from steadyface.capture.finding import Finding, mark

HOLDS = 0.65
"""Mean score from which the premise is said to hold. docs/premise.md has the scores of clean and disturbed clips."""

BROKEN = 0.5
"""Mean score of a clip, or of a stretch of it, below which it is said not to hold there."""

STRETCH_S = 1.0
"""Length of the stretches of which the worst is told, seconds."""

REMEDIES = {
    "light": "keep the light and the camera's exposure fixed",
    "motion": "none needed: adaptation learns from it",
    "occlusion": "keep hands, hair and objects off the face, or adapt to a part of the clip without them",
    "floor": "record sharper: more light, less compression, less motion",
}
_BREAKING = ("occlusion", "floor")


class Stretch(NamedTuple):
    """start_s to end_s, and the mean score of the pairs that start there."""

    start_s: float
    end_s: float
    score: float


def judge_premise(figures: ClipFigures) -> Finding:
    """How well the premise holds, by what it is broken, and where most; unknown without a model."""
    if figures.residual_limit is None:
        remedy = "give --run RUN, a trained run of this person"
        return Finding("premise", "unknown", "not known without a model of the person", remedy=remedy)
    if not figures.pairs:
        return Finding("premise", "unknown", "no two neighbouring frames with a head", remedy="see the face's lines")
    views = np.asarray([view for _, _, view in figures.pairs])
    means = dict(zip(PairView._fields, views.mean(0).tolist(), strict=True))
    worst = worst_stretch(figures)
    cause = max(_BREAKING, key=lambda name: means[name])
    score = means["score"]
    word = "holds" if score >= HOLDS else "holds in part" if score >= BROKEN else "does not hold"
    parts = ", ".join(f"{name} {means[name]:.2f}" for name in ("light", "motion", "occlusion", "floor"))
    figure = (
        f"{word}: {score:.2f} of 1, mostly {cause}; {parts}; "
        f"worst {worst.score:.2f} at {worst.start_s:.2f} to {worst.end_s:.2f} s"
    )
    values = means | {"worst_score": worst.score, "worst_start_s": worst.start_s, "worst_end_s": worst.end_s}
    limit = f"at least {HOLDS:g}, and {BROKEN:g} in every {STRETCH_S:g} s"
    return Finding("premise", mark(score < HOLDS or worst.score < BROKEN), figure, limit, REMEDIES[cause], values)


def worst_stretch(figures: ClipFigures) -> Stretch:
    """The stretch with the lowest mean score of those that start with a pair; its pairs start within `STRETCH_S`."""
    stretches = []
    for first, _, _ in figures.pairs:
        held = [pair for pair in figures.pairs if first <= pair[0] < first + STRETCH_S * 0.99]  # stamps are rounded
        score = float(np.mean([view.score for _, _, view in held]))
        stretches.append(Stretch(first, held[-1][1], score))
    return min(stretches, key=lambda stretch: stretch.score)
