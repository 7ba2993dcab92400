"""What each row of the table shows, in one sentence that follows from its numbers.

A sentence claims nothing that the numbers of this run do not show: a baseline that is known to
collapse elsewhere is only said to collapse where it did.
"""

from __future__ import annotations

from launcher.report.figures import (
    ADAPTED,
    ADAPTED_SMOOTHED,
    SOURCE,
    SOURCE_SMOOTHED,
    change,
    changes,
    middle,
    number,
    percent,
)
from launcher.report.inputs import Row

POSITION, TREMOR = "reprojection_error_px", "acceleration_error_px_s2"
COVERAGE, EXPRESSION = "texture_coverage", "vertex_error_mm"
_TREMOR_ALONE = "acceleration_px_s2"  # of a clip without truth
_EQUAL = 0.05  # relative changes up to this are called no change
_COLLAPSED_COVERAGE, _COLLAPSED_FACTOR = 0.5, 2.0

NAMES = {
    SOURCE: "Source",
    SOURCE_SMOOTHED: "Source, smoothed",
    ADAPTED: "Adapted",
    ADAPTED_SMOOTHED: "Adapted, smoothed",
    "cftc_unguarded": "Frame consistency, unguarded",
    "motc_raw": "Raw colour consistency",
    "photometric_fit": "Photometric fit, frame by frame",
    "generic_tracker": "Generic tracker (MediaPipe)",
    "oracle_pose": "Oracle: true pose",
    "oracle_latent": "Oracle: best latent",
    "decoder_floor": "Decoder's floor",
}


def row_name(row: str) -> str:
    """The row as it is called in words."""
    return NAMES.get(row, row.replace("_", " ").capitalize())


def row_sentence(row: str, rows: dict[str, Row]) -> str:
    """What one row shows against the others of its clip.

    Args:
        row: its name.
        rows: all rows of the clip.
    """
    writer = {
        SOURCE: _source,
        SOURCE_SMOOTHED: _source_smoothed,
        ADAPTED: _adapted,
        ADAPTED_SMOOTHED: _adapted_smoothed,
        "cftc_unguarded": _unguarded,
        "motc_raw": _raw_colour,
        "decoder_floor": _floor,
    }.get(row, _other)
    return writer(rows, rows[row])


def collapsed(row: Row, source: Row | None) -> bool:
    """Whether a row lost the face: most of it no longer seen, or many times the source's error."""
    coverage, error = middle(row, COVERAGE), change(row, source, POSITION)
    lost = coverage is not None and coverage < _COLLAPSED_COVERAGE
    return lost or (error is not None and error >= _COLLAPSED_FACTOR - 1.0)


def compared(row: Row, base: Row | None) -> str:
    """Position and steadiness against another row: ``reprojection error −52 %, acceleration error −60 %``."""
    pairs = [(POSITION, "reprojection error"), (TREMOR, "acceleration error")]
    if middle(row, TREMOR) is None:
        pairs = [(_TREMOR_ALONE, "acceleration")]
    found = [(label, change(row, base, metric)) for metric, label in pairs]
    return ", ".join(f"{label} {percent(value)}" for label, value in found if value is not None)


def _source(rows: dict[str, Row], row: Row) -> str:
    start = "The network as the lab taught it, with all its augmentation"
    position, tremor = middle(row, POSITION), middle(row, TREMOR)
    if position is None or tremor is None:
        return f"{start}; this clip has no truth, so only its motion can be measured."
    return f"{start}: {number(position)} px from the truth, its acceleration wrong by {number(tremor)} px/s²."


def _source_smoothed(rows: dict[str, Row], row: Row) -> str:
    source = rows.get(SOURCE)
    words = compared(row, source) or "no figures to compare"
    position, tremor = change(row, source, POSITION), change(row, source, TREMOR)
    start = f"The rival without learning, a zero-lag filter over the finished track: {words}"
    if position is None or tremor is None or tremor > -_EQUAL:
        return f"{start}."
    share = "most" if tremor <= -0.5 else "some"
    if abs(position) <= _EQUAL:
        return f"{start}. It takes {share} of the tremor and leaves the face where it was."
    return f"{start}. It takes {share} of the tremor" + (", and some of the error." if position < 0 else ".")


