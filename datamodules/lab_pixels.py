"""What a lab view looks like, out of its files: the crop, the mesh drawn into it, its texture.

A capture that fits is read once and kept as bytes (`PixelsInMemory`); one that does not is read
anew for every batch (`PixelsOnDisk`). Both give the same bytes. What is drawn for memory is kept on disk
too (`lab_drawings`); pictures and textures are read at every start, so a damaged one is found.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from datamodules.lab_drawings import Drawings, DrawingsFile, draw_view
from datamodules.lab_splits import SplitInstant
from steadyface.capture.capture_index import MultifaceCapture
from steadyface.capture.crop import crop_image
from steadyface.capture.distortion import undistort
from steadyface.capture.krt import Camera
from steadyface.capture.multiface import AVERAGE, FrameId, read_image_png, read_texture

Item = TypeVar("Item")
Result = TypeVar("Result")


class ViewPixels(NamedTuple):
    """V views, linear bytes: image (V, S, S, 3) uint8; silhouette (V, S, S) bool; normal (V, S, S, 3) int8,
    camera frame, 127 = 1; texture (V, U, U, 3) uint8."""

    image: Tensor
    silhouette: Tensor
    normal: Tensor
    texture: Tensor


class LabPixels(Protocol):
    """Where views' pixels come from."""

    def views(self, index: Tensor) -> ViewPixels:
        """The views (n,) long."""
        ...

    def averages(self, frame: Tensor) -> Tensor:
        """The average textures of instants (n,) long: (n, U, U, 3) uint8."""
        ...


class ViewPlan(NamedTuple):
    """What is known of V views before a picture is opened.

    instants: T of them; frame (V,) long, each view's; cameras: each view's; boxes (V, 4), their crops in
    pixels of the whole image; intrinsics (V, 3, 3) of the crop; rotation (V, 3, 3) and translation
    (V, 3) mm, head -> camera; vertices (T, N, 3) mm.
    """

    instants: Sequence[SplitInstant]
    frame: Tensor
    cameras: Sequence[Camera]
    boxes: Tensor
    intrinsics: Tensor
    rotation: Tensor
    translation: Tensor
    vertices: Tensor


class PixelsOnDisk:
    """Reads and draws what is asked for, each time.

    Args:
        capture: the lab capture.
        plan: its views.
        faces: (F, 3) long, of the mesh.
        image_size: side of the crops, pixels.
        texture_size: side of the textures, texels.
        threads: that decode side by side; 0 = one a core.
    """

    def __init__(
        self, capture: MultifaceCapture, plan: ViewPlan, faces: Tensor, image_size: int, texture_size: int, threads: int
    ) -> None:
        self._capture, self._plan, self._faces, self._size = capture, plan, faces, image_size
        self._textures, self._threads = _TextureReader(capture, texture_size), threads

    def views(self, index: Tensor) -> ViewPixels:
        found = in_threads(self.view, index.tolist(), self._threads)
        return ViewPixels(*(torch.stack(parts) for parts in zip(*found, strict=True)))

    def averages(self, frame: Tensor) -> Tensor:
        return torch.stack(in_threads(self.average, frame.tolist(), self._threads))

    def view(self, view: int) -> ViewPixels:
        """One view, without its leading dimension. Raises InputError for a file at fault."""
        image, texture = self.read(view)
        return ViewPixels(image, *self.draw(view), texture)

    def draw(self, view: int) -> Drawings:
        """Silhouette and normals of a view's mesh, without their leading dimension."""
        return draw_view(self._plan, self._faces, self._size, view)

    def read(self, view: int) -> tuple[Tensor, Tensor]:
        """What comes out of files: the crop (S, S, 3) and the texture (U, U, 3), uint8."""
        plan = self._plan
        instant, camera = plan.instants[int(plan.frame[view])].id, plan.cameras[view]
        picture = undistort(read_image_png(self._capture.layout.image(instant, camera.name)), camera)
        crop = torch.from_numpy(crop_image(picture, tuple(plan.boxes[view].tolist()), self._size))
        return crop, self._textures.read(instant, camera.name)

    def drawings_file(self) -> DrawingsFile:
        """Where the drawings of all views are kept from start to start."""
        return DrawingsFile(self._plan, self._faces, self._size)

    def average(self, frame: int) -> Tensor:
        """The average texture of one instant, (U, U, 3) uint8."""
        return self._textures.average(self._plan.instants[frame])


