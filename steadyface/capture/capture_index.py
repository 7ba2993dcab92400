"""What a capture folder holds, and what it lacks.

Public captures are patchy: not every frame has every camera, not every camera every segment. The
index lists the folders once (never asks for one file at a time: captures lie on network disks),
keeps what can be used, reports what it passed over, and goes on.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from steadyface.capture.krt import Camera, read_krt
from steadyface.capture.multiface import AVERAGE, CaptureLayout, FrameId, read_frame_list
from steadyface.capture.obj import ObjMesh, read_obj
from steadyface.errors import InputError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Instant:
    """A usable instant: it has a mesh, a head pose and at least one camera with image and texture."""

    id: FrameId
    cameras: tuple[str, ...]
    has_average: bool


@dataclass
class Gaps:
    """Counts what was passed over, by kind, with the first example of each."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, kind: str, example: str) -> None:
        self.counts[kind] += 1
        self.examples.setdefault(kind, example)

    def lines(self) -> list[str]:
        return [f"{count} {kind} (first: {self.examples[kind]})" for kind, count in self.counts.items()]


class MultifaceCapture:
    """The index of a capture in the Multiface layout.

    Attributes:
        layout: where each file lies.
        cameras: the calibrated cameras that have images, by name, in the KRT's order.
        instants: the usable instants, in the frame list's order.
        gaps: what was passed over.

    Raises:
        InputError: no such folder, no usable KRT, or no instant with mesh, pose and a camera.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            got = "a file" if folder.exists() else "no such folder"
            raise InputError(folder, "a capture folder (KRT, images/, tracked_mesh/, ...)", got, "check the path")
        self.layout = CaptureLayout(folder)
        self.gaps = Gaps()
        calibrated = read_krt(self.layout.krt)
        self._images = _listing(folder / "images")
        self._textures = _listing(self.layout.textures)
        self.cameras = self._cameras_with_images(calibrated)
        self.instants = self._usable(self._listed())
        for line in self.gaps.lines():
            logger.warning("%s: passed over: %s", folder, line)
        logger.info(
            "%s: %d segments, %d instants, %d cameras, %d views",
            folder,
            len(self.segments),
            len(self.instants),
            len(self.cameras),
            sum(len(i.cameras) for i in self.instants),
        )

    @property
    def segments(self) -> list[str]:
        """Names of the segments that have a usable instant, in order."""
        return list(dict.fromkeys(instant.id.segment for instant in self.instants))

    def read_topology(self) -> ObjMesh:
        """The first OBJ of the capture: faces and texture coordinates. InputError where there is none."""
        for segment in sorted(path for path in self.layout.meshes.iterdir() if path.is_dir()):
            for path in sorted(segment.glob("*.obj")):
                return read_obj(path)
        raise InputError(
            self.layout.meshes,
            "at least one SEGMENT/FRAME.obj, for faces and texture coordinates",
            "none",
            "copy one OBJ of this subject there",
        )

    def _cameras_with_images(self, calibrated: dict[str, Camera]) -> dict[str, Camera]:
        seen = {camera for segment in self._images.values() for camera in segment}
        for name in sorted(seen - calibrated.keys()):
            self.gaps.add("cameras that the KRT does not have", name)
        for name in sorted(calibrated.keys() - seen):
            self.gaps.add("cameras without any image", name)
        return {name: camera for name, camera in calibrated.items() if name in seen}

    def _listed(self) -> list[FrameId]:
        if self.layout.frame_list.exists():
            return list(dict.fromkeys(read_frame_list(self.layout.frame_list)))
        self.gaps.add("frame_list.txt missing; the frames with meshes are used", str(self.layout.frame_list))
        return [FrameId(path.parent.name, path.stem) for path in sorted(self.layout.meshes.glob("*/*.bin"))]

    def _usable(self, listed: list[FrameId]) -> tuple[Instant, ...]:
        meshes = _files_by_folder(self.layout.meshes)
        usable = [instant for frame in listed if (instant := self._instant(frame, meshes))]
        if not usable:
            gaps = "; ".join(self.gaps.lines()) or "nothing there"
            raise InputError(
                self.layout.root,
                "instants that have a mesh, a head pose, an image and a texture",
                f"none of {len(listed)} listed ({gaps})",
                "copy images, unwrapped_uv_1024 and tracked_mesh of the same segments",
            )
        return tuple(usable)

    def _instant(self, frame: FrameId, meshes: dict[str, set[str]]) -> Instant | None:
        cameras = self._cameras_of(frame) if self._has_mesh(frame, meshes) else ()
        if not cameras:
            return None
        has_average = f"{frame.frame}.png" in self._textures[frame.segment].get(AVERAGE, ())
        if not has_average:
            self.gaps.add("average textures missing; the mean of the views is used", " ".join(frame))
        return Instant(frame, cameras, has_average)

    def _has_mesh(self, frame: FrameId, meshes: dict[str, set[str]]) -> bool:
        there = meshes.get(frame.segment, set())
        for suffix, kind in (
            (".bin", "frames without a mesh"),
            ("_transform.txt", "frames without a head pose"),
        ):
            if frame.frame + suffix not in there:
                self.gaps.add(kind, " ".join(frame))
                return False
        return True

    def _cameras_of(self, frame: FrameId) -> tuple[str, ...]:
        """The cameras that have both the image and the texture of this instant."""
        file, name = f"{frame.frame}.png", " ".join(frame)
        images, textures = (tree.get(frame.segment, {}) for tree in (self._images, self._textures))
        with_image = [camera for camera in self.cameras if file in images.get(camera, ())]
        for camera in with_image:
            if file not in textures.get(camera, ()):
                self.gaps.add("views without a texture", f"{name} {camera}")
        found = tuple(camera for camera in with_image if file in textures.get(camera, ()))
        if not found:
            self.gaps.add("frames without a camera that has image and texture", name)
        return found


def _listing(root: Path) -> dict[str, dict[str, set[str]]]:
    """Segment -> camera -> file names."""
    if not root.is_dir():
        return {}
    return {entry.name: _files_by_folder(Path(entry.path)) for entry in os.scandir(root) if entry.is_dir()}


def _files_by_folder(root: Path) -> dict[str, set[str]]:
    if not root.is_dir():
        return {}
    return {entry.name: set(os.listdir(entry.path)) for entry in os.scandir(root) if entry.is_dir()}
