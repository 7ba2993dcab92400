"""One look at one crop: the face that the encoder sees there, and whether what it found is a head at all.

A point network answers for any picture. Where there is no head its points are in doubt, and no head
pose puts the lab's head model where they are: both are counted, in shares of the crop, so that they
mean the same for every encoder. Neither asks whose head it is; the texture residual does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steadyface.capture.crop import Box, crop_image
from steadyface.geometry.cameras import crop_intrinsics, project, transform
from steadyface.networks.encoder import Encoder
from steadyface.networks.face_model import FaceModel
from steadyface.tracking.residual import texture_residuals
from steadyface.types import FaceState, SubjectStatistics

HEAD_SHARE = 0.78
"""The head's larger side over the crop's: 0.79 in the boxes that are given for the synthetic clips."""

LARGEST_DOUBT_TIMES_MISFIT = 4.8e-4
"""Of shares of the crop. Measured with a source network of the synthetic subject, on crops that fit: its own face
about 1.5e-4 or less; four real persons, who are not the model's, 1.2e-4 to 3.9e-4; walls, noise and black 1.2e-3 or
more; the best window of a title card 5.8e-4 or more in most of its frames, but 2.8e-4 to 4.2e-4 in five of them: one
look is not enough, and a face that is seen for less than a quarter of a second is none."""

LARGEST_RESIDUAL = 0.97
"""Of a picture without points: unrelated textures are 1.1 apart, another person's face 0.9."""


class Sighting(NamedTuple):
    """What one crop shows; B crops make B of them.

    Shapes: state of one frame (B = 1); box, the crop, pixels of the frame; head, the square that the
    seen head would be cropped by; points (K, 2) in pixels of the frame and doubt_px (K,), K = 0 for an
    encoder without points. doubt, misfit: shares of the crop, nan without points.
    """

    state: FaceState
    box: Box
    head: Box
    points: Tensor
    doubt_px: Tensor
    doubt: float
    misfit: float
    residual: float

    @property
    def plausible(self) -> bool:
        """Whether this is a head, seen from a crop that fits it well enough to judge."""
        return self.implausibility < 1.0

    @property
    def implausibility(self) -> float:
        """The larger, the less it is a head; below 1 for a plausible one."""
        if not np.isfinite(self.doubt):
            return self.residual / LARGEST_RESIDUAL
        return self.doubt * self.misfit / LARGEST_DOUBT_TIMES_MISFIT


class Sighter:
    """Looks at crops of frames with a trained encoder.

    Args:
        statistics, face_model, encoder: of the subject, in evaluation mode.
        intrinsics: (3, 3) of the full frame.
    """

    def __init__(
        self, statistics: SubjectStatistics, face_model: FaceModel, encoder: Encoder, intrinsics: Tensor
    ) -> None:
        self.statistics, self.face_model, self.encoder = statistics, face_model, encoder
        self.intrinsics = intrinsics.float()

    @torch.no_grad()
    def look(self, image: NDArray[np.uint8], boxes: Sequence[Box], residual: bool = False) -> list[Sighting]:
        """A sighting a box.

        Args:
            image: (H, W, 3) uint8 sRGB, the full frame.
            boxes: squares, pixels of the frame.
            residual: measure the texture residual too; it costs as much as the rest. An encoder
                without points always needs it.
        """
        size, device = self.encoder.image_size, next(self.encoder.parameters()).device
        crops = np.stack([crop_image(image, box, size) for box in boxes])
        pixels = torch.from_numpy(crops).permute(0, 3, 1, 2).float().div_(255).to(device)
        intrinsics = crop_intrinsics(self.intrinsics.expand(len(boxes), 3, 3), torch.tensor(boxes), size).to(device)
        state, found, _ = self.encoder.predict(pixels, intrinsics)
        count = len(boxes)
        residuals = torch.full((count,), torch.nan)
        if residual or found is None:
            residuals = texture_residuals(self.face_model, self.statistics, pixels, intrinsics, state).cpu()
        points, doubt_px = torch.zeros(count, 0, 2), torch.zeros(count, 0)
        doubt, misfit = torch.full((count,), torch.nan), torch.full((count,), torch.nan)
        if found is not None:
            points, doubt_px = found.pixels.cpu(), found.doubt_px.cpu()
            doubt = doubt_px.mean(1) / size
            misfit = self._misfit(points, state, intrinsics).cpu() / size
        heads = self._heads(state)
        return [
            Sighting(
                FaceState(*(part[i : i + 1].cpu() for part in state)), box, heads[i],
                _to_frame(points[i], box, size), doubt_px[i] * (box[2] / size),
                float(doubt[i]), float(misfit[i]), float(residuals[i]),
            )
            for i, box in enumerate(boxes)
        ]  # fmt: skip

    def _misfit(self, points: Tensor, state: FaceState, intrinsics: Tensor) -> Tensor:
        """Median distance of the found points (B, K, 2) from those of the decoded mesh, pixels of the crop: (B,)."""
        index = self.encoder.landmark_vertices
        assert index is not None
        vertices = self.face_model.decode_vertices(state.latent)[:, index]
        placed = transform(vertices, state.rotation, state.translation)
        return (project(placed, intrinsics) - points.to(placed)).norm(dim=-1).median(dim=1).values

    def _heads(self, state: FaceState) -> list[Box]:
        return head_boxes(self.statistics, state, self.intrinsics)


def head_boxes(statistics: SubjectStatistics, state: FaceState, intrinsics: Tensor) -> list[Box]:
    """The square crops of B heads: around the mean head under each pose, so that no expression moves them.

    Args:
        statistics: of the subject.
        state: of B frames.
        intrinsics: (3, 3) of the full frame.
    """
    mean = statistics.vertex_mean.to(state.rotation).expand(len(state.rotation), -1, -1)
    placed = transform(mean, state.rotation, state.translation)
    pixels = project(placed, intrinsics.to(placed).expand(len(placed), 3, 3))
    low, high = pixels.amin(1), pixels.amax(1)
    centre, side = (low + high) / 2 + 0.5, (high - low).amax(1) / HEAD_SHARE
    corner = centre - side[:, None] / 2
    return [(float(x), float(y), float(s), float(s)) for (x, y), s in zip(corner.tolist(), side.tolist(), strict=True)]


def _to_frame(points: Tensor, box: Box, size: int) -> Tensor:
    """Pixels of the crop (K, 2) in pixels of the frame."""
    return (points + 0.5) * (box[2] / size) - 0.5 + points.new_tensor(box[:2])
