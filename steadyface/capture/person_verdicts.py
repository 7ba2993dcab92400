"""What a person's model says of a clip; docs/check.md has the reasons for the limits."""

from __future__ import annotations

import numpy as np

from steadyface.capture.clip_figures import ClipFigures
from steadyface.capture.face_verdicts import SEARCH
from steadyface.capture.finding import Finding, mark

UNEXPLAINED = 0.25
COVERED_LOOKS = 0.1
WIDEST_YAW_DEG, WIDEST_PITCH_DEG = 40.0, 30.0

_RUN = "give --run RUN, a trained run of this person"


def judge_person(figures: ClipFigures) -> list[Finding]:
    """Occlusion, head turn, and whether this is the model's person; unknown without a model."""
    names = ("occlusion", "head turn", "person")
    if figures.residual_limit is None:
        return [Finding(name, "unknown", "not known without a model of the person", remedy=_RUN) for name in names]
    if not figures.views:
        remedy = SEARCH if figures.face_source == "none" else "see the face's lines"
        return [Finding(name, "unknown", "the model saw no head", remedy=remedy) for name in names]
    return [_occlusion(figures), _turn(figures), _person(figures, figures.residual_limit)]


def _occlusion(figures: ClipFigures) -> Finding:
    covered = np.asarray([view.unexplained for view in figures.views])
    median, over = float(np.nanmedian(covered)), float((covered > UNEXPLAINED).mean())
    figure = f"{median:.0%} of the visible face not as the model has it; above the limit in {over:.0%} of the looks"
    remedy = "keep hands, hair, glasses and microphones off the face; another person or a lost track count, too"
    limit = f"{UNEXPLAINED:.0%} in {1 - COVERED_LOOKS:.0%} of the looks; 8 to 12 % is clean"
    values = {"unexplained_share": median, "looks_above_share": over}
    return Finding("occlusion", mark(over > COVERED_LOOKS), figure, limit, remedy, values)


def _turn(figures: ClipFigures) -> Finding:
    turn = np.asarray([view.turn_deg for view in figures.views])
    low, high = np.quantile(turn, 0.05, axis=0), np.quantile(turn, 0.95, axis=0)
    axes = ("yaw", "pitch", "roll")
    figure = ", ".join(f"{name} {a:+.0f} to {b:+.0f}" for name, a, b in zip(axes, low, high, strict=True)) + " degrees"
    far = np.maximum(np.abs(low), np.abs(high))
    bad = bool(far[0] > WIDEST_YAW_DEG or far[1] > WIDEST_PITCH_DEG)
    limit = f"yaw {WIDEST_YAW_DEG:g}, pitch {WIDEST_PITCH_DEG:g} degrees"
    values = {f"{name}_{end}_deg": float(value[axis]) for axis, name in enumerate(axes)
              for end, value in (("low", low), ("high", high))}  # fmt: skip
    return Finding("head turn", mark(bad), figure, limit, "turn less, or look at the track there", values)


def _person(figures: ClipFigures, end: float) -> Finding:
    residual = float(np.nanmedian([view.residual for view in figures.views]))
    seen = f"{len(figures.views)} of {figures.model_looks} looks"
    figure = f"texture residual {residual:.2f}; the model saw a head in {seen}"
    remedy = "not the model's person, or the box misses the face: give the run of this person, correct --box"
    limit = f"{end:.2f}, where the lab's own range ends"
    return Finding("person", mark(not residual <= end), figure, limit, remedy, {"texture_residual": residual})
