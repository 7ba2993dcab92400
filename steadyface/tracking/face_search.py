"""Where the face is when nobody says: the encoder itself looks through the frame, window after window.

The encoder of the synthetic subject finds a head that its crop shows half to 1.3 times as large as it is used
to, or a third of the crop beside its middle: windows of a few sizes with large steps see the heads of a frame. What
looks like a head is cropped again by what was seen, and must then look more like one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from steadyface.capture.crop import Box
from steadyface.tracking.sighting import Sighter, Sighting

LARGEST_WINDOW, SMALLEST_WINDOW, SIZE_RATIO, STEP = 1.3, 0.22, 0.55, 0.42
"""Windows in shares of the picture's shorter side; the ratio of one size to the next; steps in sides."""

_BATCH = 16
_CANDIDATES = 4  # windows that are looked at again
_CANDIDATE_LIMIT = 5.0  # implausibility of a window that is worth it: its crop fits badly as yet
_LOOKS = 4


def search_face(
    sighter: Sighter, image: NDArray[np.uint8], windows: Sequence[Box] | None = None
) -> Sighting | None:
    """The head in a frame that is most like the model's person; None where there is none.

    Args:
        sighter: with the frame's intrinsics.
        image: (H, W, 3) uint8 sRGB.
        windows: where to look; the whole frame where they are left out.
    """
    windows = search_windows(*image.shape[:2]) if windows is None else windows
    seen: list[Sighting] = []
    for first in range(0, len(windows), _BATCH):
        seen += sighter.look(image, windows[first : first + _BATCH])
    likely = sorted(seen, key=lambda sighting: sighting.implausibility)[:_CANDIDATES]
    starts = [sighting.head for sighting in likely if sighting.implausibility < _CANDIDATE_LIMIT]
    found = [sighting for box in starts if (sighting := settle(sighter, image, box)) is not None]
    return min(found, key=lambda sighting: sighting.residual, default=None)


def settle(sighter: Sighter, image: NDArray[np.uint8], box: Box) -> Sighting | None:
    """Look, crop by what was seen, look again; the head that this ends at, or None.

    Where there is no head, a look may find a likely one by chance, but not the next look from there.

    Args:
        sighter, image: as ``search_face``.
        box: a square near the head.
    """
    looks: list[Sighting] = []
    while len(looks) < _LOOKS:
        if not _is_usable(box, *image.shape[:2]):
            return None
        looks += sighter.look(image, [box], residual=len(looks) == _LOOKS - 1)
        box = looks[-1].head
    return looks[-1] if all(look.plausible for look in looks[-3:]) else None


def search_windows(height: int, width: int) -> list[Box]:
    """The windows of a picture, large ones first; they reach beyond its border by up to half.

    >>> len(search_windows(360, 640)) < 200
    True
    """
    windows: list[Box] = []
    side = LARGEST_WINDOW * min(height, width)
    while side >= SMALLEST_WINDOW * min(height, width):
        for top in _steps(height, side):
            windows += [(left, top, side, side) for left in _steps(width, side)]
        side *= SIZE_RATIO
    return windows


def _steps(length: int, side: float) -> list[float]:
    """Left edges of windows whose centres cover a length evenly."""
    reach = length - 0.5 * side  # from the first centre, a quarter of a side inside, to the last
    count = max(1, int(np.ceil(reach / (STEP * side))) + 1) if reach > 0 else 1
    if count == 1:
        return [(length - side) / 2]
    return [float(centre - side / 2) for centre in np.linspace(0.25 * side, length - 0.25 * side, count)]


def _is_usable(box: Box, height: int, width: int) -> bool:
    """Whether a box is finite, has its centre in the picture, and a size that a head can have there."""
    if not np.isfinite(box).all():
        return False
    x, y = box[0] + box[2] / 2, box[1] + box[3] / 2
    return 0 <= x < width and 0 <= y < height and 8 <= box[2] <= 6 * max(height, width)
