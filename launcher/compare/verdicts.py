"""Better, worse, equivalent, undecided: each side against the first, on each clip.

The verdict rests on the primary endpoints, and both have to show it: the reprojection error and the vertex error. It
is ``equivalent`` where the 90 % intervals of both changes lie within the margin; ``better`` or ``worse`` where both
95 % intervals exclude no change in that direction; everything else is undecided, with the reason. Holm's correction is
over the sides that are compared with the first, for the other endpoints over them and those sides together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from launcher.compare.common_clips import CommonClip
from launcher.compare.sides import Side
from launcher.compare.values import Measure, missing_repeats, paired_values, scored
from launcher.results.claims import change_words, equivalence_words
from launcher.results.compared import Comparison
from launcher.results.endpoints import TOGETHER, Endpoint
from launcher.results.tables import percent
from steadyface.metrics.statistics import Equivalence, Interval, equivalence, holm, paired_difference

ROUNDING = 1e-9  # values that are equal, and do not vary, differ by no more than this
PRIMARY = tuple(endpoint for endpoint in TOGETHER if endpoint.primary)


class Verdict(StrEnum):
    """What is shown of a side against the first."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Judgement:
    """A side against the first on one clip. why: a sentence; comparisons: primary metric -> test."""

    side: Side
    clip: CommonClip | None
    verdict: Verdict
    why: str
    comparisons: dict[str, Comparison]


def compare_sides(
    sides: Sequence[Side], endpoints: Sequence[Endpoint], measure: Measure
) -> list[dict[str, Comparison]]:
    """Each side but the first: metric -> test against the first, p after Holm's correction.

    A primary endpoint is corrected over the sides, the others over the endpoints and sides together.
    """
    found: list[dict[str, tuple[Endpoint, Interval, float]]] = []
    for side in sides[1:]:
        tests = {}
        for endpoint in endpoints:
            pair = paired_values(side, sides[0], endpoint.metric, measure)
            if pair is not None:
                difference = paired_difference(*pair)
                relative = difference.relative, difference.p_relative
                change, p = relative if endpoint.relative else (difference.absolute, difference.p_absolute)
                equal = abs(change.mean) < ROUNDING and not math.isnan(p)
                tests[endpoint.metric] = endpoint, change, 1.0 if equal else p
        found.append(tests)
    return _corrected(found, [endpoint for endpoint in endpoints if endpoint.primary])


def _corrected(
    found: Sequence[dict[str, tuple[Endpoint, Interval, float]]], primary: Sequence[Endpoint]
) -> list[dict[str, Comparison]]:
    names = {endpoint.metric for endpoint in primary}
    families = [[(i, name) for i, tests in enumerate(found) if name in tests] for name in names]
    families.append([(i, name) for i, tests in enumerate(found) for name in tests if name not in names])
    corrected: dict[tuple[int, str], float] = {}
    for family in families:
        p_values = holm([found[index][name][2] for index, name in family])
        corrected |= dict(zip(family, p_values, strict=True))
    return [
        {
            name: Comparison(endpoint, change, corrected[index, name], corrected[index, name])
            for name, (endpoint, change, _) in tests.items()
        }
        for index, tests in enumerate(found)
    ]


def judge_clip(sides: Sequence[Side], clip: CommonClip, margin: float) -> list[Judgement]:
    """Each side but the first against the first on one clip.

    Args:
        margin: the relative change that would not matter.
    """
    measure = scored(clip.name_in)
    compared = compare_sides(sides, PRIMARY, measure)
    judgements = []
    for side, comparisons in zip(sides[1:], compared, strict=True):
        tested = {name: _equivalence(side, sides[0], name, measure, margin) for name in comparisons}
        verdict, why = _verdict(side, sides[0], clip, comparisons, tested)
        judgements.append(Judgement(side, clip, verdict, why, comparisons))
    return judgements


def _equivalence(side: Side, first: Side, metric: str, measure: Measure, margin: float) -> Equivalence:
    pair = paired_values(side, first, metric, measure)
    assert pair is not None  # it was compared
    return equivalence(*pair, margin)


