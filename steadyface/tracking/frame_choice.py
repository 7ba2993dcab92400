"""Which few frames of a clip an adaptation needs: those that cover its poses and expressions.

Neighbouring frames say the same twice. Windows of consecutive frames are chosen greedily, each as far as possible from
those chosen before (k-centre, Gonzalez 1985), in a space of head pose and expression under a frozen network's states.
Such a choice runs after whatever lies apart, and what lies apart is often a failure: frames without a head and blurred
ones are not chosen, doubtful ones only where they add much, and no number counts without limit.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from pytorch3d.transforms import so3_log_map
from torch import Tensor

from steadyface.capture.sharpness import blur_px
from steadyface.geometry.cameras import NEAREST_DEPTH_MM, project, transform
from steadyface.networks.encoder import Encoder, Prediction
from steadyface.networks.face_model import FaceModel
from steadyface.tracking.residual import texture_residuals
from steadyface.tracking.sighting import LARGEST_DOUBT_TIMES_MISFIT, LARGEST_RESIDUAL
from steadyface.types import ClipBatch, FaceState, SubjectStatistics

ROTATION_RAD, LATERAL, LOG_DEPTH, EXPRESSION = 0.12, 0.1, 0.1, 0.35
"""What counts as one step in the space: radians, x/z and y/z, log z, deviations of the lab."""

COMPONENTS = 6
"""Principal components of the clip's own latents that take part."""

MOST_DEVIATIONS, LEAST_LIMIT = 3.0, 4.0
"""A number is clipped at so many robust deviations from its median over the clip, but not within so many steps: a head
that is mostly still may turn for a moment."""

BLUR_PX = 1.0
"""Blur beyond the clip's usual one that halves what a frame adds; in pixels of a crop of 128."""

LEAST_QUALITY = 0.2
"""Windows with a worse frame are not chosen while there are others: twice `BLUR_PX` or more."""


class FrameLooks(NamedTuple):
    """What a frozen network says of T frames of a clip, in order.

    Shapes: state of T frames; implausibility (T,), 1 or more where it is no head, `Sighting.implausibility`; blur_px
    (T,), of the crop, in pixels of one of 128.
    """

    state: FaceState
    implausibility: Tensor
    blur_px: Tensor


class ChosenFrames(NamedTuple):
    """A choice: frames (K,) long, in order; distance, from a frame that could be learned from to the nearest chosen
    one: the largest of all; refused, how many frames were too blurred or doubtful to be chosen."""

    frames: Tensor
    distance: float
    refused: int


@torch.no_grad()
def look_at_frames(
    statistics: SubjectStatistics, face_model: FaceModel, encoder: Encoder, batches: Iterable[ClipBatch]
) -> FrameLooks:
    """Ask a network about every frame of a clip.

    Args:
        statistics, face_model, encoder: of the subject.
        batches: the frames of one clip in order.
    """
    states, implausible, blurs = [], [], []
    for batch in batches:
        images, intrinsics = batch.image.flatten(0, 1), batch.intrinsics.flatten(0, 1)
        found = encoder.predict(images, intrinsics)
        states.append(found.state)
        if found.points is None or encoder.landmark_vertices is None:
            residual = texture_residuals(face_model, statistics, images, intrinsics, found.state)
            implausible.append((residual / LARGEST_RESIDUAL).nan_to_num(torch.inf))
        else:
            implausible.append(_doubt_times_misfit(found, face_model, encoder.landmark_vertices, intrinsics, images))
        scale = 128 / images.shape[-1]
        crops = (images * 255).round().byte().permute(0, 2, 3, 1).numpy()
        blurs += [scale * blur_px(crop) for crop in crops]
    state = FaceState(*(torch.cat(parts) for parts in zip(*states, strict=True)))
    return FrameLooks(state, torch.cat(implausible), torch.tensor(blurs))


def _doubt_times_misfit(
    found: Prediction, face_model: FaceModel, vertices: Tensor, intrinsics: Tensor, images: Tensor
) -> Tensor:
    """(B,) of B frames, in the unit of `Sighting.implausibility`."""
    assert found.points is not None
    size, state = images.shape[-1], found.state
    placed = transform(face_model.decode_vertices(state.latent)[:, vertices], state.rotation, state.translation)
    misfit = (project(placed, intrinsics) - found.points.pixels).norm(dim=-1).median(dim=1).values / size
    return found.points.doubt_px.mean(1) / size * misfit / LARGEST_DOUBT_TIMES_MISFIT


