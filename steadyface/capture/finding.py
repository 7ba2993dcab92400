"""One line of ``steadyface check``: a figure, its limit, and what to do."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Literal, NamedTuple

Mark = Literal["ok", "warning", "fault", "unknown"]
"""``fault``: it cannot be used so. ``unknown``: not measured, and what it takes is said as the remedy."""

_WIDTH = 118


class Finding(NamedTuple):
    """What was looked at, how it was found, the figure in words, the limit, the remedy, and the bare numbers.

    ``limit`` and ``remedy`` are empty where there is none. ``values``: name with its unit -> number.
    """

    name: str
    mark: Mark
    figure: str
    limit: str = ""
    remedy: str = ""
    values: dict[str, float] = {}  # noqa: RUF012  # a NamedTuple's default, never changed


def mark(bad: bool) -> Mark:
    """``warning`` or ``ok``."""
    return "warning" if bad else "ok"


def has_fault(findings: Iterable[Finding]) -> bool:
    """Whether something keeps the clip or the capture from being used."""
    return any(finding.mark == "fault" for finding in findings)


def format_findings(findings: list[Finding]) -> str:
    """Aligned lines: mark, name, figure, limit; the remedy below where it is needed.

    >>> print(format_findings([Finding("frame rate", "ok", "30.0 fps", "at least 20 fps")]))
    ok       frame rate  30.0 fps (limit: at least 20 fps)
    """
    widest = max((len(finding.name) for finding in findings), default=0)
    lines = []
    for finding in findings:
        start = f"{finding.mark:<8} {finding.name:<{widest}}  "
        limit = f" (limit: {finding.limit})" if finding.limit else ""
        lines += _wrapped(f"{finding.figure}{limit}", start, " " * len(start))
        if finding.mark != "ok" and finding.remedy:
            lines += _wrapped(f"-> {finding.remedy}", " " * len(start), " " * (len(start) + 3))
    return "\n".join(lines)


def _wrapped(text: str, first: str, rest: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False)
