"""Found points of a clip's most different frames, in bounded memory however long the clip is."""

from __future__ import annotations

import torch
from torch import Tensor

MOST_FRAMES = 64


class FocalObservations:
    """Keeps up to ``most`` frames: a frame more like another than any two kept ones is not taken.

    How different two frames are is how far their points lie apart once each is moved to its middle, in
    shares of the head's size: a turn, an expression and a change of depth all count, the place does not.

    Args:
        most: frames kept.
    """

    def __init__(self, most: int = MOST_FRAMES) -> None:
        self._most = most
        self._pixels: list[Tensor] = []
        self._doubts: list[Tensor] = []
        self._times: list[float] = []
        self._shapes: list[Tensor] = []
        self._apart = torch.full((most, most), torch.inf)
        self._size = 0.0  # of the first head, pixels: the unit of all shapes

    def __len__(self) -> int:
        return len(self._pixels)

    @property
    def time_s(self) -> list[float]:
        """Time stamps of the frames kept."""
        return list(self._times)

    def add(self, points_px: Tensor, doubt_px: Tensor, time_s: float) -> None:
        """One frame in which the face was found; one with a point that is not finite is passed over.

        Args:
            points_px: (K, 2), pixels of the full frame.
            doubt_px: (K,), pixels of the full frame.
            time_s: time stamp.
        """
        points_px, doubt_px = points_px.detach().cpu().float(), doubt_px.detach().cpu().float()
        if not (torch.isfinite(points_px).all() and torch.isfinite(doubt_px).all()):
            return
        weight = doubt_px.square().reciprocal().unsqueeze(-1)
        shape = points_px - (weight * points_px).sum(0) / weight.sum()
        self._size = self._size or max(float(shape.square().sum(-1).mean().sqrt()), 1e-6)
        shape = (shape / self._size).flatten()
        apart = torch.stack([(shape - other).norm() for other in self._shapes]) if self._shapes else torch.empty(0)
        place = self._place_for(apart)
        if place is None:
            return
        if place == len(self._pixels):
            for kept in (self._pixels, self._doubts, self._times, self._shapes):
                kept.append(None)  # type: ignore[arg-type]
        self._pixels[place], self._doubts[place] = points_px, doubt_px
        self._times[place], self._shapes[place] = float(time_s), shape
        self._apart[place, : len(apart)] = apart
        self._apart[: len(apart), place] = apart
        self._apart[place, place] = torch.inf

    def _place_for(self, apart: Tensor) -> int | None:
        """Where a frame goes that lies ``apart`` (F,) from those kept; None where it is too much like one."""
        if len(self._pixels) < self._most:
            return len(self._pixels)
        closest = int(self._apart.argmin())
        pair = divmod(closest, self._most)
        if float(apart.min()) <= float(self._apart.flatten()[closest]):
            return None
        # of the two most alike, the one that is more like a third goes
        second = [float(self._apart[one].sort().values[1]) for one in pair]
        return pair[0] if second[0] <= second[1] else pair[1]

    def stacked(self) -> tuple[Tensor, Tensor]:
        """The frames kept: points (F, K, 2) and doubts (F, K), pixels of the full frame."""
        if not self._pixels:
            return torch.empty(0, 0, 2), torch.empty(0, 0)
        return torch.stack(self._pixels), torch.stack(self._doubts)
