"""Watches the error against truth on held-out lab frames: expression by region, head pose, a heat map."""

from __future__ import annotations

import os
from typing import Any

import torch
import wandb
from PIL import Image
from pytorch_lightning import LightningModule, Trainer
from torch import Tensor
from torchmetrics import Metric

from callbacks.outputs import ValidationWatch, lab_prediction, log_media, media_folder, subject_of
from steadyface.metrics import geometry_errors as errors
from steadyface.metrics.head_frame import canonicalise
from steadyface.processes import of_all_processes
from steadyface.tracking.heat_map import render_heat_map


class VertexError(ValidationWatch):
    """Logs ``val/vertex_error_mm``, by region and in the camera frame, and head pose errors.

    Prediction and truth are canonicalised on the rigid vertices of the module's ``statistics``.
    Begins anew at each validation: it has nothing to remember over a resume.

    Args:
        heat_map_limit_mm: error of the darkest colour of ``media/vertex_error_STEP.png``, one a validation;
            0 draws none.
    """

    def __init__(self, heat_map_limit_mm: float = 3.0) -> None:
        super().__init__()
        self.heat_map_limit_mm = heat_map_limit_mm
        self._metrics: dict[str, Metric] = {}
        self._vertex_sum = torch.zeros(0)
        self._frames = 0

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """New metrics, with the regions that this subject has."""
        statistics = subject_of(pl_module)
        self._metrics = {
            "vertex_error_mm": errors.VertexErrorMm(),
            "vertex_error_camera_mm": errors.VertexErrorCameraMm(),
            "head_rotation_error_deg": errors.HeadRotationErrorDeg(),
            "head_translation_error_mm": errors.HeadTranslationErrorMm(),
            **{f"vertex_error_{name}_mm": errors.VertexErrorMm(i) for name, i in statistics.regions.items()},
        }
        self._metrics = {name: metric.to(pl_module.device) for name, metric in self._metrics.items()}
        self._vertex_sum = torch.zeros(statistics.vertex_count, dtype=torch.float64, device=pl_module.device)
        self._frames = 0

    def see(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any) -> None:
        """Add a lab batch; clip batches have no truth and are passed over."""
        found = lab_prediction(outputs)
        if found is None:
            return
        rigid = subject_of(pl_module).rigid_vertices.to(found.vertices.device)
        mean = subject_of(pl_module).vertex_mean.to(found.vertices.device)
        head = canonicalise(found.vertices, found.rotation, found.translation, rigid, mean)
        true = canonicalise(
            found.target_vertices, found.target_rotation, found.target_translation, rigid, mean
        )
        for name, metric in self._metrics.items():
            metric.update(*_arguments(name, head, true))
        self._vertex_sum += errors.distances(head.vertices, true.vertices).sum(dim=0)
        self._frames += len(head.vertices)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log what was counted, the same on every process; nothing where there was no lab batch."""
        frames, vertex_sum = self._over_processes()
        if frames == 0:
            return
        for name, metric in self._metrics.items():
            pl_module.log(f"val/{name}", metric.compute().float(), sync_dist=True)
        if self.heat_map_limit_mm > 0 and trainer.is_global_zero and not trainer.sanity_checking:
            self._draw(trainer, pl_module, vertex_sum / frames)

    def _over_processes(self) -> tuple[int, Tensor]:
        packed = torch.cat([self._vertex_sum, self._vertex_sum.new_tensor([self._frames])])
        packed = of_all_processes(packed.unsqueeze(0)).sum(dim=0)
        return int(packed[-1]), packed[:-1]

    def _draw(self, trainer: Trainer, pl_module: LightningModule, values: Tensor) -> None:
        statistics = subject_of(pl_module)
        picture = render_heat_map(
            statistics.vertex_mean, statistics.faces, values.cpu(), self.heat_map_limit_mm
        )
        path = media_folder(trainer) / f"vertex_error_{trainer.global_step:06d}.png"
        part = path.with_name(f".part-{path.name}")
        Image.fromarray(picture).save(part, format="PNG")
        os.replace(part, path)
        caption = f"mean error, darkest at {self.heat_map_limit_mm:g} mm"
        log_media(trainer, "vertex_error", wandb.Image(str(path), caption=caption))


def _arguments(name: str, head: Any, true: Any) -> tuple[Tensor, Tensor]:
    """What the metric of this name compares."""
    if name == "head_rotation_error_deg":
        return head.rotation, true.rotation
    if name == "head_translation_error_mm":
        return head.translation, true.translation
    if name == "vertex_error_camera_mm":
        return head.in_camera(), true.in_camera()
    return head.vertices, true.vertices
