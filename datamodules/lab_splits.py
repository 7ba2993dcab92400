"""Which instants and cameras of a lab capture train, and which are held out.

Segments AND cameras are held out: a view is validated on only if both are, and trained on only if
neither is. The views in between are not used.
"""

from __future__ import annotations

import difflib
import logging
from typing import NamedTuple

from steadyface.capture.capture_index import Instant, MultifaceCapture
from steadyface.capture.multiface import FrameId
from steadyface.errors import InputError

logger = logging.getLogger(__name__)


class SplitInstant(NamedTuple):
    """An instant with the cameras of its split, and those whose textures may stand in for its average."""

    id: FrameId
    cameras: tuple[str, ...]
    has_average: bool
    average_cameras: tuple[str, ...]


class Splits(NamedTuple):
    """The instants to train on and those to validate on."""

    training: list[SplitInstant]
    validation: list[SplitInstant]


def split_capture(
    capture: MultifaceCapture, held_out_segments: list[str], held_out_cameras: list[str], frame_step: int
) -> Splits:
    """Splits a capture's instants; every ``frame_step``-th of each split is kept.

    Args:
        held_out_segments: prefixes of segment names.
        held_out_cameras: camera names.

    Raises:
        InputError: a prefix or a camera that the capture does not have, or nothing left to train on.
    """
    for prefix in held_out_segments:
        if not any(segment.startswith(prefix) for segment in capture.segments):
            raise _unknown("held_out_segments", "the prefix of a segment", prefix, capture.segments)
    for camera in held_out_cameras:
        if camera not in capture.cameras:
            raise _unknown("held_out_cameras", "a camera that has images", camera, list(capture.cameras))
    training: list[SplitInstant] = []
    validation: list[SplitInstant] = []
    for instant in capture.instants:
        held_out = instant.id.segment.startswith(tuple(held_out_segments))
        split = _cameras_of_split(instant, held_out, held_out_cameras)
        if split.cameras:
            (validation if held_out else training).append(split)
    if not training:
        raise InputError(
            "held_out_segments, held_out_cameras",
            "settings that leave frames to train on",
            f"{held_out_segments} and {held_out_cameras}, which leave none",
            "hold out less",
        )
    if not validation and (held_out_segments or held_out_cameras):
        logger.warning(
            "%s: no view is held out by both segment and camera: nothing to validate on", capture.layout.root
        )
    return Splits(training[::frame_step], validation[::frame_step])


def _cameras_of_split(instant: Instant, held_out: bool, held_out_cameras: list[str]) -> SplitInstant:
    cameras = tuple(c for c in instant.cameras if (c in held_out_cameras) == held_out)
    # a held-out camera must not reach training through a mean of views; held-out instants may use all
    return SplitInstant(instant.id, cameras, instant.has_average, instant.cameras if held_out else cameras)


def _unknown(setting: str, what: str, got: str, known: list[str]) -> InputError:
    near = difflib.get_close_matches(got, known, n=1)
    remedy = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known[:12])}"
    return InputError(setting, what, repr(got), remedy)
