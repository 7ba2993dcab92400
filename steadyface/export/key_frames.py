"""When a head stands where: key frames for programs that interpolate, held where nothing is known in between."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steadyface.tracking.track import runs_of
from steadyface.tracking.track_file import StoredTrack, Track, track_blocks


class KeyFrames(NamedTuple):
    """K key frames of a track's head, to be interpolated linearly, and when it is visible, in steps.

    Shapes: time_s (K,) float32, strictly rising from 0 or later; face (K,) int64, index into the frames with a face;
    shown_s (S,) float32, strictly rising; shown (S,) bool, whether there is a face from then on.
    """

    time_s: NDArray[np.float32]
    face: NDArray[np.int64]
    shown_s: NDArray[np.float32]
    shown: NDArray[np.bool_]


def key_frames(track: Track | StoredTrack) -> KeyFrames:
    """A key at every frame with a face, at its time stamp; at the end of a run one more, just before the next frame.

    That one holds the pose: without it a program would glide through a cut, or through frames without a face.
    A clip whose stamps begin below 0 is moved to 0, for glTF has no earlier time.
    """
    time_s = track.time_s.double().numpy()
    time = (time_s - min(0.0, float(time_s[0]))).astype(np.float32)
    face_of_frame = np.cumsum(track.found.numpy()) - 1
    times, faces = [], []
    for run in runs_of(track.found, track.shot):
        times.append(time[run])
        faces.append(face_of_frame[run])
        if run.stop < len(time):
            hold = np.nextafter(time[run.stop], np.float32(0.0))
            if hold > time[run.stop - 1]:
                times.append(hold[None])
                faces.append(face_of_frame[run.stop - 1 : run.stop])
    found = track.found.numpy()
    changes = np.flatnonzero(np.diff(found, prepend=not found[0]))
    return KeyFrames(np.concatenate(times), np.concatenate(faces), time[changes], found[changes])


class HeadPoses(NamedTuple):
    """Poses of the T frames with a face: rotation (T, 3, 3), translation (T, 3) mm, head -> camera, OpenCV axes."""

    rotation: NDArray[np.float64]
    translation: NDArray[np.float64]


def head_poses(track: Track | StoredTrack) -> HeadPoses:
    """The poses of the frames with a face, in their order."""
    rotations, translations = [], []
    for block in track_blocks(track):
        rotations.append(block.rotation[block.found].double().numpy())
        translations.append(block.translation[block.found].double().numpy())
    return HeadPoses(np.concatenate(rotations), np.concatenate(translations))


def steady_quaternions(rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit quaternions (T, 4), x y z w, of rotations (T, 3, 3), each on the side of the one before it.

    A quaternion and its negative are one rotation, but halfway between them lies none: programs that interpolate
    the four numbers need neighbours of one sign.
    """
    from scipy.spatial.transform import Rotation

    quaternions = Rotation.from_matrix(rotation).as_quat()
    turns = np.sign((quaternions[1:] * quaternions[:-1]).sum(1))
    turns[turns == 0.0] = 1.0
    return np.asarray(quaternions * np.concatenate([[1.0], np.cumprod(turns)])[:, None])
