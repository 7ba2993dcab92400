"""Unlabelled clip windows and labelled lab views in one loader, as the adaptation takes them."""

from __future__ import annotations

from collections.abc import Iterator

from pytorch_lightning import LightningDataModule
from pytorch_lightning.utilities import CombinedLoader

from datamodules.batches import OrderedBatches
from datamodules.lab_captures import LabCaptures
from datamodules.wild_clips import WildClips
from steadyface.tracking.adaptation_score import WatchedFrames
from steadyface.types import ClipBatch, LabBatch


class ClipsBesideLab(LightningDataModule):
    """Batches ``{"clip": ClipBatch, "lab": LabBatch}``; the shorter of the two starts over.

    Lab views in every batch keep the encoder from forgetting what the lab taught it.
    """

    def __init__(self, clips: WildClips, lab: LabCaptures, lab_batch: int, seed: int) -> None:
        super().__init__()
        self._clips, self._lab, self._lab_batch, self._seed = clips, lab, lab_batch, seed

    def setup(self, stage: str | None = None) -> None:
        """Reads both; what was read before is not read again."""
        self._clips.setup(stage)
        self._lab.setup(stage)

    def train_dataloader(self) -> CombinedLoader:
        lab = self._lab.training_batches(self._lab_batch, self._seed)
        return CombinedLoader({"clip": self._clips.train_dataloader(), "lab": lab}, "max_size_cycle")

    def instants(self) -> Iterator[LabBatch]:
        """Every instant of the lab's training segments, for measurements over it."""
        return self._lab.instants()

    def watched(self, count: int) -> WatchedFrames:
        """Some frames of the clips, to compare networks on."""
        return self._clips.watched(count)

    def val_dataloader(self) -> OrderedBatches[ClipBatch]:
        """The frames with a face in order: what the callbacks watch, without truth."""
        return self._clips.val_dataloader()
