"""What ``steadyface check`` says of a clip or a lab capture: counts, gaps and faults, all of them.

A reader stops at the first fault; a check goes on and lists them. Nothing is changed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from steadyface.capture.capture_index import Instant, MultifaceCapture
from steadyface.capture.distortion import is_distorted
from steadyface.capture.multiface import AVERAGE, read_mesh_bin, read_regions, read_statistics, read_transform
from steadyface.capture.video import probe, read_frames
from steadyface.errors import InputError

FAULT = "fault: "
"""How a finding starts that keeps the clip or the capture from being used."""

_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"


def check_path(path: Path) -> list[str]:
    """Findings, a line each; those that start with ``FAULT`` need a repair.

    Args:
        path: a capture's folder or a video file.

    Raises:
        InputError: there is nothing at ``path``.
    """
    if not path.exists():
        raise InputError(path, "a video file or a capture folder", "nothing there", "check the path")
    try:
        return _check_capture(path) if path.is_dir() else _check_clip(path)
    except InputError as error:
        return [FAULT + str(error)]


def _check_clip(path: Path) -> list[str]:
    info = probe(path)
    times = np.asarray(
        [
            frame.time_s
            for frame in tqdm(
                read_frames(path), total=info.frame_count or None, desc="frames", unit="frame", disable=None
            )
        ]
    )
    findings = [
        f"{info.codec} {info.width} x {info.height} pixels, {len(times)} frames, "
        f"{times[-1] - times[0]:.2f} s from first to last, {info.fps:.2f} fps on average"
    ]
    if len(times) < 2:
        return [*findings, FAULT + "one frame only: there is no consecutive frame to compare with"]
    gaps = np.diff(times) * 1000
    steady = gaps.max() - gaps.min() < 2.0  # containers round to a millisecond
    findings.append(
        f"{'constant' if steady else 'variable'} frame rate: {gaps.min():.1f} to {gaps.max():.1f} ms "
        f"between frames, median {np.median(gaps):.1f} ms"
    )
    return findings


def _check_capture(path: Path) -> list[str]:
    capture = MultifaceCapture(path)
    views = sum(len(instant.cameras) for instant in capture.instants)
    findings = [
        f"{len(capture.segments)} segments, {len(capture.instants)} usable instants, "
        f"{len(capture.cameras)} cameras, {views} views"
    ]
    findings += [f"passed over: {line}" for line in capture.gaps.lines()]
    distorted = [name for name, camera in capture.cameras.items() if is_distorted(camera)]
    if distorted:
        findings.append(f"{len(distorted)} cameras with lens distortion, which will be undone")
    topology = capture.read_topology()
    count = len(topology.vertices)
    findings.append(f"{count} vertices, {len(topology.faces)} triangles")
    if not capture.layout.regions.exists():
        findings.append("no regions.json: errors by region cannot be reported")
    faults = _faults([lambda: read_statistics(capture.layout), *_region_checks(capture, count)])
    texels = _texels(capture)
    for instant in tqdm(capture.instants, desc="instants", unit="instant", disable=None):
        faults += _faults(_instant_checks(capture, instant, count, texels))
    return findings + [FAULT + fault for fault in faults]


def _region_checks(capture: MultifaceCapture, count: int) -> list[Callable[[], object]]:
    path = capture.layout.regions
    return [lambda: read_regions(path, count)] if path.exists() else []


def _texels(capture: MultifaceCapture) -> int | None:
    """The side of the mean texture, which all others must have; None where it cannot be read."""
    try:
        return require_whole_png(capture.layout.texture_mean)[0]
    except InputError:
        return None


def _instant_checks(
    capture: MultifaceCapture, instant: Instant, count: int, texels: int | None
) -> list[Callable[[], object]]:
    layout, identity = capture.layout, instant.id
    textures = [*instant.cameras, *([AVERAGE] if instant.has_average else [])]
    return [
        lambda: read_mesh_bin(layout.mesh_bin(identity), count),
        lambda: read_transform(layout.transform(identity)),
        *(partial(require_whole_png, layout.image(identity, camera)) for camera in instant.cameras),
        *(partial(_require_texture, layout.texture(identity, camera), texels) for camera in textures),
    ]


def _require_texture(path: Path, texels: int | None) -> None:
    width, height = require_whole_png(path)
    if texels is not None and (width, height) != (texels, texels):
        raise InputError(
            path,
            f"{texels} x {texels} texels, as tex_mean.png has",
            f"{width} x {height}",
            "write the textures of a capture at one size",
        )


def _faults(checks: Iterable[Callable[[], object]]) -> list[str]:
    found = []
    for check in checks:
        try:
            check()
        except InputError as error:
            found.append(str(error))
    return found


def require_whole_png(path: Path) -> tuple[int, int]:
    """Width and height of a PNG from its first and last bytes, without decoding it.

    Raises:
        InputError: not a PNG, or cut short.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(path, "a PNG image", error.strerror or "an error", "copy that file again") from None
    with file:
        head = file.read(24)
        size = file.seek(0, 2)
        file.seek(max(0, size - len(_PNG_END)))
        tail = file.read()
    if len(head) < 24 or not head.startswith(_PNG_START) or tail != _PNG_END:
        got = f"{size} bytes that do not {'end' if head.startswith(_PNG_START) else 'start'} like one"
        raise InputError(path, "a whole PNG image", got, "copy that file again, or delete it")
    width, height = struct.unpack(">II", head[16:24])
    return width, height
