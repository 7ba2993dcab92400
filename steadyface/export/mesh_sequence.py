"""What every sequence of meshes shares: the frames with a face, in order, and ``frames.csv``."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from steadyface.errors import InputError
from steadyface.export.whole_folder import whole_folder
from steadyface.tracking.track import Track
from steadyface.tracking.track_file import StoredTrack, track_blocks

FRAMES = "frames.csv"
Space = Literal["camera", "head"]
"""Whether the head pose is applied: camera frame, or the canonical head frame without it."""


class SequenceMesh(NamedTuple):
    """A mesh of a sequence: its file, the frame's number and time stamp, vertices (N, 3) mm."""

    path: Path
    frame: int
    time_s: float
    vertices: NDArray[np.float32]

    def facts(self, space: Space) -> str:
        """What the file says of itself, in a line."""
        return f"frame {self.frame}, {self.time_s:.6f} s, mm, {space} frame: x right, y down, z forward"


def write_sequence(
    track: Track | StoredTrack, folder: Path, suffix: str, space: Space, write: Callable[[SequenceMesh], None],
    finish: Callable[[Path], None] = lambda folder: None,
) -> int:
    """Write ``frame_NNNNNN<suffix>`` for each frame with a face, and ``frames.csv`` for every frame.

    The number is the frame's index in the clip, from 0; a frame without a face has a row in ``frames.csv`` with an
    empty ``file``, and no file. The folder appears whole.

    Args:
        suffix: with its dot.
        write: writes one mesh.
        finish: writes what belongs to all of them.

    Returns:
        the number of meshes.

    Raises:
        InputError: no frame has a face, or the folder cannot be written.
    """
    require_face(track)
    count = 0
    with whole_folder(folder, FRAMES) as part:
        finish(part)
        with (part / FRAMES).open("w", newline="", encoding="utf-8") as stream:
            table = csv.writer(stream, lineterminator="\n")
            table.writerow(("frame", "time_s", "shot", "confidence", "file"))
            for first, block in numbered_blocks(track):
                vertices = (block.camera_vertices() if space == "camera" else block.vertices).numpy()
                for index in range(len(block)):
                    frame, found = first + index, bool(block.found[index])
                    name = f"frame_{frame:06d}{suffix}" if found else ""
                    if found:
                        write(SequenceMesh(part / name, frame, float(block.time_s[index]), vertices[index]))
                        count += 1
                    sure = float(block.confidence[index])
                    time_s = f"{float(block.time_s[index]):.6f}"
                    sure_text = "" if math.isnan(sure) else f"{sure:.4f}"
                    table.writerow((frame, time_s, int(block.shot[index]), sure_text, name))
    return count


def numbered_blocks(track: Track | StoredTrack) -> Iterator[tuple[int, Track]]:
    """The track's blocks, each with the number of its first frame."""
    first = 0
    for block in track_blocks(track):
        yield first, block
        first += len(block)


def require_face(track: Track | StoredTrack) -> None:
    """Raises InputError unless some frame has a face."""
    if not bool(track.found.any()):
        name = track.path if isinstance(track, StoredTrack) else "track"
        raise InputError(name, "a frame with a face", f"none in {len(track)} frames", "track the clip again")
