"""What guards an adaptation, and how its weights are chosen without truth: pure functions of `Figures`.

The result is the candidate with the lowest score among those that no guard rejects, or the source itself where none
is clearly below it. docs/guards.md has the reasons for every limit, and what was measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from steadyface.errors import InputError
from steadyface.tracking.adaptation_score import Figures


@dataclass
class GuardSettings:
    """How an adaptation is watched, and what becomes of it."""

    select: bool = False  # keep the best weights by the score, or the source's where none beats it
    every_steps: int = 20  # optimiser steps between two candidates
    frames: int = 32  # frames of the clips that candidates are compared on
    held_out: float = 0.08  # share of each clip that no training window holds, where `select` is on
    margin: float = 0.05  # by which the score of a candidate must lie below the source's, which is 0
    later_margin: float = 0.0  # the last candidate whose score is no farther above the lowest is taken; 0 = the lowest
    least_coverage: float = 0.9  # of what the source saw
    least_gain: float = 0.5  # of the source's motion, for the head and the face
    most_latent: float = 1.5  # latent distance, over the lab's usual one
    most_latent_growth: float = 1.6  # latent distance over the source's
    most_registration: float = 0.0  # distance to the registered place, over the source's; 0 = no limit
    refined_margin: float = 0.0075  # by which a replay may raise the score over the best candidate before it
    keep_candidates: bool = False  # every candidate as checkpoints/candidates/STEP.ckpt
    refuse_other_person: bool = True  # end before the first step where the source network says: somebody else


RESULT = ("every_steps", "frames", "held_out", "margin", "least_coverage", "least_gain", "most_latent",
          "most_latent_growth", "most_registration", "refined_margin", "later_margin")  # fmt: skip
"""The settings that decide which weights come out, where `select` is on."""

WEIGHTS = {"registration_px": 1.0, "residual": 2.0, "cross_residual": 2.0, "misfit_px": 1.0}
"""Of the logarithms of a candidate's figures over the source's. Residuals have a floor that no pose lowers; the
distances have nearly none."""

FOREIGN, STAYS_FOREIGN = 0.30, 0.53
"""Likeness below which a face is another's: before any step, where even a poor network of the own person in a blurred
clip lies above; and after the adaptation, which raises the own person's and hardly another's."""

KNOWS_NOBODY = 0.95
"""Mean texture residual on its own lab's views above which a network says nothing of persons; 1.1 is chance."""


class Verdict(NamedTuple):
    """score: below 0 is better than the source; faults: why the candidate may not be the result; empty for none."""

    score: float
    faults: tuple[str, ...]


class Choice(NamedTuple):
    """step: of the chosen candidate, 0 for the source; reason: one sentence."""

    step: int
    reason: str


def score(figures: Figures, source: Figures) -> float:
    """Weighted mean of the logarithms of a network's figures over the source's; 0 for the source, nan without a face.

    >>> same = Figures(0.7, 0.7, 0.6, 0.3, 0.5, 1.4, 1.0, 0.2, 1.0, 1.0)
    >>> score(same, same)
    0.0
    """
    total, weights = 0.0, 0.0
    for name, weight in WEIGHTS.items():
        value, reference = getattr(figures, name), getattr(source, name)
        if not math.isfinite(reference) or reference <= 0:
            continue  # a clip of one watched frame has no second to be compared with
        if not math.isfinite(value):
            return math.nan
        total += weight * math.log(max(value, 1e-6) / reference)
        weights += weight
    return total / weights if weights else math.nan


def judge(figures: Figures, source: Figures, settings: GuardSettings) -> Verdict:
    """Score and faults of a candidate."""
    value = score(figures, source)
    faults = [] if math.isfinite(value) else ["no face in the watched frames"]
    if figures.coverage < settings.least_coverage:
        faults.append(f"{figures.coverage:.0%} of the face that the source saw is still in sight")
    if figures.residual_held_out > source.residual_held_out:
        faults.append(
            f"texture residual on held-out frames {figures.residual_held_out:.3f}, the source's "
            f"{source.residual_held_out:.3f}"
        )
    farthest = settings.most_registration * source.registration_px
    if 0 < farthest < figures.registration_px:
        faults.append(
            f"registration places texels {figures.registration_px:.3f} px from where they lie, under the source "
            f"{source.registration_px:.3f}"
        )
    gains = {"motion of the face": figures.motion_gain, "motion of the head": figures.head_gain}
    low = {name: gain for name, gain in gains.items() if gain < settings.least_gain}
    faults += [f"{gain:.0%} of the source's {name} is left" for name, gain in low.items()]
    limits = {
        "the lab's usual": settings.most_latent,
        "the source's": settings.most_latent_growth * source.latent_distance,
    }
    usual = {"the lab's usual": 1.0, "the source's": source.latent_distance}
    for name, limit in limits.items():
        if figures.latent_distance > limit:
            ratio = figures.latent_distance / max(usual[name], 1e-6)
            faults.append(f"latent distance {ratio:.2f} times {name}")
    return Verdict(value, tuple(faults))


