"""What the second generator is asked for, and the hash that says that nothing of it was changed."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass

from steadyface.errors import InputError

GENERATOR_VERSION = 1
"""Raised with every change of the generator that changes its pictures: part of the fingerprint."""


@dataclass(frozen=True)
class OtherWorldSettings:
    """A set of clips of one synthetic person in another world; the same settings give the same clips."""

    identity_seed: int = 0
    """Which person: the mesh, the skin and the rigid head are those of the first studio."""
    world_seed: int = 11
    """Which room, light, body, soft tissue and performance, together with the person."""
    adapt_frames: int = 150
    """Frames of adapt.mp4; 0 = no such clip."""
    held_out_frames: int = 150
    """Frames of held_out.mp4; 0 = no such clip."""
    fps: float = 30.0
    """Frames a second."""
    width: int = 480
    """Pixels, even."""
    height: int = 640
    """Pixels, even."""
    focal_px: float = 655.0
    """Focal length, pixels; the principal point is the picture's centre."""
    distance_mm: float = 560.0
    """From the phone to the head, on average."""

    lights: int = 160
    """Directions that stand for the environment, each traced from every vertex."""
    light_every_frames: int = 3
    """Light is traced every so many frames, and blended between them."""
    readout_s: float = 0.016
    """From the first row's exposure to the last one's; the truth is that of the middle row."""
    exposure_s: float = 0.008
    """How long each row is exposed."""
    exposure_samples: int = 4
    """Instants of the exposure that are drawn, each with its own shift of the pixel grid."""
    distortion: float = 0.008
    """Radial distortion that the phone's own correction left, k1; the truth is without it: 0.1 px at the cheek."""
    read_noise: float = 0.0035
    """Deviation of the sensor's noise at black, of linear values whose middle grey is 0.18."""
    photon_noise: float = 0.00028
    """Variance of the sensor's noise a unit of linear light."""
    local_exposure: float = 0.25
    """Share of the local brightness, in stops, that the phone evens out."""
    exposure_lag_s: float = 0.35
    """Time in which the exposure, global and local, follows the light."""
    crf: int = 19
    """H.264 quality: 0 best, 51 worst; about the bits a pixel of a phone's own clips."""

    head_motion: float = 1.0
    """How far the head turns, 1 = deviations of 11, 6 and 4 degrees between its rests."""
    hand_motion: float = 1.0
    """How much the phone sways in the hand."""
    expression: float = 1.0
    """Strength of the expressions."""
    tissue_mm: float = 1.8
    """Largest displacement of the random soft-tissue fields, mm."""

    @property
    def fingerprint(self) -> str:
        """12 hexadecimal digits of all settings and the generator's version."""
        content = json.dumps({"version": GENERATOR_VERSION, **asdict(self)}, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:12]

    @property
    def frozen(self) -> str:
        """The same without the person and the clips' lengths: one for all subjects of a table."""
        left_out = {"identity_seed", "adapt_frames", "held_out_frames"}
        content = {key: value for key, value in asdict(self).items() if key not in left_out}
        text = json.dumps({"version": GENERATOR_VERSION, **content}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def check(self) -> None:
        """Raises InputError at the first field that cannot be used."""
        for name, (lowest, highest) in _RANGES.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and lowest <= value <= highest):
                expected = f"a number from {lowest:g} to {highest:g}"
                raise InputError(f"other_world.{name}", expected, str(value), "change it")
        for name in ("width", "height"):
            if getattr(self, name) % 2:
                raise InputError(f"other_world.{name}", "an even number", str(getattr(self, name)), "add one")


_RANGES: dict[str, tuple[float, float]] = {
    "identity_seed": (0, 2**31),
    "world_seed": (0, 2**31),
    "adapt_frames": (0, 100_000),
    "held_out_frames": (0, 100_000),
    "fps": (1, 1000),
    "width": (32, 8192),
    "height": (32, 8192),
    "focal_px": (1, 100_000),
    "distance_mm": (250, 5000),
    "lights": (8, 4096),
    "light_every_frames": (1, 1000),
    "readout_s": (0, 0.1),
    "exposure_s": (0, 0.1),
    "exposure_samples": (1, 64),
    "distortion": (-0.2, 0.2),
    "read_noise": (0, 1),
    "photon_noise": (0, 1),
    "local_exposure": (0, 1),
    "exposure_lag_s": (0.001, 60),
    "crf": (0, 51),
    "head_motion": (0, 3),
    "hand_motion": (0, 3),
    "expression": (0, 1.5),
    "tissue_mm": (0, 5),
}
