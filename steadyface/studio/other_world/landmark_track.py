"""Landmarks of a clip by MediaPipe's face mesh, an optional part: imported only when it is asked for.

Source: Y. Kartynnik et al., Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs (2019).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from steadyface.capture.mediapipe_finder import has_mediapipe
from steadyface.capture.video import read_frames
from steadyface.errors import InputError
from steadyface.studio.other_world.mesh_fields import Floats
from steadyface.studio.other_world.replay import LANDMARKS


def track_landmarks(clip: Path) -> tuple[Floats, Floats]:
    """Landmarks of the surest face of each frame.

    Returns:
        time_s (T,), and (T, 478, 3) pixels, x right, y down, z forwards; nan in frames without a face.

    Raises:
        InputError: MediaPipe is not installed, or the clip cannot be read.
    """
    if not has_mediapipe():
        remedy = "install MediaPipe: pip install --no-deps mediapipe==0.10.21, as the README says"
        raise InputError(clip, "MediaPipe, to track the face's landmarks", "none installed", remedy)
    from mediapipe.python.solutions.face_mesh import FaceMesh

    times, found = [], []
    with FaceMesh(static_image_mode=False, max_num_faces=1, refine_landmarks=True) as mesh:
        for frame in read_frames(clip):
            height, width = frame.image.shape[:2]
            faces = mesh.process(np.ascontiguousarray(frame.image)).multi_face_landmarks
            times.append(frame.time_s)
            found.append(
                np.array([[p.x * width, p.y * height, p.z * width] for p in faces[0].landmark])
                if faces else np.full((LANDMARKS, 3), np.nan)
            )  # fmt: skip
    return np.array(times), np.stack(found)
