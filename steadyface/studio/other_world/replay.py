"""Motion replayed from landmarks that were tracked on a clip of a real person: a small file without any picture.

The file (npz) holds ``time_s`` (T,); ``turn`` (T, 3), the head's rotation vector from its middle pose, radians;
``shift`` (T, 3), its way from its middle place over the distance of the eyes' outer corners; ``names`` (K,) and
``values`` (T, K), the controls of ``deformation.NAMES`` that the landmarks tell.
Landmarks are numbered as MediaPipe's face mesh does; x right, y down, z forwards, in one unit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from scipy.spatial.transform import Rotation

from steadyface.errors import InputError
from steadyface.studio.other_world.deformation import CONTROLS, NAMES
from steadyface.studio.other_world.dynamics import RATE_HZ, Motion, stand_in
from steadyface.studio.other_world.mesh_fields import Floats
from steadyface.studio.other_world.settings import OtherWorldSettings

EYE_CORNERS_MM = 88.0
"""Distance of the outer corners of the studio's eyes: what a shift of 1 comes to."""
LANDMARKS = 478
_STILL = (10, 151, 9, 8, 168, 6, 33, 263, 133, 362)  # forehead, bridge of the nose, corners of the eyes
_OUTER = (33, 263)


@dataclass(frozen=True)
class Replay:
    """What the file holds; see the module."""

    time_s: Floats
    turn: Floats
    shift: Floats
    names: tuple[str, ...]
    values: Floats

    def save(self, path: Path) -> None:
        """Writes the file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {**vars(self), "names": np.array(self.names)}
        np.savez_compressed(path, **content)

    @classmethod
    def load(cls, path: Path) -> Replay:
        """Reads the file.

        Raises:
            InputError: it is missing or damaged, or names a control that there is not.
        """
        remedy = "make it with python -m launcher.other_world_motion CLIP --out FILE"
        try:
            with np.load(path, allow_pickle=False) as content:
                parts = {name: content[name] for name in cls.__dataclass_fields__}
        except (OSError, ValueError, KeyError, BadZipFile, EOFError) as error:
            got = "no such file" if not path.exists() else f"unusable content ({error})"
            raise InputError(path, "motion of tracked landmarks", got, remedy) from None
        names = tuple(str(name) for name in parts.pop("names"))
        unknown = [name for name in names if name not in CONTROLS]
        frames = {len(values) for values in parts.values()}
        if unknown or len(frames) != 1 or min(frames) < 2 or parts["values"].shape[1] != len(names):
            got = f"unknown controls {unknown}" if unknown else f"arrays of {sorted(frames)} frames"
            raise InputError(path, "two frames or more of known controls", got, remedy)
        return cls(names=names, **parts)


def replayed(replay: Replay, rng: np.random.Generator, seconds: float, settings: OtherWorldSettings) -> Motion:
    """The tracked motion as a performance; what it does not tell comes from the stand-in.

    A clip that is too short is played back and forth; each performance begins at a random place of it.
    """
    base = stand_in(rng, seconds, settings)
    length = replay.time_s[-1] - replay.time_s[0]
    at = (base.time_s - base.time_s[0] + rng.uniform(0.0, length)) % (2.0 * length)
    at = replay.time_s[0] + np.where(at > length, 2.0 * length - at, at)

    def at_times(values: Floats) -> Floats:
        return smoothed(np.stack([np.interp(at, replay.time_s, column) for column in values.T], axis=1))

    controls = base.controls.copy()
    found = [NAMES.index(name) for name in replay.names]
    low, high = np.array(list(CONTROLS.values()))[found].T
    controls[:, found] = np.clip(settings.expression * at_times(replay.values), low, high)
    head = settings.head_motion * np.concatenate(
        [at_times(replay.turn), EYE_CORNERS_MM * at_times(replay.shift)], axis=1
    )
    return replace(base, controls=controls, head=head)


def smoothed(values: Floats, over_s: float = 0.02) -> Floats:
    """(S, C) without the corners that interpolated frames leave: a mean over a time shorter than a frame."""
    reach = max(int(over_s * RATE_HZ), 1)
    kernel = np.hanning(2 * reach + 3)[1:-1]
    padded = np.pad(values, ((reach, reach), (0, 0)), mode="edge")
    return np.stack([np.convolve(column, kernel / kernel.sum(), mode="valid") for column in padded.T], axis=1)


def replay_from_landmarks(time_s: Floats, landmarks: Floats) -> Replay:
    """Head pose and controls of tracked landmarks.

    Args:
        time_s: (T,) s; landmarks: (T, 478, 3), nan in frames without a face.

    Raises:
        InputError: fewer than ten frames with a face.
    """
    known = np.isfinite(landmarks).all((1, 2))
    if known.sum() < 10:
        raise InputError("landmarks", "ten frames with a face", f"{int(known.sum())}", "give another clip")
    time_s, landmarks = time_s[known], landmarks[known]
    eyes = np.linalg.norm(landmarks[:, _OUTER[0]] - landmarks[:, _OUTER[1]], axis=1)
    unit = np.median(eyes)
    middle = landmarks[:, _STILL].mean(1)
    shape = landmarks[np.argmin(np.abs(eyes - unit))][list(_STILL)]
    turns = np.stack([_turn_between(shape, frame[list(_STILL)]) for frame in landmarks])
    mean = Rotation.from_matrix(turns).mean()
    turn = (Rotation.from_matrix(turns) * mean.inv()).as_rotvec()
    upright = np.einsum("tji,tnj->tni", turns, landmarks - middle[:, None]) / unit
    shift = (middle - np.median(middle, axis=0)) / unit
    controls = controls_of(upright)
    return Replay(time_s, turn, shift, tuple(controls), np.stack(list(controls.values()), axis=1))


def _turn_between(shape: Floats, seen: Floats) -> Floats:
    """The rotation that takes a shape (n, 3) nearest to what is seen of it, (3, 3)."""
    u, _, vt = np.linalg.svd((seen - seen.mean(0)).T @ (shape - shape.mean(0)))
    u[:, -1] *= np.sign(np.linalg.det(u @ vt))
    turn: Floats = u @ vt
    return turn


def controls_of(face: Floats) -> dict[str, Floats]:
    """Controls from upright landmarks (T, 478, 3), in distances of the eyes' outer corners: (T,) each.

    Openings are absolute; widths and heights are told from the clip's median face, which passes for the one at rest.
    """

    def apart(one: int, other: int) -> Floats:
        distance: Floats = np.linalg.norm(face[:, one] - face[:, other], axis=1)
        return distance

    def risen(one: int, other: int) -> Floats:
        height = face[:, other, 1] - face[:, one, 1]
        rise: Floats = height - np.median(height)
        return rise

    width = apart(61, 291)
    controls = {"jaw_drop": apart(13, 14) / 0.34, "lips_round": (np.median(width) - width) / 0.14}
    # the subject's left is to the right of the picture
    for side, lid, corner, brow, outer in (
        ("left", (386, 374, 362, 263), 291, 334, 263), ("right", (159, 145, 133, 33), 61, 105, 33)
    ):  # fmt: skip
        opening = apart(lid[0], lid[1]) / apart(lid[2], lid[3]).clip(1e-6)
        controls[f"lids_{side}"] = 1.0 - opening / np.quantile(opening, 0.8)
        lifted = risen(corner, 1)
        controls[f"smile_{side}"] = np.clip(lifted / 0.09, 0.0, 1.0)
        controls[f"corner_down_{side}"] = np.clip(-lifted / 0.08, 0.0, 1.0)
        controls[f"brow_{side}"] = risen(brow, outer) / 0.08
    iris = [(face[:, eye] - 0.5 * (face[:, a] + face[:, b])) / apart(a, b)[:, None]
            for eye, a, b in ((473, 362, 263), (468, 133, 33))]  # fmt: skip
    look = np.mean(iris, axis=0)
    look = look - np.median(look, axis=0)
    controls["gaze_x_deg"], controls["gaze_y_deg"] = 100.0 * look[:, 0], 70.0 * look[:, 1]
    return controls
