"""What the figures of a clip mean: a limit each, and what to do. docs/check.md has the reasons for every limit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from steadyface.capture.clip_figures import ClipFigures
from steadyface.capture.face_verdicts import judge_face
from steadyface.capture.finding import Finding, mark
from steadyface.capture.light_verdicts import judge_light
from steadyface.capture.person_verdicts import judge_person
from steadyface.capture.premise_verdicts import judge_premise

SHORTEST_S = 2.0
SLOWEST_FPS = 20.0
DROPPED = 2.5  # times the median interval
SECONDS_A_CUT = 3.0

NEEDED = ("frames", "frame rate", "face", "face size", "blur", "light jumps", "cuts", "person")
"""The lines that must be ok for adaptation to be likely to help."""



def judge_clip(figures: ClipFigures) -> list[Finding]:
    """The lines of ``steadyface check``, in order."""
    findings = [
        *_picture(figures), *_time(figures), _sound(figures), _cuts(figures),
        *judge_face(figures), *judge_light(figures), *judge_person(figures), judge_premise(figures),
    ]  # fmt: skip
    return [*findings, judge_adaptation(findings)]


def judge_adaptation(findings: Sequence[Finding]) -> Finding:
    """Whether adaptation is likely to help: the lines of `NEEDED` are ok; who it is must be known."""
    by_name = {finding.name: finding for finding in findings}
    if any(finding.mark == "fault" for finding in findings):
        return Finding("adaptation", "warning", "not possible before the faults are repaired")
    bad = [name for name in NEEDED if name in by_name and by_name[name].mark == "warning"]
    if bad:
        return Finding("adaptation", "warning", f"less likely to help, for: {', '.join(bad)}", remedy="see there")
    missing = [name for name in NEEDED if name not in by_name or by_name[name].mark == "unknown"]
    if missing:
        remedy = "; ".join(dict.fromkeys(by_name[name].remedy for name in missing if name in by_name))
        return Finding("adaptation", "unknown", f"not known without: {', '.join(missing)}", remedy=remedy)
    return Finding("adaptation", "ok", "likely to help: long enough, face large and sharp, light steady, own person")


def _picture(figures: ClipFigures) -> list[Finding]:
    info = figures.info
    stored = f"{info.codec}, {info.bit_depth} bit, {'full' if info.full_range else 'limited'} range"
    size = {"width_px": float(info.width), "height_px": float(info.height), "bit_depth": float(info.bit_depth)}
    lines = [Finding("picture", "ok", f"{info.width} x {info.height} px upright, {stored}", values=size)]
    turned = {"rotation_deg": float(info.rotation_deg)}
    shown = f"{info.rotation_deg} degrees clockwise, applied" if info.rotation_deg else "none"
    lines.append(Finding("rotation", "ok", shown, values=turned))
    if info.transfer != "sdr":
        remedy = "record in SDR (iPhone: Settings, Camera, Record Video, HDR Video off), or export it as SDR"
        lines.append(Finding("colours", "warning", f"{info.transfer}, tone-mapped: near, not exact", "SDR", remedy))
    else:
        lines.append(Finding("colours", "ok", "SDR", "SDR"))
    if figures.unread:
        remedy = "record or export it again; what was read is judged below"
        lines.append(Finding("file", "fault", figures.unread, remedy=remedy))
    return lines


def _time(figures: ClipFigures) -> list[Finding]:
    times = np.asarray(figures.times_s)
    count = len(times)
    span = float(times[-1] - times[0]) if count else 0.0
    if count < 2:
        figure = f"{count} frame{'s' if count != 1 else ''}: there is no consecutive frame to compare with"
        return [Finding("frames", "fault", figure, "at least 2", "give a video", {"frames": float(count)})]
    gaps = np.diff(times)
    median = float(np.median(gaps))
    values = {"frames": float(count), "span_s": span}
    short, limit = span + median < SHORTEST_S, f"at least {SHORTEST_S:g} s for adaptation"
    remedy = "for adaptation, record longer; it can be tracked as it is"
    lines = [Finding("frames", mark(short), f"{count} in {span:.2f} s", limit, remedy, values)]
    fps = 1 / median
    remedy = f"record at 30 fps; else set clips.window_offsets_s=[0.0,{median:.4f}], or no frames are compared"
    rate = {"median_fps": fps, "mean_fps": (count - 1) / span}
    lines.append(
        Finding("frame rate", mark(fps < SLOWEST_FPS), f"{fps:.2f} fps", f"at least {SLOWEST_FPS:g} fps", remedy, rate)
    )
    lines.append(_intervals(gaps, median))
    return lines


def _intervals(gaps: np.ndarray, median: float) -> Finding:
    steady = float(np.ptp(gaps)) * 1000 < 2.0  # containers round to a millisecond
    dropped = int((gaps > DROPPED * median).sum())
    figure = (
        f"{'constant' if steady else 'variable'}: {1000 * gaps.min():.1f} to {1000 * gaps.max():.1f} ms, "
        f"median {1000 * median:.1f} ms, true times kept"
    )
    if dropped:
        figure += f"; {dropped} gap{'s' if dropped > 1 else ''} with frames missing"
    values = {"shortest_ms": 1000 * float(gaps.min()), "longest_ms": 1000 * float(gaps.max()), "gaps": float(dropped)}
    limit = f"no gap above {DROPPED:g} x the median"
    remedy = "record with less load on the phone, and the camera's rate fixed (iPhone: Auto FPS off); gaps are not used"
    return Finding("intervals", mark(dropped > 0), figure, limit, remedy, values)


def _sound(figures: ClipFigures) -> Finding:
    there = figures.info.has_audio
    return Finding("sound", "ok", "yes, kept in the overlay" if there else "none", values={"sound": float(there)})


def _cuts(figures: ClipFigures) -> Finding:
    count = len(figures.cuts_s)
    span = figures.times_s[-1] - figures.times_s[0] if figures.times_s else 0.0
    places = ", ".join(f"{time:.2f}" for time in figures.cuts_s[:5]) + (", ..." if count > 5 else "")
    figure = f"{count}, at {places} s" if count else "none"
    bad = count > 0 and span / (count + 1) < SECONDS_A_CUT
    limit, remedy = f"shots of {SECONDS_A_CUT:g} s on average", "adapt to the longest shot alone: cut it out"
    return Finding("cuts", mark(bad), figure, limit, remedy, {"cuts": float(count)})
