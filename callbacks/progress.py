"""How far a stage is, how fast, and how long it will take: a bar in a terminal, lines in a log."""

from __future__ import annotations

import sys
import time
from typing import Any, TextIO

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ProgressBar
from tqdm import tqdm


class StageProgress(ProgressBar):
    """One bar over the whole stage, however many epochs its steps take.

    Lightning's own bar starts over at each epoch and so cannot tell the time left. Where the output
    is no terminal, a plain line every ``line_every_s`` seconds takes the bar's place. A function of the
    step: a resumed stage goes on where it was.

    Args:
        label: what the stage is called.
        line_every_s: seconds between two lines where there is no terminal.
        stream: where to write; standard error when None.
    """

    def __init__(
        self, label: str = "train", line_every_s: float = 10.0, stream: TextIO | None = None
    ) -> None:
        super().__init__()
        self.label, self.line_every_s = label, line_every_s
        self._stream = stream
        self._enabled = True
        self._bar: tqdm[Any] | None = None
        self._first_step, self._started, self._said = 0, 0.0, 0.0

    @property
    def stream(self) -> TextIO:
        """Standard error as it is now, unless another stream was given."""
        return self._stream or sys.stderr

    def disable(self) -> None:
        """Lightning calls this in every process but the first."""
        self._enabled = False

    def enable(self) -> None:
        """Undo ``disable``."""
        self._enabled = True

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to measure the rate, from the step that training goes on from."""
        self._first_step, self._started = trainer.global_step, time.monotonic()
        self._said = self._started
        if self._enabled and self.stream.isatty():
            self._bar = tqdm(
                desc=self.label, total=_total(trainer), initial=trainer.global_step, unit="step",
                file=self.stream, dynamic_ncols=True, smoothing=0.1,
            )  # fmt: skip

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar, or say a line when it is time."""
        if not self._enabled:
            return
        loss = self._loss(outputs)
        if self._bar is not None:
            self._bar.set_postfix_str(loss, refresh=False)
            self._bar.update(trainer.global_step - self._bar.n)
        elif time.monotonic() - self._said >= self.line_every_s or trainer.global_step == _total(trainer):
            self._said = time.monotonic()
            line = progress_line(
                self.label, trainer.global_step, _total(trainer), self._first_step, self._said - self._started
            )
            print(f"{line}, {loss}" if loss else line, file=self.stream, flush=True)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say why the bar stands still."""
        if self._bar is not None:
            self._bar.set_postfix_str("validating")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the bar."""
        self._close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leave the terminal's line whole for the error's."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    @staticmethod
    def _loss(outputs: Any) -> str:
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        return "" if loss is None else f"loss {float(loss):.4g}"


def progress_line(label: str, step: int, total: int | None, first_step: int, elapsed_s: float) -> str:
    """One line of progress; the rate is that of this process, since ``first_step``.

    >>> progress_line("adapt", 150, 400, 100, 25.0)
    'adapt: 150/400 steps (38 %), 2.0 steps/s, 2 min 5 s left'
    """
    rate = (step - first_step) / elapsed_s if elapsed_s > 0 else 0.0
    pace = f"{rate:.1f} steps/s" if rate >= 1 or rate == 0 else f"{1 / rate:.1f} s/step"
    if total is None:
        return f"{label}: {step} steps, {pace}"
    left = f", {duration((total - step) / rate)} left" if rate > 0 and step < total else ""
    return f"{label}: {step}/{total} steps ({100 * step / total:.0f} %), {pace}{left}"


def duration(seconds: float) -> str:
    """Seconds as a person says them.

    >>> duration(42.4), duration(125), duration(7260)
    ('42 s', '2 min 5 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _total(trainer: Trainer) -> int | None:
    steps = trainer.estimated_stepping_batches
    return int(steps) if steps != float("inf") else None
