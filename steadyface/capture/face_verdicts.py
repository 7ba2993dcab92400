"""What the figures of the face in a clip mean; docs/check.md has the reasons for the limits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from steadyface.capture.clip_figures import ClipFigures
from steadyface.capture.finding import Finding, mark
from steadyface.capture.sharpness import HEAD_PX

FACE_SHARE = 0.95
SEVERAL_LOOKS = 0.02
SMALLEST_FACE_PX = 30.0
BORDER_LOOKS = 0.05
LARGEST_BLUR_PX = 2.5
BLURRED_LOOKS = 0.1

SEARCH = "give --box X,Y,W,H (the head in pixels), or install MediaPipe: make detector"


def judge_face(figures: ClipFigures) -> list[Finding]:
    names = ("face", "several faces", "face size", "border", "blur")
    if figures.face_source == "none":
        return [Finding(name, "unknown", "not searched: no detector and no box", remedy=SEARCH) for name in names]
    share = len(figures.face_px) / max(figures.looks, 1)
    lines = [_presence(figures, share)]
    if not figures.face_px:
        return lines
    several = figures.several / figures.looks
    figure = f"in {several:.0%} of the frames looked at"
    remedy = "name whom to follow: --face N, the N-th from the left in the first frame that shows so many"
    limit = f"{SEVERAL_LOOKS:.0%}"
    lines.append(Finding(names[1], mark(several > SEVERAL_LOOKS), figure, limit, remedy, {"several_share": several}))
    size, width = float(np.median(figures.face_px)), figures.info.width
    figure = f"{size:.0f} px brows to chin, {size / width:.0%} of the picture's width"
    remedy = "film from nearer, or at a higher resolution; no zoom by software"
    values = {"face_px": size, "face_share": size / width}
    limit = f"at least {SMALLEST_FACE_PX:g} px"
    lines.append(Finding(names[2], mark(size < SMALLEST_FACE_PX), figure, limit, remedy, values))
    border = figures.border / len(figures.face_px)
    figure, limit = f"cuts the face in {border:.0%} of the frames looked at", f"{BORDER_LOOKS:.0%}"
    remedy = "keep the whole head in the picture"
    lines.append(Finding(names[3], mark(border > BORDER_LOOKS), figure, limit, remedy, {"border_share": border}))
    return [*lines, _blur(figures)]


def _presence(figures: ClipFigures, share: float) -> Finding:
    values = {"face_share": share}
    if figures.face_source == "box":
        return Finding("face", "ok", "taken to be in --box throughout, not searched", values=values)
    figure = f"found in {len(figures.face_px)} of {figures.looks} frames looked at ({share:.0%})"
    if not figures.face_px:
        remedy = "give --box X,Y,W,H (the head in pixels) if there is one; else it is not a clip of a face"
        return Finding("face", "fault", figure, "in one frame at least", remedy, values)
    lost = lost_stretches(figures.found)
    if lost:
        figure += "; without: " + ", ".join(f"{a:.2f} to {b:.2f} s" for a, b in lost[:3]) + (" ..." if lost[3:] else "")
    remedy = "what is lost is left out and tracking goes on after it; cut the clip to the part with the face"
    return Finding("face", mark(share < FACE_SHARE), figure, f"{FACE_SHARE:.0%}", remedy, values)


def lost_stretches(found: Sequence[tuple[float, bool]]) -> list[tuple[float, float]]:
    """Neighbouring looks without a face: times of the first and the last.

    >>> lost_stretches([(0.0, True), (0.1, False), (0.2, False), (0.3, True), (0.4, False)])
    [(0.1, 0.2), (0.4, 0.4)]
    """
    stretches: list[tuple[float, float]] = []
    lost_before = False
    for time_s, there in found:
        if not there:
            stretches[-1:] = [(stretches[-1][0], time_s)] if lost_before else [*stretches[-1:], (time_s, time_s)]
        lost_before = not there
    return stretches


def _blur(figures: ClipFigures) -> Finding:
    blur = np.asarray(figures.blur_px)
    middle, blurred = float(np.median(blur)), float((blur > LARGEST_BLUR_PX).mean())
    figure = f"sigma {middle:.1f} px of a {HEAD_PX} px crop of the head; {blurred:.0%} of the looks above the limit"
    remedy = "clean the lens, focus on the face (hold to lock), more light for a shorter exposure, hold still"
    values = {"blur_px": middle, "blurred_share": blurred}
    limit = f"{LARGEST_BLUR_PX:g} px in {1 - BLURRED_LOOKS:.0%} of the looks"
    return Finding("blur", mark(blurred > BLURRED_LOOKS), figure, limit, remedy, values)
