"""What a module hands to the callbacks: the dict that its ``validation_step`` returns, by kind of batch.

A lab batch has truth (``target_vertices``), a clip batch has time stamps (``time_s``): the keys tell
them apart, so it does not matter in which order the data loaders stand. The module's attribute ``statistics``
is the subject's `SubjectStatistics`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, cast

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor

from steadyface.types import SubjectStatistics


class LabPrediction(NamedTuple):
    """B lab views, predicted and true; (B, N, 3) head frame mm, (B, 3, 3), (B, 3) mm."""

    vertices: Tensor
    rotation: Tensor
    translation: Tensor
    target_vertices: Tensor
    target_rotation: Tensor
    target_translation: Tensor


class ClipPrediction(NamedTuple):
    """B clip frames: as `LabPrediction`, with crop intrinsics (B, 3, 3) and time_s, frame, clip (B,)."""

    vertices: Tensor
    rotation: Tensor
    translation: Tensor
    intrinsics: Tensor
    time_s: Tensor
    frame: Tensor
    clip: Tensor


class ValidationWatch(Callback):
    """A callback that looks at every validation batch, whichever loader it comes from."""

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Hand on what tells the batches apart: the outputs' keys, not the loaders' numbers."""
        self.see(trainer, pl_module, outputs, batch)

    def see(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any) -> None:
        """Look at one batch and at what ``validation_step`` returned for it."""
        raise NotImplementedError


def lab_prediction(outputs: Any) -> LabPrediction | None:
    """The outputs as a lab prediction; None for any other batch."""
    return _of_kind(LabPrediction, outputs, "target_vertices")


def clip_prediction(outputs: Any) -> ClipPrediction | None:
    """The outputs as a clip prediction; None for any other batch."""
    found = _of_kind(ClipPrediction, outputs, "time_s")
    if found is None:
        return None
    flat = {name: getattr(found, name).flatten() for name in ("time_s", "frame", "clip")}
    return found._replace(**flat)


def _of_kind(kind: Any, outputs: Any, telltale: str) -> Any:
    if not isinstance(outputs, dict) or telltale not in outputs:
        return None
    missing = [name for name in kind._fields if name not in outputs]
    if missing:
        raise KeyError(f"validation_step returned {telltale!r} without {', '.join(missing)}")
    return kind(**{name: outputs[name].detach() for name in kind._fields})


def subject_of(pl_module: LightningModule) -> SubjectStatistics:
    """The fixed facts of the subject that a module tracks: its attribute ``statistics``."""
    return cast(SubjectStatistics, pl_module.statistics)


def media_folder(trainer: Trainer) -> Path:
    """Where a run's pictures and videos lie: ``media/`` in its folder."""
    folder = Path(trainer.default_root_dir) / "media"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def log_media(trainer: Trainer, name: str, media: Any) -> None:
    """Hand a ``wandb.Image`` or ``wandb.Video`` as ``media/NAME`` to every logger that takes media.

    Its file must stay as it is: a logger may keep it back until a checkpoint covers its step. Media stand apart from
    the metrics, whose least value W&B keeps: it would take that of a picture's fields, too.
    """
    for logger in trainer.loggers:
        take = getattr(logger, "log_media", None)
        if take is not None:
            take(f"media/{name}", media, logged_step(trainer))


def logged_step(trainer: Trainer) -> int:
    """The step that the metrics of a validation are logged at: within training, the last step before it."""
    return trainer.global_step - int(trainer.state.fn == TrainerFn.FITTING)
