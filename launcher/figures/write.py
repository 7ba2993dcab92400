"""``steadyface figures``: which figures are drawn, where they are written, and what is said of the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from launcher.figures.ablation import draw_ablation
from launcher.figures.accuracy import draw_accuracy
from launcher.figures.degradations import draw_degradations
from launcher.figures.finished import FinishedRun
from launcher.figures.sheet import draw_sheets
from launcher.figures.stability import draw_stability
from launcher.figures.style import Drawing, Skipped, figure_style, save_drawing
from launcher.runs import make_folder
from steadyface.errors import InputError

Draw = Callable[[Sequence[FinishedRun]], Iterator[Drawing | Skipped]]

FIGURES: dict[str, tuple[Draw, ...]] = {
    "stability": (draw_stability,),
    "sheet": (draw_sheets,),
    "ablation": (draw_ablation, draw_degradations),
    "accuracy": (draw_accuracy,),
}
"""Name after ``--only`` -> what draws it."""


def write_figures(folders: Sequence[Path], out: Path | None = None, only: str = "") -> list[Path]:
    """Draw the figures of finished experiments; prints a line a file, and a line for each that was skipped.

    Args:
        folders: of experiments, one a subject.
        out: where to write; None: ``figures`` in the experiment's folder, or here where there are several.
        only: names of `FIGURES`, parted by commas; empty: all.

    Returns:
        The files written.

    Raises:
        InputError: a folder is no finished experiment, two have one name, or a figure is not known.
    """
    chosen = chosen_figures(only)
    runs = [FinishedRun(folder) for folder in folders]
    name, count = Counter(run.name for run in runs).most_common(1)[0]
    if count > 1:
        raise InputError(name, "experiments of different names", f"{count} of this one", "they name the files")
    if out is None:
        out = folders[0] / "figures" if len(folders) == 1 else Path("figures")
    make_folder(out)
    written = []
    with figure_style():
        for draw in (draw for figure in chosen for draw in FIGURES[figure]):
            for result in draw(runs):
                if isinstance(result, Skipped):
                    print(f"skipped {result.name}: {result.reason}", flush=True)
                    continue
                for path in save_drawing(result, out):
                    print(path, flush=True)
                    written.append(path)
    return written


def chosen_figures(only: str) -> list[str]:
    """The figures that ``--only`` names, in their own order; all without a word.

    >>> chosen_figures("sheet,stability")
    ['stability', 'sheet']

    Raises:
        InputError: for a name that no figure has.
    """
    if not only:
        return list(FIGURES)
    names = [name.strip() for name in only.split(",")]
    for name in names:
        if name not in FIGURES:
            known = ", ".join(FIGURES)
            raise InputError("--only", f"figures out of {known}", f"'{name}'", "write --only stability,accuracy")
    return [name for name in FIGURES if name in names]