def _adapted(rows: dict[str, Row], row: Row) -> str:
    source, rival = rows.get(SOURCE), rows.get(SOURCE_SMOOTHED)
    words = compared(row, source)
    if not words:
        return "Adapted to the clip without labels; there is nothing to compare it with."
    sentence = f"Adapted to the clip without labels: {words} against the source"
    metric = POSITION if middle(row, POSITION) is not None else _TREMOR_ALONE
    each = changes(row, source, metric)
    better = sum(value < 0 for value in each)
    what = "closer" if metric == POSITION else "calmer"
    if len(each) > 1:
        sentence += f"; {what} in {better} of {len(each)} seeds"
    return sentence + _against_rival(row, rival) + _expression(row, source) + "."


def _against_rival(row: Row, rival: Row | None) -> str:
    """Position and steadiness against the smoothed source, whichever of them is better."""
    kinds = ((POSITION, "closer than", "further off than"), (TREMOR, "steadier than", "less steady than"))
    found = []
    for metric, better, worse in kinds:
        against = change(row, rival, metric)
        if against is not None:
            words = "as " + better.split()[0].replace("closer", "close").replace("steadier", "steady") + " as"
            words = better if against < -_EQUAL else worse if against > _EQUAL else words
            found.append(f"{words} the smoothed source ({percent(against)})")
    return "; " + " and ".join(found) if found else ""


def _expression(row: Row, source: Row | None) -> str:
    """The regions that got worse, if any, and otherwise the expression as a whole."""
    whole = change(row, source, EXPRESSION)
    if whole is None:
        return ""
    regions = [name for name in row if name.startswith("vertex_error_") and "camera" not in name]
    worst = {
        name.removeprefix("vertex_error_").removesuffix("_mm"): max(changes(row, source, name), default=0.0)
        for name in regions
        if name != EXPRESSION
    }
    worse = sorted((name for name, value in worst.items() if value > 0.02), key=lambda name: -worst[name])
    if not worse:
        return f". Expression {percent(whole)}, no region more than 2 % worse in any seed"
    listed = ", ".join(f"{name} {percent(worst[name])}" for name in worse)
    return f". Expression {percent(whole)}; worse in some seed: {listed}"


def _adapted_smoothed(rows: dict[str, Row], row: Row) -> str:
    words = compared(row, rows.get(ADAPTED))
    return f"The same filter over the adapted track: {words or 'no figures'} against the adapted alone."


def _unguarded(rows: dict[str, Row], row: Row) -> str:
    source, coverage = rows.get(SOURCE), middle(row, COVERAGE)
    seen = f"{100 * coverage:.0f} % of the texels are still seen" if coverage is not None else ""
    words = compared(row, source)
    figures = "; ".join(part for part in (seen, words) if part)
    if collapsed(row, source):
        return (
            "It collapses: textures of neighbouring frames also agree where there is no face, so with "
            f"nothing to hold it the network moves the face away ({figures})."
        )
    return f"Agreement of neighbouring frames alone, without guards; it did not collapse here ({figures})."


def _raw_colour(rows: dict[str, Row], row: Row) -> str:
    source = rows.get(SOURCE)
    words, position = compared(row, source), change(row, source, POSITION)
    best = change(row, rows.get(ADAPTED), POSITION)
    why = "raw colours hold the key light's shading, which no single colour matrix takes up"
    if position is not None and position > _EQUAL:
        return f"It fails: {why}, so the face is moved to explain light ({words} against the source)."
    if best is not None and best > _EQUAL:
        return (
            f"Held back by the light: {why} ({words} against the source, but {percent(best)} "
            "reprojection error against the adapted)."
        )
    return f"Model and observation compared in raw colours: {words or 'no figures'} against the source."


def _floor(rows: dict[str, Row], row: Row) -> str:
    source, adapted = (middle(rows.get(name), EXPRESSION) for name in (SOURCE, ADAPTED))
    floor = middle(row, EXPRESSION)
    start = "An oracle: the true pose, and the mesh of this face model that comes nearest to the truth"
    if floor is None:
        return f"{start}."
    sentence = f"{start}, {number(floor)} mm from it"
    if source is not None and adapted is not None and source > floor:
        closed = (source - adapted) / (source - floor)
        sentence += f"; adapting closed {100 * closed:.0f} % of the source's distance to it".replace("-", "−")
    return sentence + "."


def _other(rows: dict[str, Row], row: Row) -> str:
    words = compared(row, rows.get(SOURCE))
    end = " It lost the face." if collapsed(row, rows.get(SOURCE)) else ""
    return f"Against the source: {words}.{end}" if words else "No figures to compare."
