"""Where a new shot starts: hard cuts, found as the frames come.

Small grey pictures are compared block by block: each block of a frame and its neighbours look for their like in an
earlier frame, within the reach of fast motion. Blocks are taken in logarithms with their mean, slope and contrast
taken out, so that neither exposure nor a light that comes from elsewhere is a cut. Motion leaves nearly every block
its like: the background, or the shifted face. A cut makes strangers of many. Frames without structure (black, or
washed out by a flash) are passed over: the next clear one is compared with the last clear ones, so that a flash of one
or two frames is no cut.

What a threshold on the strangers can do, as measured: two poses in one room have 0.2 to 0.4 of them, motion three times
as fast as that of a talking head 0.02 at most, six times as fast 0.06. A jump that is no further than fast motion, a
tenth of the picture before the same background, may pass for it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SIDE = 64  # pixels, the longer side of the small pictures
_BLOCK, _STEP = 8, 4  # side of a block and the distance of two, small pixels
_REACH = 6  # how far a block looks for its like, small pixels: a tenth of the picture between two frames
_NOISE = 1.5  # grey levels; a block with less contrast tells nothing
_TOE = 20.0  # grey levels added before the logarithm: the noise of dark pixels stays small
_ALIKE = 0.65  # correlation below which two blocks are strangers
_CLEAR = 0.15  # share of usable blocks below which a frame is passed over
_FEW = 0.8  # share of usable blocks below which strangers count less: what comes up on an empty wall is no cut
_BLOWN, _BLOWN_S = 0.25, 0.2  # so much more of the frame saturated: a flash, unless it stays so long
_LIMIT, _SLOW_LIMIT = 0.05, 0.5  # share of strangers that makes a cut where all was still; close frames, and 1 s apart
_UNKNOWN = 0.03  # taken for the share just before where nothing came before
_CLOSE_S, _FAR_S = 0.25, 1.0
_REFERENCES, _RECENT = 3, 10

_ROWS, _COLUMNS = np.mgrid[:_BLOCK, :_BLOCK].reshape(2, -1) - (_BLOCK - 1) / 2
_PLANE = np.stack([np.ones(_BLOCK**2), _ROWS, _COLUMNS], 1)
_PLANE = (_PLANE / np.linalg.norm(_PLANE, axis=0)).astype(np.float32)  # orthonormal: mean and slopes


@dataclass(frozen=True)
class _Signature:
    """A frame's blocks. patches (h, w, 64) at every small pixel, of unit length where there is contrast; usable (n, m)
    bool, of every `_STEP`-th of them; saturated: share of the pixels."""

    time_s: float
    patches: NDArray[np.float32]
    usable: NDArray[np.bool_]
    saturated: float

    @property
    def clear(self) -> bool:
        return bool(self.usable.mean() >= _CLEAR)


class CutDetector:
    """Says of each frame of a clip, in order, whether it starts a new shot; holds three small pictures, no more.

    The first frame starts none. Fades are none either, nor are pans of less than a tenth of the picture a frame.
    """

    def __init__(self) -> None:
        self._references: deque[_Signature] = deque(maxlen=_REFERENCES)
        self._recent: deque[float] = deque(maxlen=_RECENT)

    def update(self, image: NDArray[np.uint8], time_s: float) -> bool:
        """Whether this frame starts a new shot.

        Args:
            image: (H, W, 3) uint8, all of one size, at least 16 x 16.
            time_s: its time stamp, later than the one before.
        """
        now = _sign(image, time_s)
        if not now.clear:
            return False
        if not self._references:
            self._references.append(now)
            return False
        last = self._references[-1]
        if now.saturated > last.saturated + _BLOWN and time_s - last.time_s < _BLOWN_S:
            return False
        limit = _limit(time_s - last.time_s) + 1.5 * max(self._recent, default=_UNKNOWN)
        # the older ones only where the last one may be what was odd
        share = 1.0
        for reference in reversed(self._references):
            share = min(share, stranger_share(reference, now))
            if share <= limit:
                break
        if share > limit:
            self._references.clear()
            self._recent.clear()
        else:
            self._recent.append(share)
        self._references.append(now)
        return share > limit


def _limit(gap_s: float) -> float:
    """Frames that lie further apart may differ more."""
    return float(np.interp(gap_s, [_CLOSE_S, _FAR_S], [_LIMIT, _SLOW_LIMIT]))


def _sign(image: NDArray[np.uint8], time_s: float) -> _Signature:
    grey = shrink(image)
    height, width = grey.shape
    view = np.lib.stride_tricks.sliding_window_view
    blocks = view(np.log(grey + _TOE), (_BLOCK, _BLOCK))
    blocks = blocks.reshape(*blocks.shape[:2], _BLOCK**2)
    floor = _NOISE / np.exp(blocks.mean(-1))
    rest = blocks - (blocks @ _PLANE) @ _PLANE.T
    contrast = np.sqrt(np.square(rest).mean(-1))
    patches = rest / (np.maximum(contrast, floor) * _BLOCK)[..., None]
    odd = (grey > 250) | (grey < 2)
    cut_off = view(odd, (_BLOCK, _BLOCK)).mean((-1, -2))
    usable = (contrast > floor) & (cut_off < 0.1)
    return _Signature(time_s, patches.astype(np.float32), usable[::_STEP, ::_STEP], float(odd.sum() / (height * width)))


def shrink(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A frame in grey, its longer side 64 pixels, smoothed so that it does not alias; sides of at least one block."""
    height, width = image.shape[:2]
    scale = _SIDE / max(height, width)
    picture = Image.fromarray(image)
    whole = int(0.5 / scale)  # a fast mean over whole pixels first, down to about twice the size
    if whole > 1:
        picture = picture.reduce(whole)
    size = (max(_BLOCK, round(width * scale)), max(_BLOCK, round(height * scale)))
    return np.asarray(picture.convert("L").resize(size, Image.Resampling.BILINEAR), dtype=np.float32)


