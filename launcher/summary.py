"""``summary.json``, and the table that a run ends with.

``{"adapted_clip": {ROW: {METRIC: [a value per seed]}}, "held_out_clip": {...}, "seeds": [...]}``
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from launcher.outcome import ADAPTED
from launcher.runs import write_atomically

Summary = dict[str, Any]
Row = dict[str, list[float]]

# metric -> heading; what a clip without truth cannot have is left out of its table
COLUMNS = {
    "reprojection_error_px": "reproj px",
    "acceleration_error_px_s2": "accel err px/s2",
    "vertex_error_mm": "vertex mm",
    "vertex_error_lips_mm": "lips mm",
    "lag_ms_picture": "lag ms",
    "acceleration_px_s2": "accel px/s2",
    "stability_ratio_picture": "stability",
    "texture_coverage": "coverage",
    "texture_residual_normalised": "residual",
}
COMPARED = ("reprojection_error_px", "acceleration_error_px_s2", "vertex_error_mm", "vertex_error_lips_mm")
COMPARED_WITHOUT_TRUTH = ("acceleration_px_s2", "texture_residual_normalised")
ORACLES = ("oracle_pose", "oracle_latent", "decoder_floor")
LAST_ROWS = ("photometric_fit", "generic_tracker", *ORACLES)  # what is no trained network, the oracles last
NOT_CLIPS = ("seeds", "degradations")


def write_summary(summary: Summary, folder: Path) -> None:
    """Write ``summary.json``; a value that is not a number becomes null."""
    write_atomically(folder / "summary.json", json.dumps(_finite(summary), indent=1) + "\n")


def print_summary(summary: Summary, seconds: dict[str, float]) -> None:
    """Print the clips' tables, the changes per seed, and each stage's share of the time."""
    for clip, rows in summary.items():
        if clip not in NOT_CLIPS:
            print(f"\n{clip.replace('_', ' ')} (median over seeds {summary['seeds']})")
            print("\n".join(table_lines(rows)))
            print("\n".join(change_lines(rows)))
    print("\ntime")
    print("\n".join(time_lines(seconds)), flush=True)


def table_lines(rows: dict[str, Row]) -> list[str]:
    """The rows of one clip under the columns that they have."""
    columns = [metric for metric in COLUMNS if any(metric in row for row in rows.values())]
    lines = [f"  {'':18}" + "".join(f"{COLUMNS[metric]:>17}" for metric in columns)]
    for name in ordered_rows(rows):
        cells = [median(rows[name][metric]) if metric in rows[name] else math.nan for metric in columns]
        lines.append(
            f"  {name:18}"
            + "".join(f"{cell:>17.3f}" if math.isfinite(cell) else f"{'-':>17}" for cell in cells)
        )
    return lines


def ordered_rows(rows: dict[str, Row]) -> list[str]:
    """Source first, then what was adapted, other networks and trackers, the baselines, the oracles last."""
    first = ["source", "source_smoothed", ADAPTED, f"{ADAPTED}_smoothed"]
    others = [name for name in rows if name not in first and name not in LAST_ROWS]
    return [name for name in [*first, *others, *LAST_ROWS] if name in rows]


def relative_changes(rows: dict[str, Row], row: str, against: str, metric: str) -> list[float]:
    """(row - against) / against, a value a seed: -0.5 is half the error.

    >>> relative_changes({"a": {"m": [1.0]}, "b": {"m": [2.0]}}, "a", "b", "m")
    [-0.5]
    """
    pairs = zip(rows[row][metric], rows[against][metric], strict=True)
    return [(value - base) / base if base else math.nan for value, base in pairs]


def change_lines(rows: dict[str, Row]) -> Iterator[str]:
    """How adapted compares with the source, and with its rival, the smoothed source."""
    if ADAPTED not in rows:
        return
    compared = COMPARED if COMPARED[0] in rows[ADAPTED] else COMPARED_WITHOUT_TRUTH
    for metric in (name for name in compared if name in rows[ADAPTED]):
        for against in (name for name in ("source", "source_smoothed") if metric in rows[name]):
            changes = relative_changes(rows, ADAPTED, against, metric)
            each = ", ".join(f"{100 * change:+.0f}" for change in changes)
            change = f"{100 * median(changes):+.0f} %  (per seed: {each})"
            yield f"  adapted against {against:15} {metric:26} {change}"


def time_lines(seconds: dict[str, float]) -> Sequence[str]:
    """Each stage's time and its share of them all."""
    total = sum(seconds.values()) or 1.0
    lines = [f"  {label:26}{value:8.1f} s {100 * value / total:5.1f} %" for label, value in seconds.items()]
    return [*lines, f"  {'all stages':26}{total:8.1f} s"]


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
