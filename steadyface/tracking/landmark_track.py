"""Landmarks of a clip, frame by frame: what a tracker gives that has no mesh of the subject."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from steadyface.metrics.evaluate_track import JudgedFace
from steadyface.metrics.geometry_errors import reprojection_error_px
from steadyface.metrics.stability import AccelerationErrorPxS2, AccelerationPxS2, StabilityRatio

_SHORTEST = 3  # frames in a row that an acceleration needs


@dataclass(frozen=True)
class LandmarkTrack:
    """L landmarks of T frames.

    Shapes: points (T, L, 2), pixels of the full frame, pixel centres at integers, nan in a frame
    where no face was found; time_s (T,) float64; vertex_index (L,) long, the subject's vertices that
    they are, or None.
    """

    points: Tensor
    time_s: Tensor
    vertex_index: Tensor | None = None

    @property
    def found(self) -> Tensor:
        """(T,) bool: the frames in which a face was found."""
        return torch.isfinite(self.points).flatten(1).all(1)

    def __getitem__(self, frames: slice) -> LandmarkTrack:
        """Some of the frames."""
        return LandmarkTrack(self.points[frames], self.time_s[frames], self.vertex_index)

    def runs(self) -> Iterator[slice]:
        """Runs of neighbouring frames with a face that are long enough to have an acceleration."""
        found = [False, *self.found.tolist(), False]
        starts = [frame for frame in range(len(found) - 1) if found[frame + 1] and not found[frame]]
        ends = [frame for frame in range(len(found) - 1) if found[frame] and not found[frame + 1]]
        for start, end in zip(starts, ends, strict=True):
            if end - start >= _SHORTEST:
                yield slice(start, end)

    def save(self, path: Path) -> None:
        """Write an npz of the documented format for other trackers; its name appears once it is whole."""
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = {"landmarks": self.points.numpy(), "time_s": self.time_s.numpy()}
        if self.vertex_index is not None:
            arrays["vertex_index"] = self.vertex_index.numpy()
        part = path.with_name(f".{path.name}.part")
        try:
            with part.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)


def load_landmarks(path: Path) -> LandmarkTrack | None:
    """What `LandmarkTrack.save` wrote; None for a file without landmarks, which is a track of meshes or none at all."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            if "landmarks" not in stored.files:
                return None
            index = torch.from_numpy(stored["vertex_index"]) if "vertex_index" in stored.files else None
            return LandmarkTrack(torch.from_numpy(stored["landmarks"]), torch.from_numpy(stored["time_s"]), index)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def landmark_metrics(track: LandmarkTrack, true: JudgedFace | None = None) -> dict[str, float]:
    """What landmarks can be judged by.

    Args:
        track: of the clip.
        true: the truth of the same frames, where there is one; only for landmarks that are vertices.

    Returns:
        acceleration_px_s2 and stability_ratio_picture, over runs of found frames, and frames_without_face;
        against the truth at the same vertices, reprojection_error_px and acceleration_error_px_s2, over the
        same frames.
    """
    values = {"frames_without_face": float((~track.found).sum())}
    found = track.found
    acceleration, ratio, error = AccelerationPxS2(), StabilityRatio(), AccelerationErrorPxS2()
    for run in track.runs():
        acceleration.update(track.points[run], track.time_s[run])
        ratio.update(track.points[run])
        values["acceleration_px_s2"] = float(acceleration.compute())
        values["stability_ratio_picture"] = float(ratio.compute())
    if true is not None and track.vertex_index is not None and bool(found.any()):
        picture = true.picture[:, track.vertex_index]
        values["reprojection_error_px"] = float(reprojection_error_px(track.points[found], picture[found]))
        for run in track.runs():
            error.update(track.points[run], picture[run], track.time_s[run])
            values["acceleration_error_px_s2"] = float(error.compute())
    return values
