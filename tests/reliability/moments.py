"""The moments at which a run kills itself; none of this is in the product: the driver patches its own process."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any, NamedTuple

import pytorch_lightning
import torch

import launcher.execution
import launcher.metrics_file
import steadyface.studio.generate
from launcher.last_checkpoint import COMPLETE, LastCheckpoint


class Kill(NamedTuple):
    """A moment: what happens then, and the optimiser step (for the studio: the task) at which."""

    moment: str
    step: int


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(kill: Kill) -> None:
    """Make this process kill itself at a moment."""
    moment, step = kill
    if moment == "mid-epoch":
        _before(LastCheckpoint, "on_train_batch_end", lambda self, trainer, *_: trainer.global_step == step)
    elif moment == "in a validation":
        _before(
            pytorch_lightning.loops.evaluation_loop._EvaluationLoop, "_evaluation_step",
            lambda self, *_: self.trainer.global_step >= step,
        )  # fmt: skip
    elif moment == "in a checkpoint write":
        _in_write(step)
    elif moment in {"before the rename", "after the rename"}:
        _at_rename(step, after=moment.startswith("after"))
    elif moment == "in a row of metrics.csv":
        _in_row(step)
    elif moment == "before the record":
        _before(launcher.execution, "write_record", lambda folder, record: record.state == "finished")
    elif moment == "mid-task":
        calls: list[int] = []
        _before(steadyface.studio.generate._Stages, "work", lambda *_: calls.append(0) or len(calls) > step)
    else:
        raise ValueError(moment)


def _before(place: Any, name: str, now: Callable[..., Any]) -> None:
    original = getattr(place, name)

    def patched(*arguments: Any, **options: Any) -> Any:
        if now(*arguments, **options):
            die()
        return original(*arguments, **options)

    setattr(place, name, patched)


def _step_of(checkpoint: dict[str, Any]) -> int:
    return int(checkpoint["global_step"]) if COMPLETE not in checkpoint else -1


def _in_write(step: int) -> None:
    """Half of the bytes of last.ckpt, then the end."""
    save = torch.save

    def half(content: Any, stream: Any, *arguments: Any, **options: Any) -> None:
        save(content, stream, *arguments, **options)
        if _step_of(content) == step and "last.ckpt" in str(stream.name):
            stream.flush()
            stream.truncate(stream.tell() // 2)
            die()

    torch.save = half


def _at_rename(step: int, after: bool) -> None:
    save, replace, now = torch.save, os.replace, [False]

    def saved(content: Any, stream: Any, *arguments: Any, **options: Any) -> None:
        now[0] = _step_of(content) == step and "last.ckpt" in str(stream.name)
        save(content, stream, *arguments, **options)

    def renamed(*arguments: Any) -> None:
        if after or not now[0]:
            replace(*arguments)
        if now[0]:
            die()

    torch.save, os.replace = saved, renamed


def _in_row(step: int) -> None:
    original = launcher.metrics_file.MetricsFile.log_metrics

    def half(self: Any, metrics: Any, step_: int | None = None, **options: Any) -> None:
        at = options.get("step", step_)
        if at == step:
            with self.path.open("a") as stream:
                stream.write(f"{at},train/lo")
            die()
        original(self, metrics, at)

    launcher.metrics_file.MetricsFile.log_metrics = half  # type: ignore[method-assign,assignment]
