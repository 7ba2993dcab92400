"""A furnished room that is seen and that gives light: the radiance along any ray in it.

Axes: mm, the phone's at its rest (x right, y down, z forward), origin in the phone. Walls, boxes and balls are
hit in closed form. What is hit is lit by the window and the lamp, unshadowed, and by a constant; windows and lamps
send out light themselves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_FAR_MM = 1e6


@dataclass(frozen=True)
class Room:
    """One room; made by ``furnish``.

    Attributes:
        low, high: (3,) corners of the room.
        window_side: -1 on the left wall, 1 on the right one.
        window: (4,) of the window on that wall: y and z from, y and z to.
        sky: (3,) radiance of the sky through it.
        lamp: (3,) centre of a ball that gives light; lamp_radius mm; lamp_colour (3,) radiance.
        boxes: (B, 2, 3) corners of the furniture; paint: (6 + B, 3) albedo of the walls (-x, +x, -y, +y, -z, +z)
            and of the furniture.
        ambient: (3,) irradiance that comes from everywhere.
    """

    low: Tensor
    high: Tensor
    window_side: float
    window: tuple[float, float, float, float]
    sky: Tensor
    lamp: Tensor
    lamp_radius: float
    lamp_colour: Tensor
    boxes: Tensor
    paint: Tensor
    ambient: Tensor

    def radiance(self, origin: Tensor, direction: Tensor) -> Tensor:
        """What comes back along rays: (P, 3) or (3,) mm, (P, 3) -> (P, 3) linear RGB."""
        origin = origin.expand_as(direction)
        safe = torch.where(direction.abs() < 1e-7, torch.full_like(direction, 1e-7), direction)
        depth, axis = torch.where(safe > 0, (self.high - origin) / safe, (self.low - origin) / safe).min(1)
        rows = torch.arange(len(axis))
        surface = 2 * axis + (safe[rows, axis] > 0).long()
        normal = torch.zeros_like(direction)
        normal[rows, axis] = -safe[rows, axis].sign()
        for number, box in enumerate(self.boxes):
            near, far = _slab(box, origin, safe)
            nearest, face = near.max(1)
            hit = (nearest < far) & (nearest > 1.0) & (nearest < depth)
            depth = torch.where(hit, nearest, depth)
            surface = torch.where(hit, 6 + number, surface)
            outwards = torch.zeros_like(normal)
            outwards[rows, face] = -safe[rows, face].sign()
            normal = torch.where(hit[:, None], outwards, normal)
        place = origin + depth[:, None] * direction
        seen = self._reflected(place, normal, surface)
        through = (surface == (0 if self.window_side < 0 else 1)) & self._in_window(place)
        seen = torch.where(through[:, None], self._outside(place, direction), seen)
        return torch.where(self._hits_lamp(origin, direction, depth)[:, None], self.lamp_colour, seen)

    def _reflected(self, place: Tensor, normal: Tensor, surface: Tensor) -> Tensor:
        light = self.ambient.expand_as(place)
        y0, z0, y1, z1 = self.window
        wall = float(self.low[0] if self.window_side < 0 else self.high[0])
        inwards = torch.tensor([-self.window_side, 0.0, 0.0])
        pane_area = (y1 - y0) * (z1 - z0) / 4.0
        for y in (0.25, 0.75):
            for z in (0.25, 0.75):
                pane = torch.tensor([wall, y0 + y * (y1 - y0), z0 + z * (z1 - z0)])
                light = light + _from_patch(place, normal, pane, inwards, pane_area) * self.sky
        to_lamp = self.lamp - place
        distance = to_lamp.norm(dim=1, keepdim=True).clamp(min=self.lamp_radius)
        cosine = ((to_lamp * normal).sum(1, keepdim=True) / distance).clamp(min=0.0)
        light = light + self.lamp_colour * (cosine * math.pi * self.lamp_radius**2 / distance.square())
        return self._albedo(place, surface) * light / math.pi

    def _albedo(self, place: Tensor, surface: Tensor) -> Tensor:
        """Paint with what hangs and stands there: stripes of books, a picture, boards of the floor."""
        albedo = self.paint[surface]
        x, y, z = (0.001 * place).unbind(1)
        back = surface == 5
        picture = back & ((x + 0.55).abs() < 0.42) & ((y + 0.55).abs() < 0.30)
        frame = back & ((x + 0.55).abs() < 0.46) & ((y + 0.55).abs() < 0.34) & ~picture
        wave = torch.sin(7.0 * x + 3.0 * torch.sin(5.0 * y)) * torch.cos(4.0 * y - 2.0 * x)
        painted = 0.35 + 0.25 * torch.stack([wave, 0.3 * wave, -wave], dim=1)
        albedo = torch.where(picture[:, None], painted, albedo)
        albedo = torch.where(frame[:, None], torch.tensor([0.05, 0.04, 0.035]), albedo)
        boards = (surface == 3)[:, None] * (torch.floor(7.0 * x) % 3 - 1.0)[:, None] * 0.05
        books = (surface == 6)[:, None] & ((y * 2.9) % 1.0 < 0.8)[:, None]
        colour = torch.floor(24.0 * x + 24.0 * z + 3.0 * torch.floor(y * 2.9))
        hues = [torch.sin(2.1 * colour), torch.sin(3.3 * colour), torch.cos(1.7 * colour)]
        spine = 0.25 + 0.22 * torch.stack(hues, dim=1)
        return torch.where(books, spine, albedo + boards).clamp(0.02, 0.95)

    def _in_window(self, place: Tensor) -> Tensor:
        y0, z0, y1, z1 = self.window
        y, z = (place[:, 1] - y0) / (y1 - y0), (place[:, 2] - z0) / (z1 - z0)
        bars = ((z - 0.5).abs() < 0.02) | ((y - 0.4).abs() < 0.015)
        return (y > 0) & (y < 1) & (z > 0) & (z < 1) & ~bars

    def _outside(self, place: Tensor, direction: Tensor) -> Tensor:
        """Sky, brighter above, with a row of houses below."""
        height = -direction[:, 1:2]
        along = direction[:, 2:3] / direction[:, :1].abs().clamp(min=1e-3)
        roofs = 0.05 + 0.06 * torch.floor(2.0 + 2.0 * torch.sin(5.0 * along)) / 2.0
        clouds = 1.0 + 0.35 * torch.sin(9.0 * along + 4.0 * torch.sin(7.0 * height))
        sky = self.sky * (0.7 + 0.6 * height.clamp(min=0.0)) * clouds
        return torch.where(height < roofs, 0.12 * self.sky * torch.tensor([1.15, 1.0, 0.8]), sky)

    def _hits_lamp(self, origin: Tensor, direction: Tensor, depth: Tensor) -> Tensor:
        to_lamp = self.lamp - origin
        along = (to_lamp * direction).sum(1)
        aside = (to_lamp - along[:, None] * direction).norm(dim=1)
        return (aside < self.lamp_radius) & (along > 0) & (along < depth)


def furnish(seed: int) -> Room:
    """The room of a seed: where its window, lamp and furniture are, and their colours."""
    rng = np.random.default_rng([seed, 17])
    side = float(rng.choice([-1.0, 1.0]))
    low, high = torch.tensor([-1700.0, -1350.0, -2300.0]), torch.tensor([1700.0, 1150.0, 2500.0])
    height, place = rng.uniform(1150, 1350), rng.uniform(-1150, -750)
    top = rng.uniform(-1150, -950)
    hue = rng.uniform(0.0, 2.0 * math.pi)
    wall = 0.42 + 0.09 * np.cos(hue + np.array([0.0, 2.1, 4.2]))
    paint = np.stack([wall, wall, np.full(3, 0.8), [0.34, 0.24, 0.16], 0.9 * wall, 0.95 * wall])
    furniture = np.array([
        [[650.0, -950.0, 2050.0], [1600.0, 1150.0, 2450.0]],  # a shelf of books
        [[-1650.0, 350.0, 1500.0], [-250.0, 1150.0, 2350.0]],  # a sofa
        [[-1500.0, 150.0, -1800.0], [-600.0, 1150.0, -1200.0]],  # behind the phone
        [[150.0, 780.0, 1250.0], [620.0, 1150.0, 1600.0]],  # a low table
    ])  # fmt: skip
    own = np.concatenate([[[0.3, 0.22, 0.15]], rng.uniform(0.1, 0.6, (3, 3))])
    return Room(
        low=low,
        high=high,
        window_side=side,
        window=(top, place, top + height, place + rng.uniform(1300, 1700)),
        sky=torch.tensor([0.86, 1.0, 1.22]) * float(rng.uniform(15.0, 20.0)),
        lamp=torch.tensor([-side * rng.uniform(950, 1300), rng.uniform(-500, -150), rng.uniform(700, 1300)]).float(),
        lamp_radius=float(rng.uniform(110, 150)),
        lamp_colour=torch.tensor([1.6, 0.95, 0.42]) * float(rng.uniform(9.0, 16.0)),
        boxes=torch.from_numpy(furniture).float(),
        paint=torch.from_numpy(np.concatenate([paint, own])).float(),
        ambient=torch.tensor([0.92, 0.9, 0.86]) * float(rng.uniform(0.15, 0.35)),
    )


def _slab(box: Tensor, origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Where rays enter the three slabs of a box, (P, 3), and where they leave the first of them, (P,)."""
    one, other = (box[0] - origin) / direction, (box[1] - origin) / direction
    return torch.minimum(one, other), torch.maximum(one, other).amin(1)


def _from_patch(place: Tensor, normal: Tensor, centre: Tensor, patch_normal: Tensor, area: float) -> Tensor:
    """Share of a patch's radiance that becomes irradiance: (P, 1), sr."""
    away = centre - place
    distance = away.norm(dim=1, keepdim=True).clamp(min=200.0)
    received = ((away * normal).sum(1, keepdim=True) / distance).clamp(min=0.0)
    sent = (-(away * patch_normal).sum(1, keepdim=True) / distance).clamp(min=0.0)
    return received * sent * area / distance.square()
