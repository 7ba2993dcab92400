"""Watches how steadily the tracked face moves over a clip's frames in order, without truth."""

from __future__ import annotations

from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from torch import Tensor

from callbacks.outputs import ClipPrediction, ValidationWatch, clip_prediction, subject_of
from steadyface.geometry.cameras import project
from steadyface.metrics import stability
from steadyface.metrics.head_frame import canonicalise
from steadyface.processes import of_all_processes

_FEWEST_FRAMES = 3  # a second difference needs them


class TemporalStability(ValidationWatch):
    """Logs ``val/acceleration_mm_s2``, ``val/acceleration_px_s2`` and both stability ratios.

    Pixels are those of the crop that the module sees. Frames may come in any order and from several
    processes: they are gathered, sorted by clip and frame, and counted once. Begins anew at each
    validation: it has nothing to remember over a resume.
    """

    def __init__(self) -> None:
        super().__init__()
        self._seen: list[ClipPrediction] = []

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the frames of the last validation."""
        self._seen = []

    def see(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any) -> None:
        """Keep a clip batch; lab batches are no frames in order and are passed over."""
        found = clip_prediction(outputs)
        if found is not None:
            self._seen.append(found)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log over all clips of at least three frames."""
        metrics = {
            "acceleration_mm_s2": stability.AccelerationMmS2(sync_on_compute=False),
            "acceleration_px_s2": stability.AccelerationPxS2(sync_on_compute=False),
            "stability_ratio": stability.StabilityRatio(sync_on_compute=False),
            "stability_ratio_picture": stability.StabilityRatio(sync_on_compute=False),
        }
        counted = False
        for clip in ordered_clips(_over_processes(self._seen, pl_module)):
            if len(clip.time_s) < _FEWEST_FRAMES:
                continue
            counted = True
            head, picture = _head_and_picture(clip, pl_module)
            metrics["acceleration_mm_s2"].update(head, clip.time_s)
            metrics["acceleration_px_s2"].update(picture, clip.time_s)
            metrics["stability_ratio"].update(head)
            metrics["stability_ratio_picture"].update(picture)
        self._seen = []
        for name, metric in metrics.items() if counted else ():
            pl_module.log(f"val/{name}", metric.compute().float().to(pl_module.device), sync_dist=True)


def ordered_clips(frames: ClipPrediction | None) -> list[ClipPrediction]:
    """Split gathered frames into clips, each in frame order and each frame once."""
    if frames is None:
        return []
    clips = []
    for number in frames.clip.unique().tolist():
        member = torch.nonzero(frames.clip == number)[:, 0]
        order = member[frames.frame[member].argsort(stable=True)]
        again = frames.frame[order].diff(prepend=frames.frame[order][:1] - 1) == 0
        order = order[~again]
        clips.append(ClipPrediction(*(field[order] for field in frames)))
    return clips


def _over_processes(seen: list[ClipPrediction], pl_module: LightningModule) -> ClipPrediction | None:
    """The frames of every process together, on the CPU; None where there are none at all."""
    device, nothing = pl_module.device, _no_frames(pl_module)
    own = (torch.cat([field, *(part[i].to(field.dtype) for part in seen)]) for i, field in enumerate(nothing))
    frames = ClipPrediction(*(of_all_processes(field.to(device)).cpu() for field in own))
    return frames if len(frames.time_s) else None


def _no_frames(pl_module: LightningModule) -> ClipPrediction:
    """What a process adds that was given no frame: the others wait for its part."""
    device, count = pl_module.device, subject_of(pl_module).vertex_count
    rotation, number = torch.empty(0, 3, 3, device=device), torch.empty(0, dtype=torch.long, device=device)
    return ClipPrediction(
        torch.empty(0, count, 3, device=device), rotation, rotation[:, 0], rotation, number.double(), number, number
    )


def _head_and_picture(clip: ClipPrediction, pl_module: LightningModule) -> tuple[Tensor, Tensor]:
    statistics = subject_of(pl_module)
    rigid, mean = statistics.rigid_vertices.cpu(), statistics.vertex_mean.cpu()
    face = canonicalise(clip.vertices, clip.rotation, clip.translation, rigid, mean)
    # a crop that follows the head hides its motion: every frame is looked at through the first one's crop
    return face.vertices, project(face.in_camera(), clip.intrinsics[:1].double().expand_as(clip.intrinsics))
