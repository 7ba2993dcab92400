"""One look for all figures: colours by row, type sizes at print size, and how a file is written."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import fill
from typing import NamedTuple

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from launcher.report.sentences import row_name

WIDTH_IN = 7.2  # both columns of a page
PNG_DPI = 200
INK, MUTED, RULE = "#222222", "#6b6b6b", "#d9d9d9"

# Okabe and Ito's colours: they differ for the colour-blind too. Rows that are not named share a
# grey, which direct labels allow.
_COLOURS = {
    "source": "#D55E00",
    "source_smoothed": "#E69F00",
    "adapted": "#0072B2",
    "adapted_smoothed": "#56B4E9",
    "decoder_floor": "#009E73",
    "oracle_pose": "#009E73",
    "oracle_latent": "#009E73",
    "generic_tracker": "#CC79A7",
    "photometric_fit": "#CC79A7",
}
_OTHER = "#8c8c8c"
_LETTER_IN = 0.0635  # mean width of a letter at 8 points

_LOOK = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same picture on every machine
    "font.size": 8.0,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8.0,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "text.color": INK,
    "figure.facecolor": "white",
    "pdf.fonttype": 42,  # text stays text
}


class Drawing(NamedTuple):
    """A figure with the name of its files (no suffix), and the kinds of files that suit it."""

    name: str
    figure: Figure
    suffixes: Sequence[str] = (".png", ".pdf")


class Skipped(NamedTuple):
    """A figure that could not be drawn, and why."""

    name: str
    reason: str


@contextmanager
def figure_style() -> Iterator[None]:
    """The look of all figures, while they are made and written."""
    with rc_context(_LOOK):
        yield


def colour_of(row: str) -> str:
    """The colour of a row, the same in every figure.

    >>> colour_of("source") == colour_of("adapted")
    False
    """
    return _COLOURS.get(row, _OTHER)


def save_drawing(drawing: Drawing, folder: Path) -> list[Path]:
    """Write a figure's files; each name appears, or is replaced, once its file is whole.

    Args:
        drawing: the figure.
        folder: where to; it exists.

    Returns:
        The files written.
    """
    written = []
    for suffix in drawing.suffixes:
        path = folder / f"{drawing.name}{suffix}"
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        # no date and no version inside: the same run gives the same file
        metadata = {"CreationDate": None} if suffix == ".pdf" else {"Software": None}
        try:
            drawing.figure.savefig(part, format=suffix[1:], dpi=PNG_DPI, metadata=metadata)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
        written.append(path)
    return written


def axis_limit(values: Sequence[float], tolerated: float = 2.5) -> float:
    """Where an axis ends so that a row that lost the face does not flatten the others.

    Args:
        values: what is drawn, 0 or more; not empty.
        tolerated: largest ratio of a value to the next smaller one that still sets the axis.

    Returns:
        The largest value that does not stand alone above the middle of the others.

    >>> axis_limit([1.0, 2.0, 3.0, 40.0]), axis_limit([0.1, 5.0, 6.0])
    (3.0, 6.0)
    """
    ordered = sorted(values)
    limit = ordered[len(ordered) // 2]
    for value in ordered[len(ordered) // 2 :]:
        if value > tolerated * limit:
            break
        limit = value
    return limit or ordered[-1] or 1.0


def headline(figure: Figure, text: str, note: str) -> None:
    """A figure's title, and under it, smaller, how to read it.

    Args:
        figure: with room for both above its axes.
        text: what is seen.
        note: units and spread; wrapped to the figure's width.
    """
    width, height = (float(value) for value in figure.get_size_inches())
    note = fill(note, int((width - 0.12) / _LETTER_IN))
    left = 0.06 / width
    figure.text(left, 1.0 - 0.06 / height, text, size=10, weight="bold", va="top", ha="left")
    figure.text(left, 1.0 - 0.25 / height, note, size=8, color=MUTED, va="top", ha="left", linespacing=1.35)


def clip_words(clip: str) -> str:
    """A clip of the summary as a heading.

    >>> clip_words("held_out_clip")
    'Held-out clip'
    """
    return clip.replace("held_out", "held-out").replace("_", " ").capitalize()


def label_width_in(rows: Sequence[str]) -> float:
    """Room that the rows' names need to the left of the axes, inches."""
    return 0.1 + _LETTER_IN * max(len(row_name(row)) for row in rows)


def colour_row_labels(axes: Axes, rows: Sequence[str]) -> None:
    """Give each row's tick label on the y axis the row's colour, so that it is its own key."""
    axes.tick_params(axis="y", length=0)
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_color(colour_of(row) if row in _COLOURS else INK)
