"""What a sweep shows of itself: progress lines, the table at its end, and ``sweep.json`` in its folder."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from launcher.runs import write_atomically
from launcher.sweep.command import as_word
from launcher.sweep.sweep_file import SweepFile
from launcher.sweep.trials import TrialRow

SWEEP_JSON = "sweep.json"
LONGEST_ERROR = 100
QUIET_S = 60.0  # after so long a progress line is printed though nothing changed


class Progress:
    """Prints a line when the counts change, and at least every minute while trials run.

    Args:
        planned: how many trials there will be in all, None where that has no end.
    """

    def __init__(self, planned: int | None) -> None:
        self._planned = planned
        self._began, self._already = time.monotonic(), -1
        self._said, self._said_at = "", -math.inf

    def show(self, rows: Sequence[TrialRow], here: int) -> None:
        """Say how far the sweep is.

        Args:
            rows: every trial so far; here: how many of them this launcher runs.
        """
        counts = Counter(row.state for row in rows)
        over = counts["finished"] + counts["failed"] + counts["stopped early"]
        if self._already < 0:
            self._already = over
        elsewhere = counts["running"] - here
        line = f"{over}/{self._planned or '?'} over: {counts['finished']} finished"
        line += "".join(f", {counts[word]} {word}" for word in ("stopped early", "failed") if counts[word])
        line += f"; {here} running here" + (f", {elsewhere} elsewhere or left" if elsewhere > 0 else "")
        now = time.monotonic()
        if line != self._said or now - self._said_at >= QUIET_S:
            self._said, self._said_at = line, now
            print(f"{line}{self._pace(over, now)}", flush=True)

    def _pace(self, over: int, now: float) -> str:
        """Trials an hour since this launcher began, and what that makes of the rest."""
        done, hours = over - self._already, (now - self._began) / 3600
        if done < 1 or hours <= 0:
            return ""
        rate = done / hours
        left = f", about {duration(3600 * (self._planned - over) / rate)} left" if self._planned else ""
        return f"; {rate:.3g} trials an hour{left}"


def duration(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> duration(3725.2)
    '1:02:05'
    """
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def table_lines(sweep: SweepFile, rows: Sequence[TrialRow]) -> list[str]:
    """The trials with their parameters, best first, those without a value last; errors below."""
    metric = sweep.metric.name if sweep.metric else "value"
    names = [name for name, parameter in sweep.parameters.items() if parameter.free]
    heads = ["trial", *names, metric, "state", "folder"]
    ordered = sorted(rows, key=lambda row: _rank(sweep, row))
    cells = [
        [str(row.number), *(as_word(row.point[name]) for name in names), _shown(sweep, row), row.state, row.name]
        for row in ordered
    ]
    widths = [max(len(line[column]) for line in [heads, *cells]) for column in range(len(heads))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in [heads, *cells]]
    failed = [f"  trial {row.number}: {row.error[:LONGEST_ERROR]}" for row in rows if row.state == "failed"]
    return [line.rstrip() for line in lines] + (["", "failed:", *failed] if failed else [])


def write_sweep_json(folder: Path, sweep: SweepFile, rows: Sequence[TrialRow]) -> None:
    """Write ``sweep.json``: the sweep, its best trial, and every trial so far."""
    finished = [row for row in rows if row.state == "finished" and row.value is not None]
    best = min(finished, key=lambda row: _rank(sweep, row), default=None) if sweep.metric else None
    content: dict[str, Any] = {
        "name": sweep.name,
        "file": str(sweep.path),
        "method": sweep.method,
        "metric": {"name": sweep.metric.name, "goal": sweep.metric.goal} if sweep.metric else None,
        "command": list(sweep.command),
        "best": best.number if best else None,
        "trials": [_entry(row) for row in rows],
    }
    write_atomically(folder / SWEEP_JSON, json.dumps(content, indent=1) + "\n")


def _entry(row: TrialRow) -> dict[str, Any]:
    entry: dict[str, Any] = {"number": row.number, "folder": row.name, "state": row.state, "parameters": row.point}
    entry |= {"value": row.value, "seconds": row.seconds}
    return entry | ({"error": row.error} if row.error else {})


def _rank(sweep: SweepFile, row: TrialRow) -> tuple[int, float, int]:
    """Finished ones first, the best of them first."""
    if row.state != "finished" or row.value is None or sweep.metric is None:
        return 1 + (row.state == "failed"), 0.0, row.number
    return 0, row.value if sweep.metric.goal == "minimize" else -row.value, row.number


def _shown(sweep: SweepFile, row: TrialRow) -> str:
    return "-" if row.value is None or sweep.metric is None else f"{row.value:.6g}"
