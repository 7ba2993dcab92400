"""Which claims hold and which do not, in sentences that follow from the numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator

from launcher.outcome import ADAPTED
from launcher.results.compared import RIVALS, ClipResults, Comparison, row_equivalence
from launcher.results.endpoints import Better
from launcher.results.inputs import Study
from launcher.results.tables import number, p_value, percent
from steadyface.metrics.statistics import Equivalence

REPEAT = "_repeat"


def claim_lines(study: Study, results: ClipResults, margin: float) -> Iterator[str]:
    """The claims on one kind of clip, a list item each."""
    for rival in RIVALS:
        if ADAPTED in results.against.get(rival, {}):
            yield from error_claim(study, results, ADAPTED, rival, margin)
    for variant in results.against.get(ADAPTED, {}):
        if not variant.endswith(REPEAT):
            yield variant_line(study, results, variant, margin)
    for row in results.rows:
        base = row.removesuffix(REPEAT)
        if row.endswith(REPEAT) and base in results.rows:
            yield repeat_line(study, results, row, base, margin)


def error_claim(
    study: Study, results: ClipResults, row: str, rival: str, margin: float
) -> Iterator[str]:
    """Whether a row lowers the error of its rival: only if every primary endpoint shows it."""
    comparisons = list(results.against[rival][row].values())
    primary = [comparison for comparison in comparisons if comparison.endpoint.primary]
    secondary = [comparison for comparison in comparisons if not comparison.endpoint.primary]
    place = f"on the {results.words}, `{row}` against `{rival}`"
    if primary:
        verdict = "Holds" if all(comparison.improved for comparison in primary) else "Does not hold"
        findings = [finding(study, results, row, rival, comparison, margin) for comparison in primary]
        yield f"- **{verdict}**: lower error {place}: {'; '.join(findings)}."
    shown = [change_words(comparison) for comparison in secondary if comparison.shown]
    others = [comparison.endpoint.words for comparison in secondary if not comparison.shown]
    if secondary:
        said = f"shown are: {'; '.join(shown)}" if shown else "no difference is shown"
        rest = f"; none is shown in {', '.join(others)}" if shown and others else ""
        yield f"- Secondary endpoints {place}: {said}{rest}."


def variant_line(study: Study, results: ClipResults, variant: str, margin: float) -> str:
    """What a variant changes against ``adapted`` in the primary endpoints."""
    comparisons = results.against[ADAPTED][variant].values()
    findings = [
        finding(study, results, variant, ADAPTED, comparison, margin)
        for comparison in comparisons
        if comparison.endpoint.primary
    ]
    said = "; ".join(findings) or "no primary endpoint was measured"
    return f"- On the {results.words}, `{variant}` against `{ADAPTED}`: {said}."


def repeat_line(study: Study, results: ClipResults, row: str, base: str, margin: float) -> str:
    """Whether a repeat is its base to within the margin, in the primary endpoints."""
    primary = [endpoint for group in results.groups for endpoint in group if endpoint.primary]
    tested = [
        (endpoint.words, shown)
        for endpoint in primary
        if (shown := row_equivalence(study, results.clip, row, base, endpoint, margin)) is not None
    ]
    verdict = "Holds" if tested and all(shown.equivalent for _, shown in tested) else "Does not hold"
    said = "; ".join(f"{words} {equivalence_words(shown)}" for words, shown in tested) or "nothing was measured"
    return f"- **{verdict}**: `{row}` is the same as `{base}` on the {results.words}: {said}."


def finding(
    study: Study, results: ClipResults, row: str, rival: str, comparison: Comparison, margin: float
) -> str:
    """A shown change, or no difference shown and whether the rows are equivalent within the margin."""
    change, words = comparison.change, comparison.endpoint.words
    if comparison.shown:
        return change_words(comparison)
    if math.isnan(comparison.p):
        return f"nothing can be said about {words} ({percent(change.mean)} %): nothing is repeated"
    interval = f"{percent(change.mean)} %, {percent(change.low)} to {percent(change.high)} %"
    text = f"no difference is shown in {words} ({interval}; p {p_value(comparison.p)})"
    tested = row_equivalence(study, results.clip, row, rival, comparison.endpoint, margin)
    return f"{text}, {equivalence_words(tested)}" if tested is not None else text


def change_words(comparison: Comparison) -> str:
    """``lowers the vertex error by 10 to 20 % (p 0.012)``, in the direction of the change."""
    change, endpoint = comparison.change, comparison.endpoint
    verb = "lowers" if change.mean < 0 else "raises"
    near, far = sorted(abs(bound) for bound in (change.low, change.high))
    if endpoint.relative:
        size = f"{percent(near).lstrip('+-')} to {percent(far).lstrip('+-')} %"
    else:
        size = f"{number(near)} to {number(far)} {endpoint.unit}".rstrip()
    worse = " (worse)" if endpoint.better is not Better.NEITHER and not comparison.improved else ""
    p = comparison.p if endpoint.primary else comparison.corrected
    return f"it {verb} {endpoint.words} by {size}{worse} (p {p_value(p)})"


def equivalence_words(tested: Equivalence) -> str:
    """Whether the 90 % interval lies within the margin."""
    interval = f"90 % interval {percent(tested.interval.low)} to {percent(tested.interval.high)} %"
    within = f"within the margin of {100 * tested.margin:g} %"
    if math.isnan(tested.interval.low):
        return f"not shown to be equivalent {within}: nothing is repeated"
    return f"{'equivalent' if tested.equivalent else 'not shown to be equivalent'} {within} ({interval})"
