"""What the studio is asked for: one documented field a choice."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from steadyface.errors import InputError


@dataclass
class StudioSettings:
    """A lab capture and two clips of one synthetic person; the same settings give the same bytes.

    The clips share person, room, light and phone; only what happens in them differs.
    """

    identity_seed: int = 0
    """Which person; also seeds the room and the performances."""

    lab_frames: int = 600
    """Instants of the lab capture."""
    lab_image_height: int = 256
    """Pixels; the head fills a little under two thirds of it."""
    lab_image_width: int = 192
    """Pixels."""
    texture_size: int = 128
    """Texels along each side of the unwrapped textures."""
    cameras: int = 8
    """Lab cameras on the arc; the first stands in front."""
    cameras_per_frame: int = 3
    """How many of them see an instant, in turn."""
    stabilisation_deg: float = 0.3
    """Deviation of the rigid rotation by which a tracked mesh is off, taken back by its head pose."""
    stabilisation_mm: float = 0.3
    """Deviation of the same error's translation, mm."""

    clip_width: int = 480
    """Pixels, even."""
    clip_height: int = 640
    """Pixels, even."""
    clip_focal_px: float = 620.0
    """Focal length of the phone, pixels; the principal point is the picture's centre."""
    adapt_frames: int = 240
    """Frames of clips/adapt.mp4; 0 = no such clip."""
    held_out_frames: int = 150
    """Frames of clips/held_out.mp4; 0 = no such clip."""
    fps: float = 30.0
    """Frames a second, of the lab and the phone."""
    head_distance_mm: float = 520.0
    """From the phone to the head, on average."""
    crf: int = 20
    """H.264 quality: 0 best, 51 worst."""

    key_azimuth_deg: float = 52.0
    """Where the key light stands: to the right of the phone, as seen from it."""
    key_elevation_deg: float = 34.0
    """And above it."""
    key_colour: list[float] = field(default_factory=lambda: [1.10, 0.92, 0.72])
    """Linear RGB irradiance of the key light; 1 turns white skin that faces it into white."""
    ambient_above: list[float] = field(default_factory=lambda: [0.20, 0.25, 0.33])
    """Linear RGB irradiance of the ambient light on skin that faces up."""
    ambient_below: list[float] = field(default_factory=lambda: [0.13, 0.11, 0.09])
    """The same on skin that faces down."""
    exposure_drift_stops: float = 0.12
    """Largest drift of the phone's automatic exposure, stops."""

    processes: int = 2
    """Worker processes; 1 = none beside this one. Does not change the result."""

    def check(self) -> None:
        """Raises InputError at the first field that cannot be used."""
        for name, lowest in _LOWEST.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= lowest):
                raise InputError(f"studio.{name}", f"a number of at least {lowest}", str(value), "change it")
        for name in ("clip_width", "clip_height"):
            if getattr(self, name) % 2:
                raise InputError(f"studio.{name}", "an even number", str(getattr(self, name)), "add one")
        if not 1 <= self.cameras_per_frame <= self.cameras:
            got = str(self.cameras_per_frame)
            raise InputError(
                "studio.cameras_per_frame", f"1 to {self.cameras}, the number of cameras", got, "change it"
            )
        for name in ("key_colour", "ambient_above", "ambient_below"):
            colour = getattr(self, name)
            if len(colour) != 3 or not all(math.isfinite(value) and value >= 0 for value in colour):
                raise InputError(f"studio.{name}", "three numbers of at least 0", str(colour), "change it")


_LOWEST: dict[str, float] = {
    "identity_seed": 0,
    "lab_frames": 1,
    "lab_image_height": 16,
    "lab_image_width": 16,
    "texture_size": 8,
    "cameras": 1,
    "stabilisation_deg": 0,
    "stabilisation_mm": 0,
    "clip_width": 16,
    "clip_height": 16,
    "clip_focal_px": 1,
    "adapt_frames": 0,
    "held_out_frames": 0,
    "fps": 1,
    "head_distance_mm": 200,
    "crf": 0,
    "exposure_drift_stops": 0,
    "processes": 1,
}
