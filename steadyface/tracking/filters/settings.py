"""How strongly each filter works on each quantity of a track.

Chosen on one synthetic clip of 30 frames a second, for the least acceleration error that keeps the
reprojection error, and looked at on another. A latent's unit is its deviation over the lab.
"""

from __future__ import annotations

from typing import NamedTuple

from steadyface.tracking.filters.kalman import KalmanSettings
from steadyface.tracking.filters.one_euro import OneEuroSettings


class OneEuroOfTrack(NamedTuple):
    """Units: latent, 1; rotation, radians; translation and vertices, mm."""

    latent: OneEuroSettings
    rotation: OneEuroSettings
    translation: OneEuroSettings
    vertices: OneEuroSettings


class KalmanOfTrack(NamedTuple):
    """Units: latent, 1; rotation, radians; translation and vertices, mm."""

    latent: KalmanSettings
    rotation: KalmanSettings
    translation: KalmanSettings
    vertices: KalmanSettings


ONE_EURO = OneEuroOfTrack(
    latent=OneEuroSettings(2.0, 10.0),
    rotation=OneEuroSettings(1.0, 30.0),
    translation=OneEuroSettings(1.0, 0.3),
    vertices=OneEuroSettings(2.0, 1.0),
)
"""A still head's cut-off has doubled at 2 degrees/s and at 3 mm/s. Measured on two clips before and after adapting:
3 to 8 ms behind the unfiltered expression, 4 to 7 ms in the picture."""

KALMAN = KalmanOfTrack(
    latent=KalmanSettings(0.05, 1300.0, 5.0),
    rotation=KalmanSettings(0.007, 3.3, 1.0),
    translation=KalmanSettings(1.0, 6.7e4, 100.0),
    vertices=KalmanSettings(0.1, 5200.0, 20.0),
)
"""Deviations are those of an adapted network from one frame to the next. At 30 frames a second the smoother
halves what moves at 6 Hz in the head pose and at 10 Hz in the expression: its response to a frequency f is
``1 / (1 + (f / f0)^4)`` with ``(2 pi f0)^4 = acceleration_density * frames a second / deviation^2``."""
