"""Which frames of a track are wrong, against the truth: what a confidence is a probability of."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from steadyface.metrics.evaluate_track import judged_face
from steadyface.metrics.geometry_errors import distances

if TYPE_CHECKING:
    from steadyface.capture.clip_truth import ClipTruth
    from steadyface.tracking.track import Track

OVER_MEDIAN = 2.0
"""A vertex error above this many times the clip's median is wrong."""

SHARE_OF_FACE = 0.05
"""A reprojection error above this share of the face's size in the picture is wrong."""


class FrameErrors(NamedTuple):
    """Errors of T frames: column 0 of the whole head, the others of each region; (T, 1 + R) float64.

    vertex_mm: mean distance in the head frame; reprojection: mean distance in the picture over the larger side
    of the box around the face's regions there.
    """

    vertex_mm: Tensor
    reprojection: Tensor


def frame_errors(track: Track, truth: ClipTruth, regions: dict[str, Tensor], rigid: Tensor) -> FrameErrors:
    """Errors of each frame and region.

    Args:
        track: T frames.
        truth: the same frames.
        regions: name -> (n,) long, not empty; together they are the face.
        rigid: (K,) long, vertices that no expression moves; both are canonicalised on them.
    """
    reference = truth.vertices.double().mean(0)
    predicted, true = (judged_face(clip, rigid, reference) for clip in (track, truth))
    in_head = distances(predicted.head.vertices, true.head.vertices)
    in_picture = distances(predicted.picture, true.picture)
    face = true.picture[:, torch.cat(list(regions.values())).unique()]
    size = (face.amax(1) - face.amin(1)).amax(1, keepdim=True)
    vertex, picture = (
        torch.stack([values.mean(1), *(values[:, index].mean(1) for index in regions.values())], dim=1)
        for values in (in_head, in_picture)
    )
    return FrameErrors(vertex, picture / size)


def wrong_frames(errors: FrameErrors, present: Tensor) -> Tensor:
    """Whether each frame and region is wrong: (T, 1 + R) bool.

    Wrong is a vertex error above ``OVER_MEDIAN`` times the clip's median of it (over the frames with a face), a
    reprojection error above ``SHARE_OF_FACE``, and any face where there is none.

    Args:
        errors: of T frames.
        present: (T,) bool, whether a face is there.
    """
    if not bool(present.any()):
        return torch.ones_like(errors.vertex_mm, dtype=torch.bool)
    median = errors.vertex_mm[present].median(0).values
    wrong = (errors.vertex_mm > OVER_MEDIAN * median) | (errors.reprojection > SHARE_OF_FACE)
    return wrong | ~torch.isfinite(errors.vertex_mm) | ~present[:, None]
