"""``steadyface track CLIP --tracker mediapipe``: a peer's landmarks in the file that `evaluate --external` reads."""

from __future__ import annotations

from pathlib import Path

from launcher.runs import make_folder
from steadyface.errors import InputError
from steadyface.tracking.generic_tracker import require_mediapipe, track_landmarks
from steadyface.tracking.landmark_overlay import write_landmark_video
from steadyface.tracking.landmark_track import landmark_metrics


def track_with_mediapipe(clip: Path, out: Path) -> None:
    """Write ``track.npz`` (landmarks, time stamps; docs/external-trackers.md) and ``overlay.mp4`` into ``out``.

    Raises:
        InputError: MediaPipe is not installed, the clip cannot be read, or no frame shows a face.
    """
    require_mediapipe(clip)
    track = track_landmarks(clip)
    if not bool(track.found.any()):
        expected = "a face in some frame"
        raise InputError(clip, expected, f"none in {len(track.time_s)} frames", "give a clip of a face")
    make_folder(out)
    track.save(out / "track.npz")
    write_landmark_video(clip, track, out / "overlay.mp4")
    figures = landmark_metrics(track)
    lost = int(figures.pop("frames_without_face"))
    print(f"{len(track.time_s)} frames tracked, {lost} without a face: {out / 'track.npz'}, {out / 'overlay.mp4'}")
    print("\n".join(f"{name} {value:.4g}" for name, value in figures.items()))
