"""What ``steadyface check`` says of a lab capture: counts, gaps and faults, all of them.

A reader stops at the first fault; a check goes on and lists them. Nothing is changed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from tqdm import tqdm

from steadyface.capture.capture_index import Instant, MultifaceCapture
from steadyface.capture.distortion import is_distorted
from steadyface.capture.finding import Finding
from steadyface.capture.multiface import AVERAGE, read_mesh_bin, read_regions, read_statistics, read_transform
from steadyface.errors import InputError

_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"


def check_capture(path: Path) -> list[Finding]:
    """Findings of a capture's folder, faults last.

    Raises:
        InputError: a capture that cannot be indexed at all.
    """
    capture = MultifaceCapture(path)
    views = sum(len(instant.cameras) for instant in capture.instants)
    lines = [
        f"{len(capture.segments)} segments, {len(capture.instants)} usable instants, "
        f"{len(capture.cameras)} cameras, {views} views"
    ]
    lines += [f"passed over: {line}" for line in capture.gaps.lines()]
    distorted = [name for name, camera in capture.cameras.items() if is_distorted(camera)]
    if distorted:
        lines.append(f"{len(distorted)} cameras with lens distortion, which will be undone")
    topology = capture.read_topology()
    count = len(topology.vertices)
    lines.append(f"{count} vertices, {len(topology.faces)} triangles")
    if not capture.layout.regions.exists():
        lines.append("no regions.json: errors by region cannot be reported")
    faults = _faults([lambda: read_statistics(capture.layout), *_region_checks(capture, count)])
    texels = _texels(capture)
    for instant in tqdm(capture.instants, desc="instants", unit="instant", disable=None):
        faults += _faults(_instant_checks(capture, instant, count, texels))
    return [Finding("capture", "ok", line) for line in lines] + [
        Finding("capture", "fault", fault) for fault in faults
    ]


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