def choose(
    steps: Sequence[int], verdicts: Sequence[Verdict], settings: GuardSettings, refined_after: int = 0
) -> Choice:
    """The candidate that becomes the result; of equal scores the first, or the last within ``later_margin``.

    The score hardly sees an expression that replayed views have refined, the pose decides it: the last candidate is the
    result where it is sound and nearly as good as the best before the replay.

    Args:
        steps: of the candidates, in order, the source not among them.
        verdicts: theirs.
        settings: the margins.
        refined_after: steps after which expressions were replayed; 0 = never.
    """
    if refined_after and steps and steps[-1] > refined_after:
        before = choose(steps[:-1], verdicts[:-1], settings)
        return _choose_refined(steps[-1], verdicts[-1], before, dict(zip(steps, verdicts, strict=True)), settings)
    sound = [(verdict.score, step) for step, verdict in zip(steps, verdicts, strict=True) if not verdict.faults]
    if sound:
        best, step = min(sound)
        if best < -settings.margin:
            close = [pair for pair in sound if pair[0] <= best + settings.later_margin and pair[0] < -settings.margin]
            value, later = max(close, key=lambda pair: pair[1])
            if settings.later_margin > 0 and later != step:
                return Choice(later, f"score {value:.3f}, the last of {len(steps)} candidates within "
                                     f"{settings.later_margin:g} of the lowest, {best:.3f} at step {step}; "
                                     "the source's is 0")  # fmt: skip
            return Choice(step, f"score {best:.3f}, the lowest of {len(steps)} candidates; the source's is 0")
        return Choice(0, f"rolled back to the source: the best score, {best:.3f} at step {step}, is not below its own, "
                         f"0, by the margin of {settings.margin:g}")  # fmt: skip
    if not steps:
        return Choice(0, "rolled back to the source: no candidate was scored")
    last = "; ".join(verdicts[-1].faults)
    return Choice(0, f"rolled back to the source: a guard rejects every candidate, the last for: {last}")


def _choose_refined(
    step: int, verdict: Verdict, before: Choice, verdicts: dict[int, Verdict], settings: GuardSettings
) -> Choice:
    """The refined candidate, or what would have been chosen without it."""
    best = verdicts[before.step].score if before.step else 0.0
    if verdict.faults:
        return before._replace(reason=f"{before.reason}; a guard rejects the refined expression: {verdict.faults[0]}")
    if verdict.score < -settings.margin and verdict.score <= best + settings.refined_margin:
        return Choice(step, f"expression refined by replay, score {verdict.score:.3f}; the best before it, {best:.3f}, "
                            f"at step {before.step}; the source's is 0")  # fmt: skip
    return before._replace(reason=f"{before.reason}; the refined expression scores {verdict.score:.3f}")


def judge_person(figures: Figures, lab_residual: tuple[float, float], limit: float = FOREIGN) -> str:
    """What says that a clip shows somebody else than the network's person; empty where nothing does.

    Args:
        figures: of the network.
        lab_residual: mean and 95th percentile of the source's texture residual on held-out lab views; 0, 0 where they
            are not known. A network that does not know its own lab knows nobody: nothing is said then.
        limit: of the likeness.
    """
    if not 0.0 < lab_residual[0] < KNOWS_NOBODY:
        return ""
    if not math.isfinite(figures.likeness):
        return "no face in the watched frames"
    if figures.likeness >= limit:
        return ""
    return (f"another face, or none: its mean texture correlates with the model's at {figures.likeness:.2f}, "
            f"that of the own person at {limit:.2f} or more")  # fmt: skip


def check_guard(settings: GuardSettings, section: str) -> Iterator[InputError]:
    """The faults of the guards' settings, which stand in ``section`` of the experiment."""
    least = {"every_steps": 1, "frames": 2, "most_latent_growth": 1}
    from_0 = ("margin", "later_margin", "refined_margin", "least_coverage", "most_latent", "most_registration")
    least |= dict.fromkeys(from_0, 0)
    for name, limit in least.items():
        value = getattr(settings, name)
        if value < limit:
            yield InputError(f"{section}.{name}", f"{limit} or more", str(value), "raise it")
    if not 0.0 <= settings.held_out < 0.5:
        got, remedy = str(settings.held_out), "hold out less: the rest is learned from"
        yield InputError(f"{section}.held_out", "a share from 0 to below 0.5", got, remedy)
