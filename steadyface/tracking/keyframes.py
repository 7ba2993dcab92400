"""An artist's keyframes spread over the take around them: a correction field over time and state.

What a tracker does wrong in one frame it does wrong, in part, in the frames beside it, and in frames in
which the head is turned alike. The correction is a Gaussian process over both, through the keyframes; its
scales were measured on synthetic clips (docs/keyframes.md). It meets every keyframe, fades to nothing,
and never leaves the keyframe's shot.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from pytorch3d.transforms import so3_exp_map, so3_log_map
from torch import Tensor

from steadyface.errors import InputError
from steadyface.geometry.alignment import canonicalise
from steadyface.networks.face_model import FaceModel
from steadyface.tracking.keyframe_file import Keyframe
from steadyface.tracking.keyframe_state import solve_keyframe
from steadyface.tracking.track import Track
from steadyface.types import FaceState, SubjectStatistics

REACH_S = 10.0
"""Frames further than this from every keyframe stay as they are."""

_DECODED_AT_ONCE = 64


class Spread(NamedTuple):
    """How far a correction carries: a share over near frames in time, the rest over alike ones.

    near_s: of Matern's kernel of order 3/2; alike: share of the second part; alike_s: its reach in time;
    alike_unit: what counts as alike: radians of head turn, or shares of the clip's own spread of latents.
    """

    near_s: float
    alike: float
    alike_s: float
    alike_unit: float


LATENT_SPREAD = Spread(near_s=0.09, alike=0.4, alike_s=0.5, alike_unit=0.6)
POSE_SPREAD = Spread(near_s=0.25, alike=0.3, alike_s=5.0, alike_unit=0.2)


class Frames(NamedTuple):
    """What the correction of T frames needs of a track, without its meshes."""

    time_s: Tensor
    latent: Tensor
    rotation: Tensor
    translation: Tensor
    intrinsics: Tensor
    found: Tensor
    shot: Tensor


class Correction(NamedTuple):
    """The corrected states of some frames: their numbers (C,) long, the states, and a line about each keyframe."""

    frames: Tensor
    state: FaceState
    told: list[str]


def apply_keyframes(
    track: Track, keyframes: Sequence[Keyframe], statistics: SubjectStatistics, face_model: FaceModel
) -> Track:
    """The track with its keyframes met and the take around them corrected; frames out of reach are the same bits.

    Where a state changed, texture residual and confidence are nan: they were of the state before.

    Raises:
        InputError or ExceptionGroup: a keyframe outside the track, or on a frame without a face.
    """
    small = Frames(*(getattr(track, name) for name in Frames._fields))
    return corrected(track, correct(small, keyframes, statistics, face_model), 0, statistics, face_model)


def correct(
    frames: Frames, keyframes: Sequence[Keyframe], statistics: SubjectStatistics, face_model: FaceModel
) -> Correction:
    """The states that the keyframes ask for, of every frame that they reach."""
    numbers = find_frames(frames, keyframes)
    told, targets = [], []
    for number, keyframe in zip(numbers, keyframes, strict=True):
        state, line = _target(frames, number, keyframe, statistics, face_model)
        targets.append(state)
        told.append(line)
    keys = torch.tensor(numbers)
    target = FaceState(*(torch.cat(parts) for parts in zip(*targets, strict=True)))
    reached, states = [], []
    for shot in frames.shot[keys].unique():
        of_shot = frames.shot[keys] == shot
        near = (frames.time_s[:, None] - frames.time_s[keys[of_shot]]).abs().amin(1) < REACH_S
        chosen = (near & frames.found & (frames.shot == shot)).nonzero().flatten()
        reached.append(chosen)
        wanted = FaceState(*(part[of_shot] for part in target))
        states.append(_spread(frames, chosen, keys[of_shot], wanted, face_model))
    joined = FaceState(*(torch.cat(parts) for parts in zip(*states, strict=True)))
    return Correction(torch.cat(reached), joined, told)


@torch.no_grad()
def corrected(
    part: Track, correction: Correction, first: int, statistics: SubjectStatistics, face_model: FaceModel
) -> Track:
    """Consecutive frames of a track, from number ``first`` on, with what a correction says of them."""
    inside = (correction.frames >= first) & (correction.frames < first + len(part))
    if not inside.any():
        return part
    place = correction.frames[inside] - first
    state = FaceState(*(values[inside] for values in correction.state))
    meshes = []
    for at in range(0, len(place), _DECODED_AT_ONCE):
        some = slice(at, at + _DECODED_AT_ONCE)
        decoded = face_model.decode_vertices(state.latent[some])
        # the states are in the track's gauge already: only the mesh goes there
        meshes.append(canonicalise(
            decoded, state.rotation[some], state.translation[some], statistics.vertex_mean, statistics.rigid_vertices
        )[0])  # fmt: skip
    values = {"vertices": torch.cat(meshes), **state._asdict()}
    changed = {name: getattr(part, name).clone() for name in values}
    for name, value in values.items():
        changed[name][place] = value.to(changed[name].dtype)
    unknown = {}
    for name in ("texture_residual", "confidence", "region_confidence"):
        unknown[name] = getattr(part, name).clone()
        unknown[name][place] = torch.nan
    return replace(part, **changed, **unknown)


def find_frames(frames: Frames, keyframes: Sequence[Keyframe]) -> list[int]:
    """The frame of each keyframe. Raises an ExceptionGroup of an InputError for each that has none."""
    times, numbers = frames.time_s.double(), []
    faults = list[InputError]()
    interval = float((times[1:] - times[:-1]).median()) if len(times) > 1 else math.inf
    for keyframe in keyframes:
        if keyframe.frame is not None:
            number, inside = keyframe.frame, keyframe.frame < len(times)
        else:
            apart = (times - float(keyframe.time_s or 0.0)).abs()
            number, inside = int(apart.argmin()), float(apart.min()) <= interval
        if not inside:
            expected = f"one of {len(times)} frames, {float(times[0]):g} to {float(times[-1]):g} s"
            faults.append(InputError("keyframes", expected, keyframe.name, "correct its number or time"))
        elif not frames.found[number]:
            remedy = "choose a frame with a face: where none was found there is nothing to correct"
            faults.append(InputError("keyframes", "frames in which the face was found", keyframe.name, remedy))
        elif number in numbers:
            faults.append(InputError("keyframes", "each frame once", f"{keyframe.name} twice", "leave one out"))
        numbers.append(number)
    if faults:
        raise ExceptionGroup("faults in the keyframes", faults)
    return numbers


def _target(
    frames: Frames, number: int, keyframe: Keyframe, statistics: SubjectStatistics, face_model: FaceModel
) -> tuple[FaceState, str]:
    """The state that a keyframe asks for, (1, ...), and what to say of it."""
    one = slice(number, number + 1)
    tracked = FaceState(frames.latent[one], frames.rotation[one], frames.translation[one])
    if len(keyframe.vertices):
        solved = solve_keyframe(keyframe, tracked, frames.intrinsics[number], statistics, face_model)
        return solved.state, f"frame {number}: {len(keyframe.vertices)} points met within {solved.residual_px:.2f} px"
    given = [getattr(keyframe, name) for name in FaceState._fields]
    state = FaceState(*(old if new is None else new[None] for old, new in zip(tracked, given, strict=True)))
    return state, f"frame {number}: its state is met"


def _spread(frames: Frames, chosen: Tensor, keys: Tensor, target: FaceState, face_model: FaceModel) -> FaceState:
    """States of the chosen frames of one shot (C,), whose keyframes (k,) have the target states."""
    place = torch.searchsorted(chosen, keys)
    time_s, latent, rotation = frames.time_s[chosen].double(), frames.latent[chosen], frames.rotation[chosen]
    translation = frames.translation[chosen]
    whitened = face_model.whiten(latent).double()
    typical = float(torch.cdist(whitened, whitened[place]).median()) or 1.0
    wanted_latent = (target.latent - latent[place]).double()
    turn = so3_log_map((rotation[place].transpose(-1, -2) @ target.rotation).double())
    shift = _ray_and_depth(target.translation) - _ray_and_depth(translation[place])
    fade = _fade((time_s[:, None] - time_s[place]).abs().amin(1))[:, None]
    latent_change = fade * _interpolate(time_s, whitened / typical, place, wanted_latent, LATENT_SPREAD)
    # Frobenius' distance of near rotations is the angle between them times the root of 2
    turned = rotation.flatten(1).double() / math.sqrt(2)
    pose_change = fade * _interpolate(time_s, turned, place, torch.cat([turn, shift], dim=-1), POSE_SPREAD)
    moved = _ray_and_depth(translation) + pose_change[:, 3:]
    depth = moved[:, 2:].exp()
    state = FaceState(
        latent + latent_change.float(),
        (rotation.double() @ so3_exp_map(pose_change[:, :3])).float(),
        torch.cat([moved[:, :2] * depth, depth], dim=-1).float(),
    )
    for values, exact in zip(state, target, strict=True):
        values[place] = exact
    return state


def _ray_and_depth(translation: Tensor) -> Tensor:
    """(B, 3) mm -> (B, 3): x / z, y / z, log z: what a wrong track is wrong in, without units."""
    x, y, z = translation.double().clamp(min=-1e9).unbind(-1)
    depth = z.clamp(min=1.0)
    return torch.stack([x / depth, y / depth, depth.log()], dim=-1)


def _interpolate(time_s: Tensor, appearance: Tensor, keys: Tensor, values: Tensor, spread: Spread) -> Tensor:
    """The Gaussian process through ``values`` (k, D) at ``keys`` (k,), of mean 0, at all frames: (C, D)."""
    to_keys = spread_kernel(time_s, appearance, keys, spread)
    between = to_keys[keys] + 1e-6 * torch.eye(len(keys), dtype=torch.float64)
    return to_keys @ torch.linalg.solve(between, values)


def spread_kernel(time_s: Tensor, appearance: Tensor, keys: Tensor, spread: Spread) -> Tensor:
    """How alike the corrections of every frame and of each keyframe are, (C, k), 1 at the keyframe itself.

    Args:
        time_s: (C,) float64.
        appearance: (C, A) float64, in which frames are near that are wrong alike.
        keys: (k,) long.
    """
    apart = (time_s[:, None] - time_s[keys]).abs()
    near = math.sqrt(3) * apart / spread.near_s
    exact = "donot_use_mm_for_euclid_dist"  # a keyframe is 0 from itself, not the root of a rounding error
    alike = torch.cdist(appearance, appearance[keys], compute_mode=exact) / spread.alike_unit
    far = torch.exp(-0.5 * (apart / spread.alike_s).square() - 0.5 * alike.square())
    return (1 - spread.alike) * (1 + near) * torch.exp(-near) + spread.alike * far


def _fade(apart_s: Tensor) -> Tensor:
    """1 at a keyframe, 0 from ``REACH_S`` on, without a corner at either end."""
    return 0.5 + 0.5 * torch.cos(math.pi * (apart_s / REACH_S).clamp(max=1.0))