def stranger_share(before: _Signature, now: _Signature) -> float:
    """The share of the usable blocks of a frame that have no like in an earlier one."""
    rows, columns = now.usable.shape
    around = np.pad(before.patches, ((_REACH, _REACH), (_REACH, _REACH), (0, 0)))
    side = 2 * _REACH + 1
    windows = np.lib.stride_tricks.sliding_window_view(around, (side, side), axis=(0, 1))[::_STEP, ::_STEP]
    alike = np.einsum("nmc,nmcij->nmij", now.patches[::_STEP, ::_STEP], windows[:rows, :columns], optimize=True)
    together = _together(alike, now.usable)
    judged = now.usable & _stays_inside(together, now.usable, before.patches.shape[:2])
    best = together.max((2, 3))[judged]
    return int((best < _ALIKE).sum()) / max(len(best), _FEW * now.usable.size, 1)


def _stays_inside(together: NDArray[np.float32], usable: NDArray[np.bool_], size: tuple[int, ...]) -> NDArray[np.bool_]:
    """Blocks that were in the earlier picture if all moved as most did: what a moving camera brings in is left out."""
    down, across = np.unravel_index(together[usable].sum(0).argmax(), together.shape[2:])
    row = np.arange(usable.shape[0])[:, None] * _STEP + int(down) - _REACH
    column = np.arange(usable.shape[1]) * _STEP + int(across) - _REACH
    return np.asarray((row >= 0) & (row < size[0]) & (column >= 0) & (column < size[1]))


def _together(alike: NDArray[np.float32], usable: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The mean correlation of each block and its neighbours, moved as one but for a pixel.

    A block alone finds something like itself nearly anywhere; that its neighbours find theirs as far off is motion.

    Shapes: alike (n, m, s, s), over displacements; usable (n, m) -> (n, m, s, s).
    """
    loose = np.pad(alike, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-1)
    loose = np.lib.stride_tricks.sliding_window_view(loose, 3, axis=2).max(-1)
    loose = np.lib.stride_tricks.sliding_window_view(loose, 3, axis=3).max(-1)
    weight = np.pad(usable[..., None, None].astype(np.float32), ((1, 1), (1, 1), (0, 0), (0, 0)))
    padded = np.pad(loose, ((1, 1), (1, 1), (0, 0), (0, 0))) * weight
    rows, columns = usable.shape
    places = [(slice(row, row + rows), slice(column, column + columns)) for row in range(3) for column in range(3)]
    total, count = sum(padded[place] for place in places), sum(weight[place] for place in places)
    return np.asarray(total / np.maximum(count, 1.0), dtype=np.float32)
