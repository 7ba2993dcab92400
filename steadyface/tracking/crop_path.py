"""Where the head is cropped from in every frame of a clip, smoothed without lag, and its side file ``crops.npz``.

The first pass over a file sees the head some ten times a second. Between those the box is drawn
through, smoothed symmetrically in time (it delays nothing and has no jitter of its own), and in the
frames around a stretch it is held: whether the face is there is the second pass's to say.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from steadyface.errors import InputError
from steadyface.tracking.track import runs_of

SMOOTHING_S = 0.2
"""Standard deviation of the Gaussian in time."""

SHORTEST_S = 0.25
"""A face that was seen for less, with none before and after in its shot, was none."""

_REMEDY = "track the clip again, or leave --crops out"
_TIME_TOLERANCE_S = 1e-3


@dataclass(frozen=True)
class CropPath:
    """The crop of each of T frames.

    Shapes: time_s (T,) float64; box (T, 4) float64, square x, y, w, h in pixels of the upright full
    frame, nan in the frames of a shot that shows no face; shot (T,) long. focal_px: what the full frame
    was taken to be filmed with, 0 = not known.
    """

    time_s: Tensor
    box: Tensor
    shot: Tensor
    focal_px: float = 0.0

    def __post_init__(self) -> None:
        count = len(self.time_s)
        if self.box.shape != (count, 4) or self.shot.shape != (count,):
            got = f"box {tuple(self.box.shape)}, shot {tuple(self.shot.shape)} for {count} frames"
            raise InputError("a crop path", "box (T, 4) and shot (T,)", got, _REMEDY)

    def __len__(self) -> int:
        """The number of frames T."""
        return len(self.time_s)

    def __getitem__(self, frames: slice) -> CropPath:
        """Some consecutive frames."""
        return CropPath(self.time_s[frames], self.box[frames], self.shot[frames], self.focal_px)

    @property
    def known(self) -> Tensor:
        """(T,) bool: the frames that have a box."""
        return torch.isfinite(self.box).all(1)

    def filled(self, clip: Path) -> Tensor:
        """(T, 4): frames without a box get that of the nearest frame in time that has one.

        Raises:
            InputError: no frame of ``clip`` has one.
        """
        places = torch.nonzero(self.known)[:, 0]
        if len(places) == 0:
            remedy = "give --box X,Y,W,H, or a clip in which the face is at least a tenth of the picture's height"
            raise InputError(clip, "a face in some frame", "none that the encoder or a detector sees", remedy)
        times = self.time_s[places]
        after = torch.searchsorted(times, self.time_s).clamp(max=len(places) - 1)
        before = (after - 1).clamp(min=0)
        earlier = (self.time_s - times[before]).abs() < (times[after] - self.time_s).abs()
        return self.box[places[torch.where(earlier, before, after)]]

    def save(self, path: Path) -> None:
        """Write an npz; the name appears only once the file is whole."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        try:
            with part.open("wb") as file:
                arrays = {name: getattr(self, name).numpy() for name in ("time_s", "box", "shot")}
                np.savez(file, focal_px=np.float64(self.focal_px), **arrays)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path) -> CropPath:
        """Read what ``save`` wrote. Raises InputError where it is missing, damaged, or none."""
        try:
            with np.load(path, allow_pickle=False) as stored:
                parts = {name: torch.from_numpy(stored[name]) for name in ("time_s", "box", "shot")}
                focal_px = float(stored["focal_px"])
        except (OSError, ValueError, KeyError, BadZipFile, EOFError) as error:
            got = "no such file" if not path.exists() else f"unusable content ({error})"
            raise InputError(path, "the crops of a clip (crops.npz)", got, _REMEDY) from None
        return cls(parts["time_s"].double(), parts["box"].double(), parts["shot"].long(), focal_px)

    def check_clip(self, path: Path, time_s: Sequence[float]) -> None:
        """Raises InputError where the time stamps of a clip are not these: the crops are another clip's."""
        given = torch.tensor(time_s, dtype=torch.float64)
        if len(given) != len(self) or float((given - self.time_s).abs().max()) > _TIME_TOLERANCE_S:
            got = f"a path of {len(self)} frames up to {float(self.time_s[-1]):.3f} s for {len(given)} frames"
            raise InputError(path, "crops with the clip's time stamps", got, _REMEDY)