class PixelsInMemory:
    """Every view and average of a capture, read once.

    Args:
        source: what to read.
        views, instants: how many there are.
        threads: that read side by side; 0 = one a core.
    """

    def __init__(self, source: PixelsOnDisk, views: int, instants: int, threads: int) -> None:
        # filled in place: a list of all views beside their stack would take the memory twice
        file = source.drawings_file()
        drawn = file.read()
        pixels = ViewPixels(*(torch.empty(views, *part.shape, dtype=part.dtype) for part in source.view(0)))
        if drawn is not None:
            pixels = pixels._replace(silhouette=drawn.silhouette, normal=drawn.normal)
        first = source.average(0)
        self._averages = torch.empty(instants, *first.shape, dtype=first.dtype)

        def keep_view(view: int) -> None:
            pixels.image[view], pixels.texture[view] = source.read(view)
            if drawn is None:
                pixels.silhouette[view], pixels.normal[view] = source.draw(view)

        def keep_average(frame: int) -> None:
            self._averages[frame] = source.average(frame)

        in_threads(keep_view, range(views), threads, "lab views", "view")
        in_threads(keep_average, range(instants), threads, "lab averages", "frame")
        if drawn is None:
            file.write(Drawings(pixels.silhouette, pixels.normal))
        self._pixels = pixels

    def views(self, index: Tensor) -> ViewPixels:
        return ViewPixels(*(part[index] for part in self._pixels))

    def averages(self, frame: Tensor) -> Tensor:
        return self._averages[frame]


class _TextureReader:
    """Textures of one capture: all of the mean texture's size on disk, brought to ``size`` texels."""

    def __init__(self, capture: MultifaceCapture, size: int) -> None:
        self._layout, self._size = capture.layout, size
        self._size_on_disk = len(read_texture(capture.layout.texture_mean))

    def read(self, instant: FrameId, camera: str) -> Tensor:
        texture = read_texture(self._layout.texture(instant, camera), self._size_on_disk)
        return torch.from_numpy(texture if len(texture) == self._size else shrink_texture(texture, self._size))

    def average(self, instant: SplitInstant) -> Tensor:
        """The average texture, or the mean of the views where a view saw the texel."""
        if instant.has_average:
            return self.read(instant.id, AVERAGE)
        views = torch.stack([self.read(instant.id, camera) for camera in instant.average_cameras]).float()
        seen = (views.amax(-1, keepdim=True) > 0).float()
        return ((views * seen).sum(0) / seen.sum(0).clamp(min=1)).round().byte()


def shrink_texture(texture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Area mean over the seen texels; a texel less than half seen becomes unseen (0).

    Shapes: (U, U, 3) uint8 -> (size, size, 3) uint8, size <= U.
    """
    values = torch.from_numpy(texture).permute(2, 0, 1).float()
    seen = (values.amax(0, keepdim=True) > 0).float()
    mean, share = (torch.nn.functional.adaptive_avg_pool2d(x, size) for x in (values, seen))
    kept = torch.where(share >= 0.5, mean / share.clamp(min=1e-6), torch.zeros(()))
    return kept.round().clamp(0, 255).byte().permute(1, 2, 0).contiguous().numpy()


def in_threads(
    work: Callable[[Item], Result], items: Sequence[Item], threads: int, label: str = "", unit: str = "it"
) -> list[Result]:
    """Results in order; the first fault ends it without finishing the rest.

    Args:
        label: shows rate and time left under this name; empty for none.
    """
    executor = ThreadPoolExecutor(threads or os.cpu_count() or 1)
    try:
        results = executor.map(work, items)
        return list(tqdm(results, total=len(items), desc=label, unit=unit, disable=None if label else True))
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
