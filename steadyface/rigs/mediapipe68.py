"""The 68 points of `landmarks` among MediaPipe FaceMesh's 468, so that MediaPipe's can drive a rig.

Read off the picture of the canonical face model and the contours that MediaPipe itself names
(``mediapipe.python.solutions.face_mesh_connections``: face oval, eyes, lips; a test holds them against it). FaceMesh's
points are not iBUG's: brows and lids are a fraction of a millimetre to some millimetres apart from what annotators of
the 68 clicked, and the jaw's run along the edge of the mesh, which in a turned head is not the outline.
"""

from __future__ import annotations

import torch
from torch import Tensor

_JAW = (127, 234, 93, 132, 58, 172, 150, 176, 152, 400, 379, 397, 288, 361, 323, 454, 356)
_BROWS = (70, 63, 105, 66, 107, 336, 296, 334, 293, 300)
_NOSE = (168, 197, 5, 4, 98, 97, 2, 326, 327)
_RIGHT_EYE = (33, 160, 158, 133, 153, 144)
_LEFT_EYE = (362, 385, 387, 263, 373, 380)
_OUTER_LIPS = (61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181)
_INNER_LIPS = (78, 82, 13, 312, 308, 317, 14, 87)

MEDIAPIPE_68: tuple[int, ...] = (*_JAW, *_BROWS, *_NOSE, *_RIGHT_EYE, *_LEFT_EYE, *_OUTER_LIPS, *_INNER_LIPS)
"""The FaceMesh point of each of the 68; the points 468 to 477 of the irises are none of them."""


def mediapipe_to_68(points: Tensor) -> Tensor:
    """FaceMesh's points (..., 468 or more, D) -> the 68 (..., 68, D)."""
    return points[..., torch.tensor(MEDIAPIPE_68, device=points.device), :]
