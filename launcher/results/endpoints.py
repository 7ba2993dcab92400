"""Which metrics the page shows, in which order, and what counts as better."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Better(IntEnum):
    """The direction in which a metric improves; NEITHER: it is only meaningful beside the others."""

    LOWER = -1
    NEITHER = 0
    HIGHER = 1


@dataclass(frozen=True)
class Endpoint:
    """A metric of summary.json.

    Args:
        metric: its key.
        heading: over its column, with the unit.
        words: in a sentence.
        unit: of its differences where those are absolute.
        relative: a difference is a share of the rival's value; False for what can be zero or negative.
        primary: a claim rests on it, without correction: all primary endpoints have to show it.
    """

    metric: str
    heading: str
    words: str
    unit: str
    better: Better = Better.LOWER
    relative: bool = True
    primary: bool = False


# Reported together, always: an error alone can be bought with lag, steadiness with a frozen face.
TOGETHER = (
    Endpoint("reprojection_error_px", "reprojection px", "the reprojection error", "px", primary=True),
    Endpoint("vertex_error_mm", "vertex mm", "the vertex error", "mm", primary=True),
    Endpoint("acceleration_error_px_s2", "accel. error px/s2", "the acceleration error in the picture", "px/s2"),
    Endpoint(
        "stability_ratio_picture", "stability ratio", "the stability ratio in the picture", "", Better.NEITHER
    ),
    Endpoint("lag_ms_picture", "lag ms", "the lag in the picture", "ms", Better.NEITHER, relative=False),
    Endpoint("texture_coverage", "coverage", "the texture coverage", "", Better.HIGHER),
)
FURTHER = (
    Endpoint("vertex_error_lips_mm", "lips mm", "the vertex error of the lips", "mm"),
    Endpoint("acceleration_error_mm_s2", "accel. error mm/s2", "the acceleration error in the head frame", "mm/s2"),
    Endpoint("lag_ms", "lag ms, head frame", "the lag in the head frame", "ms", Better.NEITHER, relative=False),
    Endpoint("head_rotation_error_deg", "head rotation deg", "the head rotation error", "deg"),
    Endpoint("latent_error", "latent error", "the latent error", ""),
)
# What a clip without truth can be judged by: no error, so nothing is primary.
WITHOUT_TRUTH = (
    Endpoint("acceleration_px_s2", "accel. px/s2", "the acceleration in the picture", "px/s2", Better.NEITHER),
    Endpoint(
        "stability_ratio_picture", "stability ratio", "the stability ratio in the picture", "", Better.NEITHER
    ),
    Endpoint("texture_coverage", "coverage", "the texture coverage", "", Better.HIGHER),
    Endpoint("texture_residual_normalised", "texture residual", "the texture residual", ""),
)
