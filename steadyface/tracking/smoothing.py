"""The rival of every adaptation: a zero-lag smoother over the finished track.

A Savitzky-Golay filter: through each frame and its neighbours goes a least-squares parabola in
time, and the frame takes the parabola's value (Savitzky and Golay 1964). Centred windows delay
nothing; it needs the future, so no live tracker can have it.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from steadyface.errors import InputError
from steadyface.tracking.track import STATE_FIELDS, Track

WINDOW_FRAMES = 7
DEGREE = 2


def savitzky_golay_weights(time_s: Tensor, window: int = WINDOW_FRAMES, degree: int = DEGREE) -> Tensor:
    """The filter as a matrix, (T, T) float64: smoothed = weights @ values; every row adds up to 1.

    Fitted over the true time stamps, so a clip of uneven frame rate is filtered as well. The first
    and the last frames take their values from the parabola of the outermost whole window.

    Args:
        time_s: (T,) seconds, increasing.
        window: frames in a window, odd; a shorter clip is one window.
        degree: of the polynomial, less than ``window``; a clip of fewer frames lowers it.

    Raises:
        InputError: the window is even, or not longer than the degree.
    """
    if window % 2 == 0 or window <= degree:
        raise InputError("smoothing window", f"an odd number above {degree}", str(window), "use 7")
    frames = len(time_s)
    window, degree = min(window, frames), min(degree, frames - 1)
    time_s = time_s.double().cpu()
    weights = torch.zeros(frames, frames, dtype=torch.float64)
    for frame in range(frames):
        first = min(max(frame - window // 2, 0), frames - window)
        around = time_s[first : first + window] - time_s[frame]
        # seconds to about 1: the powers of a Vandermonde matrix must not differ by magnitudes
        scaled = around / around.abs().max().clamp_min(1e-12)
        design = torch.stack([scaled**power for power in range(degree + 1)], dim=1)
        weights[frame, first : first + window] = torch.linalg.pinv(design)[0]
    return weights


def smooth_linear(values: Tensor, weights: Tensor) -> Tensor:
    """Smooth (T, ...) values that add: translations, latents, vertices; same shape and dtype."""
    flat = values.double().cpu().flatten(1)
    return (weights @ flat).view(values.shape).to(values)


def rotation_logarithm(rotation: Tensor) -> Tensor:
    """Rotation vectors (..., 3), radians, of rotations (..., 3, 3) less than pi apart from identity."""
    skew = 0.5 * (rotation - rotation.transpose(-1, -2))
    axis_sine = torch.stack((skew[..., 2, 1], skew[..., 0, 2], skew[..., 1, 0]), dim=-1)
    sine = axis_sine.norm(dim=-1)
    cosine = 0.5 * (rotation.diagonal(dim1=-2, dim2=-1).sum(dim=-1) - 1.0)
    angle = torch.atan2(sine, cosine)
    # angle / sine tends to 1 at the identity, where both vanish
    factor = torch.where(sine > 1e-9, angle / sine.clamp_min(1e-9), torch.ones_like(sine))
    return axis_sine * factor[..., None]


def smooth_rotations(rotation: Tensor, weights: Tensor) -> Tensor:
    """Smooth rotations on the manifold, (T, 3, 3) -> (T, 3, 3), same dtype.

    Each frame's neighbours are written as rotation vectors relative to it, where a window of a head
    that turns is nearly a straight line, filtered there, and carried back.
    """
    turns = rotation.double().cpu()
    smoothed = torch.empty_like(turns)
    for frame, row in enumerate(weights):
        near = torch.nonzero(row)[:, 0]
        relative = turns[frame].t() @ turns[near]
        vector = (row[near, None] * rotation_logarithm(relative)).sum(dim=0)
        x, y, z = vector.tolist()
        generator = torch.tensor([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]], dtype=torch.float64)
        smoothed[frame] = turns[frame] @ torch.linalg.matrix_exp(generator)
    return smoothed.to(rotation)


def smooth_track(track: Track, window: int = WINDOW_FRAMES, degree: int = DEGREE) -> Track:
    """Smooth poses, latents and vertices of a track; the input stays as it is.

    Each run (neighbouring frames of one shot with a face in each) is smoothed by itself; frames without
    a face stay as they are. The texture residual of the smoothed track was never measured: it is nan.

    Args:
        track: T frames in order.
        window: frames in a window, odd.
        degree: of the polynomial.
    """
    smoothed = replace(
        track,
        **{name: getattr(track, name).clone() for name in STATE_FIELDS},
        texture_residual=torch.full_like(track.texture_residual, torch.nan),
    )
    for run in track.runs():
        weights = savitzky_golay_weights(track.time_s[run], window, degree)
        smoothed.rotation[run] = smooth_rotations(track.rotation[run], weights)
        for name in ("latent", "translation", "vertices"):
            getattr(smoothed, name)[run] = smooth_linear(getattr(track, name)[run], weights)
    return smoothed
