"""Notices when an adaptation lowers its loss by showing less of the face, or by another way out.

Textures agree perfectly where there is no face: consistency alone moves the head out of the picture
or turns it away. The share of the texels seen by the frozen source that are still seen tells, at every step. A damped
face, an expression beyond the lab's and a fit that held-out frames do not share tell themselves in the candidates that
a `CheckpointSelection` measures every so many steps.
"""

from __future__ import annotations

import logging
from typing import Any, Literal

from pytorch_lightning import Callback, LightningModule, Trainer

from callbacks.checkpoint_selection import CheckpointSelection
from steadyface.errors import InputError
from steadyface.processes import of_all_processes

logger = logging.getLogger(__name__)


class CollapseGuard(Callback):
    """Watches a logged coverage; logs ``guard/collapsed`` (0 or 1) and stops or only flags.

    The running mean and the step of a collapse are in the checkpoint.

    Args:
        metric: what the module logs at each training step, a share in [0, 1].
        minimum: running mean of the share under which the face counts as lost.
        momentum: of the running mean, per step: one odd batch is no collapse.
        action: ``stop`` ends the training, ``flag`` lets it go on (for baselines that are meant to show
            the collapse).
        selection: whose candidates are looked at, before this callback in the trainer's list; None for none.
        patience: so many candidates that a guard rejects, one after the other, are a collapse, too.

    Raises:
        InputError: the module does not log the metric.
    """

    def __init__(
        self,
        metric: str = "train/texture_coverage",
        minimum: float = 0.5,
        momentum: float = 0.9,
        action: Literal["stop", "flag"] = "stop",
        selection: CheckpointSelection | None = None,
        patience: int = 3,
    ) -> None:
        super().__init__()
        self.metric, self.minimum, self.momentum, self.action = metric, minimum, momentum, action
        self.coverage = 1.0
        self.collapsed_at_step: int | None = None
        self._selection, self._patience = selection, patience

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take in the step's coverage; a nan counts as nothing seen."""
        if self.metric not in trainer.callback_metrics:
            known = ", ".join(sorted(trainer.callback_metrics)) or "none"
            expected = f"a logged metric {self.metric!r}"
            raise InputError("collapse guard", expected, known, "log it, or name another")
        share = trainer.callback_metrics[self.metric].double().nan_to_num(0.0, 0.0, 0.0)
        # the mean over the processes: all stop at the same step, and a resume gives each of them what it had
        share = of_all_processes(share.view(1)).mean()
        self.coverage = self.momentum * self.coverage + (1.0 - self.momentum) * float(share)
        if self.coverage < self.minimum and self.collapsed_at_step is None:
            self.collapsed_at_step = trainer.global_step
            logger.warning(
                "collapse at step %d: only %.0f %% of the face that the source saw is still in the picture",
                trainer.global_step, 100.0 * self.coverage,
            )  # fmt: skip
        self._look_at_candidates(trainer.global_step)
        collapsed = self.collapsed_at_step is not None
        pl_module.log("guard/collapsed", float(collapsed), sync_dist=False)
        if collapsed and self.action == "stop":
            trainer.should_stop = True

    def _look_at_candidates(self, step: int) -> None:
        """Collapsed, where the last candidates were all rejected."""
        last = [] if self._selection is None else self._selection.candidates[-self._patience :]
        if self.collapsed_at_step is not None or len(last) < self._patience:
            return
        if all(candidate.verdict.faults for candidate in last):
            self.collapsed_at_step = step
            faults = "; ".join(last[-1].verdict.faults)
            logger.warning("collapse at step %d: %d candidates rejected one after the other, the last for: %s",
                           step, self._patience, faults)  # fmt: skip

    def state_dict(self) -> dict[str, Any]:
        return {"coverage": self.coverage, "collapsed_at_step": self.collapsed_at_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.coverage = state_dict["coverage"]
        self.collapsed_at_step = state_dict["collapsed_at_step"]
