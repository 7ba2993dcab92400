"""A tiny stage, whole: a module of a few numbers that returns what the callbacks rely on, and its data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from steadyface.types import ClipBatch, LabBatch, SubjectStatistics

GRID = 8
K = torch.tensor([[60.0, 0.0, 15.5], [0.0, 60.0, 15.5], [0.0, 0.0, 1.0]])


def sheet_statistics() -> SubjectStatistics:
    """A sheet of 8 x 8 vertices, 140 mm wide; its upper half is rigid, its last row are the lips."""
    row, column = torch.meshgrid(torch.arange(GRID), torch.arange(GRID), indexing="ij")
    bulge = -4.0 * ((row - 3.5) ** 2 + (column - 3.5) ** 2)  # flat points would leave the turn open
    mean = torch.stack([column * 20.0 - 70, row * 20.0 - 70, -bulge.float()], dim=-1).view(-1, 3).float()
    corner = (row[:-1, :-1] * GRID + column[:-1, :-1]).flatten()
    faces = torch.cat(
        [torch.stack([corner, corner + GRID, corner + 1], dim=1),
         torch.stack([corner + 1, corner + GRID, corner + GRID + 1], dim=1)]
    )  # fmt: skip
    uv = (mean[:, :2] + 70) / 140
    lips = torch.arange(GRID * (GRID - 1), GRID * GRID)
    return SubjectStatistics(
        faces,
        uv,
        faces,
        mean,
        1.0,
        torch.full((3, 8, 8), 0.5),
        1.0,
        torch.arange(32),
        {"lips": lips},
        ("cam",),
    )


class TinyStage(pl.LightningModule):
    """Its one weight is the error of the lips in mm, 2 at first; the clip's face trembles by 1 mm."""

    def __init__(self, shrinking: bool = False) -> None:
        super().__init__()
        self.statistics = sheet_statistics()
        self.offset = torch.nn.Parameter(torch.tensor(2.0))
        self.shrinking = shrinking

    def training_step(self, batch: Any, batch_index: int) -> torch.Tensor:
        share = 1.0 - 0.1 * self.global_step if self.shrinking else 1.0
        self.log("train/texture_coverage", share)
        return self.offset.square()

    def validation_step(self, batch: Any, batch_index: int, dataloader_idx: int = 0) -> dict[str, Any]:
        if isinstance(batch, LabBatch):
            moved = batch.vertices.clone()
            moved[:, self.statistics.regions["lips"], 1] += self.offset
            return {
                "vertices": moved, "rotation": batch.rotation, "translation": batch.translation,
                "target_vertices": batch.vertices, "target_rotation": batch.rotation,
                "target_translation": batch.translation + torch.tensor([0.0, 0.0, 5.0]),
            }  # fmt: skip
        count = batch.frame.numel()
        vertices = self.statistics.vertex_mean.repeat(count, 1, 1)
        vertices[:, 40:, 2] += (batch.frame.flatten() % 2).view(-1, 1) * 1.0
        return {
            "vertices": vertices, "rotation": torch.eye(3).repeat(count, 1, 1),
            "translation": torch.tensor([0.0, 0.0, 400.0]).repeat(count, 1),
            "intrinsics": batch.intrinsics.flatten(0, 1), "time_s": batch.time_s,
            "frame": batch.frame, "clip": batch.clip,
        }  # fmt: skip

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.05)


def lab_batch(count: int) -> LabBatch:
    """Views of the mean mesh, 400 mm away."""
    statistics = sheet_statistics()
    eye, none = torch.eye(3).repeat(count, 1, 1), torch.zeros(count)
    texture, mask = torch.zeros(count, 3, 8, 8), torch.ones(count, 1, 8, 8)
    place = torch.tensor([0.0, 0.0, 400.0]).repeat(count, 1)
    return LabBatch(
        torch.zeros(count, 3, 32, 32), torch.zeros(count, 1, 32, 32), torch.zeros(count, 3, 32, 32),
        K.repeat(count, 1, 1), eye, place,
        statistics.vertex_mean.repeat(count, 1, 1), texture, mask, texture, mask,
        -place / 400, none.long(), none.long(),
    )  # fmt: skip


def clip_batch(frames: list[int], clip: int = 0) -> ClipBatch:
    """Windows of one grey frame each, at 30 frames a second."""
    number = torch.tensor(frames)[:, None]
    count = len(frames)
    return ClipBatch(
        torch.full((count, 1, 3, 32, 32), 0.5), K.repeat(count, 1, 1, 1), number.double() / 30,
        torch.full((count,), clip), number,
    )  # fmt: skip


def _loader(batches: list[Any]) -> DataLoader[Any]:
    return DataLoader(batches, batch_size=None, collate_fn=None)


@pytest.fixture
def fit(tmp_path: Path):
    """Train a stage for some steps with one callback; ``resume`` goes on from its checkpoint."""

    def run(module, callbacks, steps=4, resume=False, loaders=("lab", "clip"), every=2, **options):
        # the clip's frames come shuffled and one comes twice
        known = {"lab": [lab_batch(3), lab_batch(1)], "clip": [clip_batch([4, 0, 1]), clip_batch([3, 2, 4])]}
        trainer = pl.Trainer(
            max_steps=steps, max_epochs=-1, accelerator="cpu", callbacks=callbacks,
            logger=options.pop("logger", False),
            default_root_dir=tmp_path, enable_checkpointing=False, enable_model_summary=False,
            num_sanity_val_steps=0, val_check_interval=every, check_val_every_n_epoch=None,
            enable_progress_bar=any("Progress" in type(c).__name__ for c in callbacks), **options,
        )  # fmt: skip
        checkpoint = tmp_path / "last.ckpt"
        trainer.fit(
            module, _loader([lab_batch(2)] * 3), [_loader(known[name]) for name in loaders],
            ckpt_path=str(checkpoint) if resume else None,
        )  # fmt: skip
        trainer.save_checkpoint(checkpoint)
        return trainer

    return run


@pytest.fixture
def stage():
    """The tiny stage's class."""
    return TinyStage
