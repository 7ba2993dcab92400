"""The reliability plot of confidence: what was said against what came."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from launcher.figures.style import MUTED, Drawing, colour_of, figure_style, save_drawing
from steadyface.metrics.calibration import Reliability


def draw_reliability(curves: dict[str, Reliability], scores: dict[str, dict[str, float]], folder: Path) -> Path:
    """Draw a curve each for frames and regions, with their figures, into ``folder/confidence.png``.

    Args:
        curves: name -> what was said and what came.
        scores: name -> area_under_roc and expected_calibration_error of the same.
        folder: where to; it exists.
    """
    with figure_style():
        figure = Figure(figsize=(3.6 * len(curves), 3.6), layout="constrained")
        for axes, (name, curve) in zip(figure.subplots(1, len(curves), squeeze=False)[0], curves.items(), strict=True):
            axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle="--")
            axes.plot(curve.stated, curve.observed, color=colour_of("adapted"), marker="o", markersize=4)
            found = scores[name]
            axes.set_title(name)
            text = (
                f"area under the ROC {found['area_under_roc']:.3f}\n"
                f"calibration error {found['expected_calibration_error']:.3f}\n"
                f"{int(curve.cases.sum())} {name}, {len(curve.cases)} bins of equal mass"
            )
            axes.text(0.97, 0.04, text, transform=axes.transAxes, ha="right", va="bottom", color=MUTED)
            axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
            axes.set(xlabel="confidence stated", ylabel="share that was right")
        (path,) = save_drawing(Drawing("confidence", figure, (".png",)), folder)
    return path