def fixed_path(time_s: Tensor, box: Sequence[float], shot: Tensor) -> CropPath:
    """One box for every frame."""
    return CropPath(time_s, torch.tensor(box, dtype=torch.float64).expand(len(time_s), 4).clone(), shot)


def draw_path(time_s: Tensor, shot: Tensor, seen_s: Tensor, seen_box: Tensor, sigma_s: float = SMOOTHING_S) -> CropPath:
    """The path through the boxes that were seen.

    Args:
        time_s: (T,) of every frame, float64, increasing.
        shot: (T,) long.
        seen_s: (S,) of the frames that were looked at, a subset of ``time_s``.
        seen_box: (S, 4), nan where no face was seen: there it may have moved far, and no box is drawn across.
        sigma_s: of the smoothing, seconds.

    Returns:
        The path: in a shot with a face somewhere, every frame has a box.
    """
    box = torch.full((len(time_s), 4), torch.nan, dtype=torch.float64)
    seen_shot = shot[torch.searchsorted(time_s, seen_s.contiguous())]
    seen = [part for part in runs_of(torch.isfinite(seen_box).all(1), seen_shot) if _lasts(seen_s, seen_shot, part)]
    for place, part in enumerate(seen):
        here = shot == seen_shot[part.start]
        for other in (seen[place - 1] if place else None, seen[place + 1] if place + 1 < len(seen) else None):
            if other is not None and seen_shot[other.start] == seen_shot[part.start]:
                here &= _distance(time_s, seen_s[part]) <= _distance(time_s, seen_s[other])
        box[here] = _through(time_s[here], seen_s[part], seen_box[part], sigma_s)
    return CropPath(time_s, box, shot)


def _lasts(seen_s: Tensor, seen_shot: Tensor, part: slice) -> bool:
    """Whether a face was seen long enough to be one: a chance likeness is not seen again, unless the shot ends."""
    return float(seen_s[part.stop - 1] - seen_s[part.start]) >= SHORTEST_S or bool(
        (part.start == 0 or seen_shot[part.start - 1] != seen_shot[part.start])
        and (part.stop == len(seen_s) or seen_shot[part.stop] != seen_shot[part.start])
    )


def _distance(time_s: Tensor, seen_s: Tensor) -> Tensor:
    """Seconds from each time (T,) to the stretch that two or more sightings span; 0 inside."""
    return torch.maximum(seen_s[0] - time_s, time_s - seen_s[-1]).clamp(min=0.0)


def _through(time_s: Tensor, seen_s: Tensor, seen_box: Tensor, sigma_s: float) -> Tensor:
    """Boxes (F, 4) at times (F,), through those seen (S, 4) at times (S,), of one shot.

    Centre and size apart: an interpolated corner would shrink with the size.
    """
    side = seen_box[:, 2]
    keys = torch.stack([seen_box[:, 0] + side / 2, seen_box[:, 1] + side / 2, side.log()], dim=1)
    drawn = np.stack([np.interp(time_s.numpy(), seen_s.numpy(), column) for column in keys.t().numpy()], axis=1)
    x, y, log_side = _smooth(time_s, torch.from_numpy(drawn), sigma_s).unbind(1)
    side = log_side.exp()
    return torch.stack([x - side / 2, y - side / 2, side, side], dim=1)


def _smooth(time_s: Tensor, values: Tensor, sigma_s: float) -> Tensor:
    """Gaussian means over time, local lines at the borders: (F,), (F, C) -> (F, C).

    A weighted line through each frame's neighbours, read at the frame: at the ends of a clip a
    plain mean would look back only, and lag. Windows reach 3 deviations.
    """
    smoothed = torch.empty_like(values)
    first = torch.searchsorted(time_s, time_s - 3 * sigma_s)
    last = torch.searchsorted(time_s, time_s + 3 * sigma_s, right=True)
    for frame in range(len(time_s)):
        near = slice(int(first[frame]), int(last[frame]))
        apart = (time_s[near] - time_s[frame]) / sigma_s
        weight = torch.exp(-0.5 * apart**2)
        weight = weight / weight.sum()
        mean, spread = (weight * apart).sum(), (weight * apart**2).sum()
        variance = spread - mean**2
        # a single frame has no slope
        line = weight * (1 - mean * (apart - mean) / variance) if float(variance) > 1e-9 else weight
        smoothed[frame] = line @ values[near]
    return smoothed
