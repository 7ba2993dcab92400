"""Shows the tracking: after a validation, the face over the clip's crops as ``media/tracking_STEP.mp4``."""

from __future__ import annotations

from typing import Any

import numpy as np
import wandb
from numpy.typing import NDArray
from pytorch_lightning import LightningModule, Trainer
from torch import Tensor
from torch.nn.functional import interpolate

from callbacks.outputs import ClipPrediction, ValidationWatch, clip_prediction, log_media, media_folder, subject_of
from steadyface.capture.video import VideoWriter
from steadyface.geometry.cameras import transform
from steadyface.processes import to_main_process
from steadyface.tracking.overlay import draw_overlay
from steadyface.types import to_device

_FALLBACK_FPS = 30.0


class TrackingVideo(ValidationWatch):
    """Writes crop and overlay side by side, frame by frame; to W&B too where the run has it.

    Each process draws the frames that it validated, the main one writes those of all. The file's name and whether
    it is written follow from the step and the validation: there is nothing to remember over a resume.

    Args:
        most_frames: of the first clip, from its beginning.
        zoom: pixels of the video for one of the crop.
    """

    def __init__(self, most_frames: int = 150, zoom: int = 2) -> None:
        super().__init__()
        self.most_frames, self.zoom = most_frames, zoom
        self._frames: dict[int, tuple[float, NDArray[np.uint8]]] = {}

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the pictures of the last validation."""
        self._frames = {}

    def see(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any) -> None:
        """Draw a clip batch's frames, while their images are at hand."""
        found = clip_prediction(outputs)
        if found is None:
            return
        images = batch.image.flatten(0, 1)
        topology = to_device(subject_of(pl_module), images.device)
        for index in range(len(found.time_s)):
            number = int(found.frame[index])
            if int(found.clip[index]) != 0 or number >= self.most_frames:
                continue
            picture = self._picture(images[index], found, index, topology)
            self._frames[number] = (float(found.time_s[index]), picture)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write what was drawn, in order of time."""
        self._frames = to_main_process(self._frames)
        if not self._frames or trainer.sanity_checking:
            return
        frames = [self._frames[number] for number in sorted(self._frames)]
        self._frames = {}
        times = [time_s for time_s, _ in frames]
        duration = times[-1] - times[0]
        height, width = frames[0][1].shape[:2]
        path = media_folder(trainer) / f"tracking_{trainer.global_step:06d}.mp4"
        fps = (len(times) - 1) / duration if duration > 0 else _FALLBACK_FPS
        with VideoWriter(path, width, height, fps, crf=23) as writer:
            for time_s, picture in frames:
                writer.write(picture, time_s - times[0])
        log_media(trainer, "tracking", wandb.Video(str(path), format="mp4"))

    def _picture(self, image: Tensor, found: ClipPrediction, index: int, topology: Any) -> NDArray[np.uint8]:
        zoomed = interpolate(image[None], scale_factor=self.zoom, mode="bilinear", align_corners=False)[0]
        crop = (zoomed.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
        crop = np.ascontiguousarray(crop[: crop.shape[0] // 2 * 2, : crop.shape[1] // 2 * 2])
        intrinsics = found.intrinsics[index].clone()
        # pixel centres at integers: x' = zoom (x + 1/2) - 1/2
        intrinsics[:2] *= self.zoom
        intrinsics[:2, 2] += 0.5 * (self.zoom - 1)
        one = slice(index, index + 1)
        placed = transform(found.vertices[one], found.rotation[one], found.translation[one])[0]
        overlay = draw_overlay(crop, placed, intrinsics, topology, opacity=0.75, contour=True)
        return np.concatenate([crop, overlay], axis=1)