def frame_places(state: FaceState, whitened: Tensor) -> Tensor:
    """Where frames lie in the space of pose and expression.

    Args:
        state: of T frames.
        whitened: (T, Z), their latents in deviations of the lab.

    Returns:
        (T, 6 + K), K = min(`COMPONENTS`, Z, T); a distance of 1 is a clear change.
    """
    mean = _mean_rotation(state.rotation)
    turn = so3_log_map(mean.transpose(0, 1) @ state.rotation) / ROTATION_RAD
    depth = state.translation[:, 2:].clamp(min=NEAREST_DEPTH_MM)
    lateral, log_depth = state.translation[:, :2] / depth / LATERAL, depth.log() / LOG_DEPTH
    centred = (whitened - whitened.median(0).values).clamp(-MOST_DEVIATIONS, MOST_DEVIATIONS)
    components = torch.linalg.svd(centred - centred.mean(0), full_matrices=False).Vh[:COMPONENTS]
    expression = centred @ components.t() / EXPRESSION
    return _clipped(torch.cat([turn, lateral, log_depth, expression], dim=1))


def _mean_rotation(rotation: Tensor) -> Tensor:
    """The rotation nearest to the mean of matrices (T, 3, 3): (3, 3)."""
    u, _, vh = torch.linalg.svd(rotation.mean(0))
    sign = torch.ones(3, dtype=rotation.dtype)
    sign[2] = torch.linalg.det(u @ vh)
    return u @ torch.diag(sign) @ vh


def _clipped(values: Tensor) -> Tensor:
    """(T, D), each column within its limits; a robust deviation is 1.48 times the median distance from the median."""
    middle = values.median(0).values
    limit = (MOST_DEVIATIONS * 1.4826 * (values - middle).abs().median(0).values).clamp(min=LEAST_LIMIT)
    return torch.minimum(torch.maximum(values, middle - limit), middle + limit)


def frame_quality(implausibility: Tensor, blur: Tensor) -> Tensor:
    """What a frame may add, 0 to 1: 0 where it shows no head; less the more it is blurred, or in doubt beside most
    frames of its clip. Shapes: (T,) twice -> (T,)."""
    is_head = implausibility < 1.0
    if not bool(is_head.any()):
        return torch.zeros_like(implausibility)
    blurred = (blur - blur[is_head].median()).clamp(min=0.0) / BLUR_PX
    doubtful = torch.log2(implausibility / implausibility[is_head].median().clamp(min=1e-9)).clamp(min=0.0) / 3
    return is_head / (1.0 + blurred.square() + doubtful.square())


def choose_frames(windows: Tensor, place: Tensor, quality: Tensor, budget: int) -> ChosenFrames:
    """Choose windows until their frames use up a budget.

    The first is the one nearest to the middle of the clip's poses and expressions; each later one is the farthest from
    those before, times its quality. A window lies at the mean of its frames and is as good as the worst of them.
    Windows that share a frame with a chosen one are taken only where no others fit. No draw: equals go to the earlier.

    Args:
        windows: (W, T) long, frames of one clip: what may be learned from.
        place: (F, D), of `frame_places`.
        quality: (F,), of `frame_quality`.
        budget: frames, each counted once.
    """
    middle, worth = place[windows].mean(1), quality[windows].amin(1)
    usable = worth >= LEAST_QUALITY
    if not bool(usable.any()):
        usable, worth = torch.ones_like(usable), torch.ones_like(worth)
    taken = torch.zeros(len(place), dtype=torch.bool)
    nearest = torch.full((len(windows),), torch.inf)
    target: Tensor | None = middle[usable].median(0).values if len(windows) else None
    while True:
        new = _new_frames(windows, taken)
        fits = usable & (new > 0) & (new <= budget - int(taken.sum()))
        if bool((fits & (new == windows.shape[1])).any()):
            fits = fits & (new == windows.shape[1])
        if not bool(fits.any()):
            break
        gain = -(middle - target).norm(dim=1) if target is not None else nearest * worth
        best = int(gain.masked_fill(~fits, -torch.inf).argmax())
        target, taken[windows[best]] = None, True
        nearest = nearest.minimum((middle - middle[best]).norm(dim=1))
    allowed = windows[usable].flatten().unique()
    frames = torch.nonzero(taken)[:, 0]
    return ChosenFrames(frames, largest_distance(place, allowed, frames), len(windows.unique()) - len(allowed))


def largest_distance(place: Tensor, allowed: Tensor, frames: Tensor) -> float:
    """From a frame that may be learned from, (A,) long, to the nearest chosen one, (K,): the largest of all."""
    apart = torch.cdist(place[allowed], place[frames], compute_mode="donot_use_mm_for_euclid_dist")
    return float(apart.amin(1).max()) if apart.numel() else torch.nan


def _new_frames(windows: Tensor, taken: Tensor) -> Tensor:
    """(W,) how many different frames of each window are not taken yet."""
    ordered = windows.sort(1).values
    again = torch.zeros_like(ordered, dtype=torch.bool)
    again[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    return (~taken[ordered] & ~again).sum(1)


def first_frames(windows: Tensor, budget: int) -> Tensor:
    """The rival: the first frames that fill windows, (K,) long."""
    taken: list[int] = []
    for window in windows.tolist():
        more = sorted({*taken, *window})
        if len(more) <= budget:
            taken = more
    return torch.tensor(taken, dtype=torch.long)
