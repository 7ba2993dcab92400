"""Neck opening, shoulders and a knitted jumper: a mesh that is traced and drawn with the head, without truth."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

COLUMNS, ROWS = 56, 34
# height mm, half width, half depth and shift to the back beyond those of the neck, mm
_PROFILE = np.array([
    [128.0, 2.0, 2.0, 0.0], [118.0, 6.0, 6.5, 0.0], [124.0, 11.0, 11.0, 0.0], [142.0, 15.0, 13.0, 2.0],
    [156.0, 34.0, 19.0, 4.0], [176.0, 88.0, 30.0, 8.0], [205.0, 124.0, 40.0, 10.0], [260.0, 142.0, 52.0, 8.0],
    [420.0, 138.0, 62.0, 2.0], [560.0, 130.0, 64.0, 0.0],
])  # fmt: skip


class Body(NamedTuple):
    """Shapes: vertices (N, 3) mm, head frame of an unturned head; faces (F, 3); uv (N, 2): turns around the body and
    mm down it."""

    vertices: Tensor
    faces: Tensor
    uv: Tensor


def make_body(neutral: Tensor) -> Body:
    """A jumper around the neck of a head (N, 3) mm."""
    neck = neutral[neutral[:, 1] > 120.0].double().numpy()
    centre = (neck.max(0) + neck.min(0)) / 2.0
    wide, deep = (neck.max(0) - neck.min(0))[[0, 2]] / 2.0
    rows = np.linspace(0.0, 1.0, ROWS) ** 0.9 * (len(_PROFILE) - 1)
    ring = np.stack([np.interp(rows, np.arange(len(_PROFILE)), column) for column in _PROFILE.T])
    turn = np.linspace(np.pi, 3.0 * np.pi, COLUMNS + 1)  # the seam is at the back
    across, along = (np.sign(part) * np.abs(part) ** 0.85 for part in (np.sin(turn), -np.cos(turn)))
    height, half_wide, half_deep, back = (part[:, None] for part in ring)
    front = np.clip(-along, 0.0, 1.0) * np.exp(-np.square((height - 122.0) / 14.0))
    x = centre[0] + (wide + half_wide) * across
    y = height + 5.0 * front + 0.0 * x
    z = centre[2] + back + (deep + half_deep) * along + 0.0 * x
    around = np.broadcast_to(turn / (2.0 * np.pi), x.shape)
    down = np.broadcast_to(np.cumsum(np.hypot(*np.diff(ring[:2], axis=1, prepend=ring[:2, :1])))[:, None], x.shape)
    index = np.arange(ROWS * (COLUMNS + 1)).reshape(ROWS, -1)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    faces = np.concatenate([np.stack([a, c, b], -1).reshape(-1, 3), np.stack([b, c, d], -1).reshape(-1, 3)])
    vertices = torch.from_numpy(np.stack([x, y, z], -1).reshape(-1, 3)).float()
    uv = torch.from_numpy(np.stack([around, down], -1).reshape(-1, 2)).float()
    return Body(vertices, torch.from_numpy(faces), uv)


def wool(uv: Tensor, colours: Tensor) -> Tensor:
    """Albedo of knitted stripes at (P, 2) of ``Body.uv``, of two colours (2, 3) linear: (P, 3)."""
    around, down = 200.0 * uv[:, :1], uv[:, 1:]
    stitch = torch.sin(2.0 * torch.pi * (around + 0.25 * torch.sin(down * 0.9))) * torch.sin(down * 1.3)
    stripe = ((down / 26.0) % 2.0 < 0.55).float()
    return torch.lerp(colours[0], colours[1], stripe) * (1.0 + 0.12 * stitch)
