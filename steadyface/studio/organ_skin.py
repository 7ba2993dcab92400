"""The painted albedo of eyeballs, mouth cavity and ears (linear RGB)."""

from __future__ import annotations

import numpy as np

from steadyface.studio import layout
from steadyface.studio.layout import Floats
from steadyface.studio.organs import IRIS_ANGLE_RAD, eyeball_directions
from steadyface.studio.palette import BLOOD, MELANIN, Noise, Palette
from steadyface.studio.surface import smoothstep
from steadyface.studio.texels import ChartTexels


def paint_eyeball(texels: ChartTexels, palette: Palette, noise: Noise) -> Floats:
    """Sclera with a few veins, iris with its fibres and dark rim, pupil: (h, w, 3)."""
    chart = layout.LEFT_EYE
    direction = eyeball_directions(texels.row / (chart.rows - 1), texels.column / (chart.columns - 1))
    angle = np.arccos(np.clip(-direction[..., 2], -1.0, 1.0)) / IRIS_ANGLE_RAD
    turn = np.arctan2(direction[..., 1], direction[..., 0])
    spokes = np.stack([np.cos(turn) * 6.0, np.sin(turn) * 6.0, 0.6 * angle], axis=-1)
    fibres = 0.22 * noise(spokes, 0.5) + 0.14 * noise(spokes, 0.2)
    veins = np.clip(noise(direction * [3.0, 14.0, 3.0], 0.8, smooth=True), 0.0, 2.0)
    redness = 0.05 + 0.08 * smoothstep(angle, 1.1, 2.2) + 0.5 * smoothstep(angle, 2.0, 2.7) + 0.07 * veins
    white = np.array([0.66, 0.62, 0.58]) * np.exp(-redness[..., None] * BLOOD)
    iris = palette.iris * np.exp(fibres)[..., None] * (1.5 - 0.75 * smoothstep(angle, 0.45, 0.98))[..., None]
    inside = (1.0 - smoothstep(angle, 0.94, 1.06))[..., None]
    pupil = (1.0 - smoothstep(angle, 0.34, 0.42))[..., None]
    shade = 1.0 - 0.35 * smoothstep(-direction[..., 1], 0.1, 0.45)  # under the upper lid and its lashes
    colour = (white * (1.0 - inside) + iris * inside) * (1.0 - pupil) + 0.006 * pupil
    return np.clip(colour * shade[..., None], 0.004, 0.9)


def paint_cavity(texels: ChartTexels, noise: Noise) -> Floats:
    """Gums, teeth, tongue, and darkness behind them: (h, w, 3)."""
    row, column = np.broadcast_arrays(texels.row, texels.column)
    gum, tongue, dark = np.array([0.22, 0.06, 0.05]), np.array([0.20, 0.055, 0.045]), np.array([0.012, 0.006, 0.005])
    middle = (layout.MOUTH.columns - 1) / 2
    gaps = np.exp(-(((column * 1.35 + 0.5) % 1.0 - 0.5) ** 2) / 0.006)
    corners = np.exp(-(((column - middle) / 3.6) ** 4))
    enamel = np.array([0.66, 0.61, 0.51]) * (1.0 - 0.5 * gaps[..., None])
    upper = smoothstep(row, 1.15, 1.3) * (1.0 - smoothstep(row, 2.1, 2.5))
    lower = smoothstep(row, 7.7, 7.95) * (1.0 - smoothstep(row, 8.55, 8.75))
    teeth = ((upper + 0.7 * lower) * corners)[..., None]
    soft = smoothstep(row, 5.5, 6.8) * (1.0 - smoothstep(row, 7.2, 7.6))
    gums = (1.0 - smoothstep(row, 1.2, 1.4)) + smoothstep(row, 8.6, 8.8)
    colour = dark + 0.55 * gum * gums[..., None] + 0.6 * tongue * (soft * corners)[..., None]
    colour = colour * (1.0 - np.minimum(teeth, 1.0)) + enamel * teeth
    return np.clip(colour * np.exp(0.08 * noise(texels.points, 2.5))[..., None], 0.003, 0.8)


def paint_ear(texels: ChartTexels, palette: Palette, noise: Noise) -> Floats:
    """Skin, redder at the rim, dark in the concha: (h, w, 3)."""
    row = np.broadcast_to(texels.row, texels.points.shape[:2])
    hollow = 1.5 * (1.0 - smoothstep(row, 0.1, 1.3)) + 0.35 * np.exp(-(((row - 3.0) / 0.5) ** 2))
    blood = palette.ruddiness * (0.3 + 0.12 * noise(texels.points, 6.0, smooth=True) + 0.05 * noise(texels.points, 2.0))
    pigment = 0.08 * noise(texels.points, 5.0, smooth=True) + hollow
    return np.clip(palette.skin * np.exp(-blood[..., None] * BLOOD - pigment[..., None] * MELANIN), 0.004, 0.95)
