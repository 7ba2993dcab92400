"""Every geometric metric of one track against its truth, under the names of the tables."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from steadyface.errors import InputError
from steadyface.geometry.cameras import project
from steadyface.metrics import geometry_errors as errors
from steadyface.metrics import stability
from steadyface.metrics.head_frame import HeadFrameFace, canonicalise
from steadyface.metrics.lag import MAX_SHIFT, lag_ms

if TYPE_CHECKING:
    from steadyface.capture.clip_truth import ClipTruth
    from steadyface.tracking.track import Track

_TIME_TOLERANCE_S = 1e-3
_SHORTEST_RUN = 3  # frames that an acceleration needs


class JudgedFace(NamedTuple):
    """One clip's geometry in the three frames of reference that the metrics look at.

    Shapes: head as `HeadFrameFace` with B = T; camera (T, N, 3) mm; picture (T, N, 2) px.
    """

    head: HeadFrameFace
    camera: Tensor
    picture: Tensor


def judged_face(clip: Track | ClipTruth, rigid: Tensor, reference: Tensor) -> JudgedFace:
    """Canonicalise a track or a truth, and bring it into camera and picture, in float64; nan in a track's lost frames.

    Args:
        clip: anything with vertices (T, N, 3), rotation, translation and intrinsics (T, 3, 3).
        rigid: (K,) long, rigid vertices.
        reference: (N, 3) mm, the mesh whose rigid vertices define the head frame.
    """
    found = getattr(clip, "found", torch.ones(len(clip.time_s), dtype=torch.bool))
    head = canonicalise(clip.vertices[found], clip.rotation[found], clip.translation[found], rigid, reference)
    camera = head.in_camera()
    picture = project(camera, clip.intrinsics[found].double())
    if bool(found.all()):
        return JudgedFace(head, camera, picture)
    return JudgedFace(HeadFrameFace(*(_spread(part, found) for part in head)), _spread(camera, found),
                      _spread(picture, found))  # fmt: skip


def _spread(values: Tensor, found: Tensor) -> Tensor:
    """Values of the found frames in their places among all T, nan between: (F, ...), (T,) bool -> (T, ...)."""
    spread = values.new_full((len(found), *values.shape[1:]), torch.nan)
    spread[found] = values
    return spread


def evaluate_track(
    track: Track,
    truth: ClipTruth,
    regions: dict[str, Tensor],
    rigid: Tensor,
    reference: Tensor | None = None,
    judged_truth: JudgedFace | None = None,
) -> dict[str, float]:
    """Judge a track against the truth of its clip.

    Both are canonicalised on the rigid vertices first, so what a decoder hides of head motion in
    its mesh counts as head pose and not as expression. Frames where the track has no face are left
    out, and no difference over time reaches over them or over a cut.

    Args:
        track: T frames, as tracked.
        truth: the same T frames.
        regions: name -> (n,) long vertex indices, scored apart.
        rigid: (K,) long, vertices that no expression moves.
        reference: (N, 3) mm, defines the head frame; the truth's mean mesh when None.
        judged_truth: `judged_face` of the truth under this reference, where many tracks meet one truth.

    Returns:
        Metric name -> value: vertex_error_mm and vertex_error_REGION_mm, vertex_error_camera_mm
        (and its _lateral_mm and _log_depth), reprojection_error_px, head_rotation_error_deg,
        head_translation_error_mm, acceleration(_error)_mm_s2 and _px_s2, stability_ratio and
        lag_ms in the head frame (``_picture`` in the picture), motion_gain and motion_gain_REGION.

    Raises:
        InputError: track and truth differ in frames, vertices or time stamps.
    """
    _check_match(track, truth)
    reference = truth.vertices.double().mean(dim=0) if reference is None else reference
    predicted = judged_face(track, rigid, reference)
    true = judged_truth or judged_face(truth, rigid, reference)
    if bool(track.found.all()) and not bool(track.shot.any()):
        motion = floats(_motion_errors(predicted, true, regions, truth.time_s))
        return floats(_position_errors(predicted, true, regions)) | motion
    found = track.found
    positions = _position_errors(at(predicted, found), at(true, found), regions)
    motion = mean_over_runs(
        track, lambda run: floats(_motion_errors(at(predicted, run), at(true, run), regions, truth.time_s[run]))
    )
    return floats(positions) | motion


def mean_over_runs(track: Track, measure: Callable[[slice], dict[str, float]]) -> dict[str, float]:
    """Figures of motion, which exists only where the face is in neighbouring frames of one shot.

    Args:
        track: with lost frames or cuts.
        measure: of one run of at least three frames.

    Returns:
        metric -> mean over the runs where it is known, weighted by their frames; nan where it is in none.
    """
    runs = [(run.stop - run.start, measure(run)) for run in track.runs(_SHORTEST_RUN)]
    names = list(dict.fromkeys(name for _, values in runs for name in values))
    means = {}
    for name in names:
        known = [(weight, values[name]) for weight, values in runs if math.isfinite(values[name])]
        total = sum(weight for weight, _ in known)
        means[name] = sum(weight * value for weight, value in known) / total if known else math.nan
    return means


def at(face: JudgedFace, frames: slice | Tensor) -> JudgedFace:
    """Some frames of a clip."""
    head = HeadFrameFace(*(part[frames] for part in face.head))
    return JudgedFace(head, face.camera[frames], face.picture[frames])


def floats(values: dict[str, Tensor]) -> dict[str, float]:
    """Scalars as plain numbers."""
    return {name: float(value) for name, value in values.items()}


def _check_match(track: Track, truth: ClipTruth) -> None:
    subject, remedy = "a track and its truth", "evaluate a track against the truth of its own clip"
    if track.vertices.shape != truth.vertices.shape:
        expected = f"vertices of shape {tuple(truth.vertices.shape)}"
        raise InputError(subject, expected, str(tuple(track.vertices.shape)), remedy)
    apart = float((track.time_s.double() - truth.time_s.double()).abs().max())
    if not apart <= _TIME_TOLERANCE_S:
        raise InputError(subject, "equal time stamps", f"up to {1000 * apart:.1f} ms apart", remedy)


def _position_errors(
    predicted: JudgedFace, true: JudgedFace, regions: dict[str, Tensor]
) -> dict[str, Tensor]:
    head, true_head = predicted.head, true.head
    values = {
        f"vertex_error_{name}_mm": errors.vertex_error_mm(head.vertices, true_head.vertices, index)
        for name, index in regions.items()
    }
    return {
        "vertex_error_mm": errors.vertex_error_mm(head.vertices, true_head.vertices),
        **values,
        "vertex_error_camera_mm": errors.vertex_error_camera_mm(predicted.camera, true.camera),
        "vertex_error_camera_lateral_mm": errors.vertex_error_camera_lateral_mm(
            predicted.camera, true.camera
        ),
        "vertex_error_camera_log_depth": errors.vertex_error_camera_log_depth(predicted.camera, true.camera),
        "reprojection_error_px": errors.reprojection_error_px(predicted.picture, true.picture),
        "head_rotation_error_deg": errors.head_rotation_error_deg(head.rotation, true_head.rotation),
        "head_translation_error_mm": errors.head_translation_error_mm(
            head.translation, true_head.translation
        ),
    }


def _motion_errors(
    predicted: JudgedFace, true: JudgedFace, regions: dict[str, Tensor], time_s: Tensor
) -> dict[str, Tensor]:
    face, true_face = predicted.head.vertices, true.head.vertices
    picture, true_picture = predicted.picture, true.picture
    gains = {
        f"motion_gain_{name}": stability.motion_gain(face, true_face, index)
        for name, index in regions.items()
    }
    # a short clip is tried at fewer shifts; under 4 frames there is no lag to speak of
    shifts = min(MAX_SHIFT, (len(time_s) - 4) // 2)
    unknown = torch.tensor(torch.nan)
    return {
        "acceleration_error_mm_s2": stability.acceleration_error_mm_s2(face, true_face, time_s),
        "acceleration_error_px_s2": stability.acceleration_error_px_s2(picture, true_picture, time_s),
        "acceleration_mm_s2": stability.acceleration_mm_s2(face, time_s),
        "acceleration_px_s2": stability.acceleration_px_s2(picture, time_s),
        "stability_ratio": stability.stability_ratio(face),
        "stability_ratio_picture": stability.stability_ratio(picture),
        "lag_ms": lag_ms(face, true_face, time_s, shifts) if shifts > 0 else unknown,
        "lag_ms_picture": lag_ms(picture, true_picture, time_s, shifts) if shifts > 0 else unknown,
        "motion_gain": stability.motion_gain(face, true_face),
        **gains,
    }
