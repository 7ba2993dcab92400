"""``steadyface evaluate RUN --external NAME=FILE.npz``: rows of other trackers in the same table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from launcher.checks import RESERVED_ROWS
from launcher.settings import Experiment
from steadyface.errors import InputError
from steadyface.tracking.external import ExternalResult, read_external

CLIPS = ("adapted_clip", "held_out_clip")
_REMEDY = "write NAME=FILE.npz, or NAME@held_out_clip=FILE.npz"


@dataclass(frozen=True)
class ExternalRow:
    """A row's name, the clip of the table that it is of, and what its file holds."""

    name: str
    clip: str
    result: ExternalResult


def read_external_rows(words: Sequence[str], experiment: Experiment) -> list[ExternalRow]:
    """Read every ``NAME[@CLIP]=FILE.npz``; without a clip it is the adapted one.

    Raises:
        InputError: for a word of another form, an unknown clip, a name that the table has already, a row
            that is given twice for one clip, or a file that `read_external` refuses.
    """
    taken = RESERVED_ROWS | set(experiment.variants) | set(experiment.sources)
    rows: list[ExternalRow] = []
    for word in words:
        name, clip, path = parse_word(word)
        if clip == "held_out_clip" and not experiment.evaluation.held_out_clip:
            raise InputError("--external", "a clip of the experiment", f"'{clip}', which it does not have", _REMEDY)
        twice = any((row.name, row.clip) == (name, clip) for row in rows)
        if twice or name in taken or name.endswith("_smoothed"):
            raise InputError("--external", "a new row's name", f"'{name}'", "rename it")
        rows.append(ExternalRow(name, clip, read_external(path)))
    return rows


def parse_word(word: str) -> tuple[str, str, Path]:
    """Name, clip and file of one word.

    >>> parse_word("smirk@held_out_clip=out.npz")
    ('smirk', 'held_out_clip', PosixPath('out.npz'))
    """
    label, _, file = word.partition("=")
    name, at, clip = label.partition("@")
    clip = clip if at else CLIPS[0]
    if not file or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise InputError("--external", "NAME=FILE.npz", f"'{word}'", _REMEDY)
    if clip not in CLIPS:
        raise InputError("--external", f"{CLIPS[0]} or {CLIPS[1]} after @", f"'{clip}'", _REMEDY)
    return name, clip, Path(file)
