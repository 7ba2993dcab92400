"""What the figures of the light on a face mean; docs/check.md has the reasons for the limits."""

from __future__ import annotations

import numpy as np

from steadyface.capture.clip_figures import ClipFigures
from steadyface.capture.face_light import BIN_S, JUMP_STOPS
from steadyface.capture.finding import Finding, mark

DRIFT_STOPS = 1.0
BURNT = 0.05
DROWNED = 0.1
JUMPS_A_SECOND = 0.2
COLOUR_STOPS = 1.0
SIDE_STOPS = 1.5


def judge_light(figures: ClipFigures) -> list[Finding]:
    light = figures.light
    if light.frames == 0:
        return []
    span, where = light.spans(), "" if figures.face_source != "none" else " of the whole picture"
    drift, burnt, drowned = span.luminance, span.bright, span.dark
    figure = f"{drift:.2f} stops between the {BIN_S:g} s means{where}"
    remedy = "lock exposure (iPhone: hold on the face for AE/AF LOCK) and keep the light as it is"
    lines = [
        Finding("exposure", mark(drift > DRIFT_STOPS), figure, f"{DRIFT_STOPS:g} stop", remedy, {"drift_stops": drift})
    ]
    figure = f"{burnt:.1%} of the pixels{where} burnt out, {drowned:.1%} drowned"
    bad, limit = burnt > BURNT or drowned > DROWNED, f"{BURNT:.0%} and {DROWNED:.0%}"
    remedy = "lower the exposure on the face, or add light"
    values = {"burnt_share": burnt, "drowned_share": drowned}
    lines.append(Finding("clipping", mark(bad), figure, limit, remedy, values))
    lines.append(_jumps(figures))
    remedy = "lock white balance, and do not mix daylight with lamps that come and go"
    figure = f"{span.red_over_blue:.2f} stops of red over blue{where}"
    bad, limit = span.red_over_blue > COLOUR_STOPS, f"{COLOUR_STOPS:g} stops"
    lines.append(Finding("colour", mark(bad), figure, limit, remedy, {"red_over_blue_stops": span.red_over_blue}))
    remedy = "keep lamp, window and camera where they are; head turns count in part"
    figure = f"left over right half changes by {span.left_over_right:.2f} stops{where}"
    bad, limit = span.left_over_right > SIDE_STOPS, f"{SIDE_STOPS:g} stops"
    values = {"left_over_right_stops": span.left_over_right}
    lines.append(Finding("key light", mark(bad), figure, limit, remedy, values))
    return lines


def _jumps(figures: ClipFigures) -> Finding:
    light = figures.light
    usual = float(np.median(np.diff(figures.times_s))) if len(figures.times_s) > 1 else 1.0
    rate = light.jumps / max(light.frames * usual, 1.0)
    figure = f"{light.jumps} above {JUMP_STOPS:g} stops between neighbouring frames"
    if light.jumps:
        figure += f", the largest {light.largest_jump:.2f} at {light.largest_jump_s:.2f} s"
    remedy = "lock exposure; no flicker (lamps off the mains' rhythm, iPhone: 25 or 50 fps in 50 Hz countries)"
    values = {"jumps": float(light.jumps), "largest_jump_stops": light.largest_jump}
    limit = f"{JUMPS_A_SECOND:g} a second"
    return Finding("light jumps", mark(rate > JUMPS_A_SECOND), figure, limit, remedy, values)