def _verdict(
    side: Side, first: Side, clip: CommonClip, comparisons: dict[str, Comparison], tested: dict[str, Equivalence]
) -> tuple[Verdict, str]:
    if len(comparisons) < len(PRIMARY):
        lacking = " and ".join(e.words for e in PRIMARY if e.metric not in comparisons)
        return Verdict.UNDECIDED, f"{lacking} was not measured for both: the verdict needs the truth of the clip"
    if _same_networks(side, first, clip):
        return Verdict.EQUIVALENT, "the same networks with the same scores"
    missing = missing_repeats(side, first)
    if missing:
        return Verdict.UNDECIDED, f"{seen_words(comparisons)}, but {missing}"
    found, all_tests = list(comparisons.values()), list(tested.values())
    if all(test.equivalent for test in all_tests):
        words = [f"{c.endpoint.words} {equivalence_words(t)}" for c, t in zip(found, all_tests, strict=True)]
        return Verdict.EQUIVALENT, "; ".join(words)
    findings = [_finding(c, t) for c, t in zip(found, all_tests, strict=True)]
    if all(comparison.improved for comparison in found):
        return Verdict.BETTER, "; ".join(findings)
    if all(comparison.shown and not comparison.improved for comparison in found):
        return Verdict.WORSE, "; ".join(findings)
    mixed = any(c.shown or t.equivalent for c, t in zip(found, all_tests, strict=True))
    return Verdict.UNDECIDED, f"{'mixed: ' if mixed else ''}{'; '.join(findings)}"


def _finding(comparison: Comparison, tested: Equivalence) -> str:
    """What one primary endpoint shows, in words."""
    if comparison.shown:
        return change_words(comparison)
    change, words = comparison.change, comparison.endpoint.words
    if math.isnan(change.mean):
        return f"nothing can be said about {words}: it is zero somewhere"
    seen = f"{percent(change.mean)} %, {percent(change.low)} to {percent(change.high)} %"
    return f"no difference is shown in {words} ({seen}), {equivalence_words(tested)}"


def seen_words(comparisons: dict[str, Comparison]) -> str:
    """The changes as they were seen, whatever they are worth: ``seen are -12 % in the reprojection error``."""
    return "seen are " + " and ".join(f"{percent(c.change.mean)} % in {c.endpoint.words}" for c in comparisons.values())


def _same_networks(side: Side, first: Side, clip: CommonClip) -> bool:
    """Whether both are the very same networks, and were scored alike."""
    if {member.identity for member in side.members} != {member.identity for member in first.members}:
        return False
    return all(
        sorted(own.run.summary[clip.name_in(own)][own.row].get(endpoint.metric) or [])
        == sorted(other.run.summary[clip.name_in(other)][other.row].get(endpoint.metric) or [])
        for own, other in zip(side.members, first.members, strict=False)
        for endpoint in PRIMARY
    )


def over_clips(judgements: Sequence[Judgement]) -> Judgement:
    """One side's verdict over all clips: theirs where they agree, otherwise undecided."""
    verdicts = list(dict.fromkeys(judgement.verdict for judgement in judgements))
    words = [(f"on the {j.clip.words}" if j.clip is not None else "", j) for j in judgements]
    if len(verdicts) == 1:
        why = "; ".join(f"{place}: {judgement.why}" for place, judgement in words)
        return Judgement(judgements[0].side, None, verdicts[0], why, {})
    listed = "; ".join(f"{judgement.verdict} {place}: {judgement.why}" for place, judgement in words)
    return Judgement(judgements[0].side, None, Verdict.UNDECIDED, f"the clips do not agree: {listed}", {})


def scope_words(sides: Sequence[Side], clips: int) -> str:
    """What the verdicts hold for."""
    networks = {network for side in sides for network in side.networks}
    source = "one source network" if len(networks) == 1 else f"{len(networks)} source networks"
    those = "this clip" if clips == 1 else f"these {clips} clips"
    return (
        f"All of this holds for {those} of one subject and {source}, not for people in general: for that, run several "
        "subjects and write their page with `steadyface results`."
    )
