"""Settings of the phone clips, and what cannot be used among them."""

from __future__ import annotations

from dataclasses import dataclass, field

from steadyface.capture.degradation import check_level
from steadyface.errors import InputError

CHOICES = ("coverage", "first")
"""How few frames may be chosen."""


@dataclass
class WildClipsSettings:
    """Settings of ``WildClips``."""

    clips: list[str] = field(default_factory=list)
    """The video files."""
    box: list[float] = field(default_factory=list)
    """x, y, width, height of the head in pixels of the upright frame, for every clip; empty = MediaPipe
    finds it."""
    focal_px: float = 0.0
    """Focal length in pixels of the full frame; 0 = a guess of 1.2 times the longer side, which is logged."""
    image_size: int = 128
    """Side of the square crops, pixels."""
    window_offsets_s: list[float] = field(default_factory=lambda: [0.0, 0.0334])
    """A window holds the frames nearest to these times after its first frame, seconds."""
    batch_size: int = 8
    """Windows a batch, on each rank."""
    follow: bool = False
    """Crops that follow the head, in place of one box for the whole clip; the source network finds the way, and a
    box says where the head is at first."""
    frames: int = 0
    """Adapt to so many frames of each clip, the windows' later frames counted, which the source network chooses;
    0 = all of them. Tracking and scoring see every frame."""
    chosen_by: str = "coverage"
    """How they are chosen: by coverage of pose and expression, or the first."""
    degradation: str = ""
    """What lowers the quality of every clip, a name of ``steadyface.capture.degradation``; empty = nothing."""
    degradation_level: float = 0.0
    """How much, in the unit of that degradation."""


def check_settings(settings: WildClipsSettings) -> None:
    """Raises InputError where a value or a combination of values cannot be used."""
    if not settings.clips:
        raise InputError("clips", "at least one video file", "none", "name a clip")
    if settings.box and (len(settings.box) != 4 or min(settings.box[2:]) <= 0):
        raise InputError(
            "box",
            "x, y, w, h with a positive width and height",
            str(list(settings.box)),
            "give four numbers in pixels, or none",
        )
    if settings.focal_px < 0 or settings.image_size < 8 or settings.batch_size < 1:
        got = f"{settings.focal_px}, {settings.image_size}, {settings.batch_size}"
        raise InputError("focal_px, image_size, batch_size", "0 or more, 8 or more, 1 or more", got, "correct them")
    if not settings.window_offsets_s:
        raise InputError("window_offsets_s", "at least one offset in seconds", "none", "give [0.0] for single frames")
    if settings.frames and settings.frames < len(settings.window_offsets_s):
        expected = f"0 for all frames, or at least the {len(settings.window_offsets_s)} of a window"
        raise InputError("frames", expected, str(settings.frames), "raise it")
    if settings.chosen_by not in CHOICES:
        raise InputError("chosen_by", f"one of {', '.join(CHOICES)}", settings.chosen_by, "choose one of them")
    if settings.degradation:
        check_level(settings.degradation, settings.degradation_level)
    elif settings.degradation_level:
        got, remedy = f"a level of {settings.degradation_level:g} and no name", "name what is to be degraded, or 0"
        raise InputError("degradation", "a name beside its level", got, remedy)
