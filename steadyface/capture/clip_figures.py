"""What ``steadyface check`` measures of a clip, before it is judged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from steadyface.capture.crop import Box
from steadyface.capture.face_light import LightMeter
from steadyface.capture.video import VideoInfo


class ModelView(NamedTuple):
    """What a person's model says of one frame: texture residual, unexplained share of the face, head turn (yaw, pitch,
    roll) in degrees; None instead of it where it sees no head."""

    residual: float
    unexplained: float
    turn_deg: tuple[float, float, float]


class PairView(NamedTuple):
    """How well the premise of adaptation holds between two neighbouring frames, and what their textures differ by.

    score and expected_gain in [0, 1]; light, motion, occlusion, floor in units of the lab's range of differences.
    """

    score: float
    expected_gain: float
    light: float
    motion: float
    occlusion: float
    floor: float


class ModelLook(Protocol):
    """A person's trained model, as the launcher makes it.

    Attributes:
        residual_limit: where the lab's own range of the residual ends.
    """

    residual_limit: float

    def find(self, image: NDArray[np.uint8]) -> list[Box]:
        """As a `FaceFinder`: where the model sees a face, from a box on or wherever it is."""
        ...

    def look(self, image: NDArray[np.uint8], head: Box) -> ModelView | None:
        """What the model says of (H, W, 3) sRGB with a head in the box."""
        ...

    def pair(self, image: NDArray[np.uint8]) -> PairView | None:
        """What it says of the frame of the last look and this one, which follows it; None where it sees no head."""
        ...


@dataclass
class ClipFigures:
    """What was measured of a clip; empty lists where nothing could be.

    face_source: ``box``, ``detector``, ``model`` or ``none``. looks: frames in which a face was searched; faces: boxes
    found in them; several, border, blur_px: of the same looks. pairs: the times of two neighbouring frames, and what
    the model says of them. unread: why the file could not be read to its end.
    """

    info: VideoInfo
    face_source: str
    times_s: list[float] = field(default_factory=list)
    cuts_s: list[float] = field(default_factory=list)
    looks: int = 0
    face_px: list[float] = field(default_factory=list)
    found: list[tuple[float, bool]] = field(default_factory=list)
    several: int = 0
    border: int = 0
    blur_px: list[float] = field(default_factory=list)
    light: LightMeter = field(default_factory=LightMeter)
    views: list[ModelView] = field(default_factory=list)
    model_looks: int = 0
    pairs: list[tuple[float, float, PairView]] = field(default_factory=list)
    residual_limit: float | None = None
    unread: str = ""
