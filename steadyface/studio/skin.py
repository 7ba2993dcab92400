"""The painted albedo of the head chart: pigment and blood, marks, lips, lids, nostrils, brows and hair.

Pigment and blood darken the skin as absorbers (Beer-Lambert), so that colours stay those of skin.
"""

from __future__ import annotations

import numpy as np

from steadyface.studio import layout, relief
from steadyface.studio.anatomy import EYE_CENTRE, MOUTH_LINE_Y, Shape
from steadyface.studio.fields import bump
from steadyface.studio.layout import Floats
from steadyface.studio.palette import BLOOD, MELANIN, Noise, Palette
from steadyface.studio.surface import lid_margins_y, smoothstep
from steadyface.studio.texels import ChartTexels


class HeadPainter:
    """Paints the head chart's texels for one identity."""

    def __init__(
        self, texels: ChartTexels, shape: Shape, palette: Palette, noise: Noise, generator: np.random.Generator
    ) -> None:
        self._texels, self._shape, self._palette = texels, shape, palette
        self._noise, self._generator = noise, generator
        self._points = texels.points
        self._x, self._y, self._z = np.moveaxis(texels.points, -1, 0)
        self._side = np.abs(self._x)
        self._mirrored = texels.points * np.where(self._x < 0, -1.0, 1.0)[..., None] ** np.array([1, 0, 0])

    def paint(self) -> Floats:
        """(h, w, 3) linear RGB."""
        absorption = self._blood()[..., None] * BLOOD + self._melanin()[..., None] * MELANIN
        colour = self._palette.skin * np.exp(-absorption)
        colour = self._paint_lips(colour)
        colour = self._paint_hollows(colour)
        colour = self._paint_brows(colour)
        colour = self._paint_hair(colour)
        return np.clip(self._paint_lashes(colour), 0.004, 0.95)

    def _near(self, centre: tuple[float, float, float], radii: tuple[float, float, float]) -> Floats:
        return bump(self._mirrored, centre, radii)

    def _blood(self) -> Floats:
        """Redness: cheeks, nose, chin and lids, in blotches of 4 to 12 mm."""
        flush = 0.34 * self._near((36, 20, -76), (30, 30, 40)) + 0.36 * self._near((4, 24, -112), (20, 14, 26))
        flush += 0.16 * self._near((8, 84, -100), (24, 16, 30)) + 0.20 * self._near((31, -14, -86), (22, 14, 20))
        flush += 0.12 * self._near((10, -44, -95), (40, 26, 40))
        points = self._points
        blotches = 0.045 * self._noise(points, 12.0, smooth=True) + 0.06 * self._noise(points, 5.0, smooth=True)
        fine = 0.05 * self._noise(points, 2.2) + 0.035 * self._noise(points, 0.9)
        return self._palette.ruddiness * (flush + blotches + fine)

    def _melanin(self) -> Floats:
        points = self._points
        patches = 0.035 * self._noise(points, 16.0, smooth=True) + 0.04 * self._noise(points, 6.5, smooth=True)
        pores = 0.045 * self._noise(points, 0.8) + 0.04 * np.clip(self._noise(points, 1.3), 0.8, None)
        shadow = 0.16 * self._near((28, -3, -86), (18, 10, 20)) + 0.10 * self._near((31, -22, -86), (20, 9, 20))
        shadow += 0.12 * smoothstep(self._y, 96.0, 120.0)
        return patches + pores + shadow + self._stubble() + self._spots()

    def _stubble(self) -> Floats:
        """Beard shadow over jaw, chin and upper lip, with single hairs showing."""
        cheek_line = np.interp(self._side, [0, 14, 22, 40, 60, 75], [33, 33, 42, 44, 24, 4])
        region = smoothstep(self._y - cheek_line, -2.0, 9.0) * (1.0 - smoothstep(self._y, 92.0, 112.0))
        region *= smoothstep(-self._z, 0.0, 25.0)
        hairs = np.clip(0.55 + 0.5 * self._noise(self._points, 0.75) + 0.2 * self._noise(self._points, 7.0), 0.0, 2.0)
        return 0.62 * self._palette.stubble * region * hairs

    def _spots(self) -> Floats:
        """Freckles over nose and cheeks and a few moles anywhere on the face."""
        draw = self._generator
        freckles = int(170 * self._palette.freckles)
        centres = np.concatenate(
            [
                np.stack([draw.normal(0, 26, freckles), draw.normal(12, 17, freckles)], -1),
                np.stack([draw.uniform(-48, 48, 60), draw.uniform(-78, 92, 60)], -1),
            ]
        )
        count = len(centres)
        radius = np.concatenate([draw.uniform(0.55, 1.3, count - 14), draw.uniform(1.0, 2.1, 14)])
        depth = np.concatenate([draw.uniform(0.18, 0.55, count - 14), draw.uniform(0.7, 1.3, 14)])
        depth *= 1.0 + 0.25 * self._palette.melanin
        total = np.zeros_like(self._x)
        for (x, y), size, strength in zip(centres, radius, depth, strict=True):
            _add_spot(total, self._points, (x, y), size, strength)
        return total

    def _paint_lips(self, colour: Floats) -> Floats:
        lower = self._texels.row >= layout.MOUTH_SLIT_ROW + 1.5
        across = relief.lip_position(self._x, self._y, np.broadcast_to(lower, self._x.shape), self._shape)
        inside = (self._side < layout.MOUTH_CORNER_X + 2) & (self._z < -75) & (np.abs(self._y - MOUTH_LINE_Y) < 16)
        within = 1.0 - smoothstep(np.abs(self._side), layout.MOUTH_CORNER_X - 3.0, layout.MOUTH_CORNER_X + 0.6)
        edge = 1.0 + 0.03 * self._noise(self._points, 2.5)
        red = (1.0 - smoothstep(across / edge, 0.86, 1.1)) * within * inside
        folds = np.sin(self._x * 3.4 + 2.0 * self._noise(self._points, 5.0)) * 0.07
        tone = self._palette.lips * np.exp(
            -(folds + 0.07 * self._noise(self._points, 1.6) + 0.5 * np.exp(-((across / 0.16) ** 2)))[..., None]
        )
        rim = 0.10 * np.exp(-(((across - 1.18) / 0.14) ** 2)) * within * inside
        return (colour * (1.0 + rim[..., None])) * (1.0 - red[..., None]) + tone * red[..., None]

    def _paint_hollows(self, colour: Floats) -> Floats:
        """Nostrils, the fold around the nose's wings, the lid crease: places that light hardly reaches."""
        tip = 20.0 + 1.3 * self._shape.nose_length
        nostril = np.minimum(1.8 * self._near((6.4, tip + 9.6, -106.0), (4.6, 3.6, 8.0)), 1.0)
        crease_y = EYE_CENTRE[1] - 10.6 + 5.5 * ((self._side - EYE_CENTRE[0]) / 14.5) ** 2
        crease = np.exp(-(((self._y - crease_y) / 0.9) ** 2)) * self._near((31, -23, -86), (17, 10, 22))
        wing = self._near((18.5, tip + 4.0, -98.0), (3.4, 9.0, 9.0))
        dark = 2.6 * nostril + 0.75 * np.minimum(2.0 * crease, 1.0) + 0.35 * wing
        return colour * np.exp(-dark[..., None] * np.array([0.75, 1.0, 1.05]))

    def _paint_brows(self, colour: Floats) -> Floats:
        along = np.clip((self._side - 8.0) / 40.0, -0.2, 1.2)
        ridge = -33.0 - 6.6 * np.sin(np.clip(along, 0, 1) * 2.25) + 3.2 * np.clip(along - 0.55, 0, None) * 4.0
        half = self._palette.brow_thickness * np.interp(along, [0, 0.12, 0.45, 0.75, 1.0], [2.6, 3.9, 3.5, 2.6, 0.7])
        offset = (self._y - ridge) / half
        ends = smoothstep(along, -0.06, 0.10) * (1.0 - smoothstep(along, 0.9, 1.03))
        mask = (1.0 - smoothstep(np.abs(offset), 0.55, 1.25)) * ends * (self._z < -45)
        lean = self._x + np.sign(self._x) * 1.1 * (self._y - ridge)
        strands = self._noise(np.stack([lean, 0.16 * self._y, 0.0 * lean], axis=-1), 0.65)
        cover = np.clip(mask * (0.78 + 0.2 * strands), 0.0, 0.95)
        hair = self._palette.hair * 0.8 + 0.004
        return colour * (1.0 - cover[..., None]) + hair * cover[..., None]

    def _paint_hair(self, colour: Floats) -> Floats:
        ragged = self._points + np.array([0.0, 1.0, 0.0]) * 2.4 * self._noise(self._points, 3.0)[..., None]
        cover = relief.hair_coverage(ragged, self._palette.hairline_shift, softness=9.0)
        around = 75.0 * np.arctan2(self._x, -self._z) + 2.0 * self._noise(self._points, 20.0, smooth=True)
        along = 2.2 * self._texels.row + np.zeros_like(around)
        strand = self._noise(np.stack([around, 0.12 * along, 0.0 * around], axis=-1), 2.2)
        strand += 0.8 * self._noise(np.stack([around, 0.2 * along, 0.0 * around], axis=-1), 6.5, smooth=True)
        tone = self._palette.hair * np.exp(0.30 * np.clip(strand, -2.2, 2.2))[..., None]
        strong = np.clip(1.25 * cover + 0.12 * strand * cover * (1.0 - cover), 0.0, 1.0)[..., None]
        return colour * (1.0 - strong) + tone * strong

    def _paint_lashes(self, colour: Floats) -> Floats:
        """The dark line of lashes along the lid margins, on the rows around the eye slit."""
        inner, outer = layout.EYE_CORNERS_X
        across = (self._side - (inner + outer) / 2) / ((outer - inner) / 2)
        upper, lower = lid_margins_y(np.clip(across, -1.0, 1.0), 0.0, self._shape)
        within = (1.0 - smoothstep(np.abs(across), 0.93, 1.08)) * (self._z < -50)
        row = self._texels.row - layout.EYE_SLIT_ROW
        above = np.where(row < 1.5, np.exp(-((np.maximum(upper - self._y, 0.0) / 0.9) ** 2)), 0.0)
        below = np.where(row > 1.5, np.exp(-((np.maximum(self._y - lower, 0.0) / 0.7) ** 2)), 0.0)
        near = np.abs(row - 1.5) < 6.0
        wet = np.where((row > 1.2) & (row < 3.0), 0.45, 1.0)
        dark = within * near * (2.3 * above + 0.9 * below * wet)
        return colour * np.exp(-dark)[..., None]


def _add_spot(total: Floats, points: Floats, centre: tuple[float, float], radius: float, strength: float) -> None:
    """Add a round spot to the texels of the front of the face around (x, y), in place."""
    height, width = total.shape
    front = slice(int(0.17 * width), int(0.83 * width))
    distance_x = np.abs(points[height // 2, front, 0] - centre[0])
    column = int(np.argmin(distance_x)) + front.start
    row = int(np.argmin(np.abs(points[:, column, 1] - centre[1])))
    reach = int(np.ceil(height / 60 * radius / 1.0)) + 2
    window = (slice(max(0, row - reach), row + reach + 1), slice(max(0, column - reach), column + reach + 1))
    middle = points[row, column]
    squared = np.square(points[window] - middle).sum(-1)
    total[window] += strength * np.exp(-squared / radius**2)
