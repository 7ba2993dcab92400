"""Chooses the weights that an adaptation ends with, without truth; the source's own where none is better.

Every so many steps the running mean of the weights is a candidate: measured on a few watched frames beside the
frozen source, scored, and looked at by the guards. What was measured and decided is in the checkpoint, so that a
resumed training decides as the uninterrupted one.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, cast

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from callbacks.outputs import logged_step
from steadyface.errors import InputError
from steadyface.networks.encoder import Encoder
from steadyface.processes import of_all_processes
from steadyface.tracking.adaptation_score import Figures, ScoredClip, WatchedFrames
from steadyface.tracking.clip_evidence import ClipEvidence
from steadyface.tracking.guards import (
    STAYS_FOREIGN,
    Choice,
    GuardSettings,
    Verdict,
    choose,
    judge,
    judge_person,
)
from steadyface.types import SubjectStatistics

logger = logging.getLogger(__name__)


class Adapting(Protocol):
    """What the callback knows of an adaptation: the frozen ``source``, and ``encoder``, which is its result."""

    source: Encoder
    encoder: Encoder
    evidence: ClipEvidence
    statistics: SubjectStatistics


class Candidate(NamedTuple):
    """Weights that may become the result: after so many steps, what was measured, and what it means."""

    step: int
    figures: Figures
    verdict: Verdict


class CheckpointSelection(Callback):
    """Scores candidates while a module learns, and puts the chosen weights into ``encoder`` when it has learned.

    Args:
        settings: when, and by what limits. Without ``select`` only the source is measured, once, for the question
            whether the clip shows its person.
        watch: gives the frames to compare on, the same in every process.
        name: of the clips, for people.
        report: called with `summary` after every candidate and at the end, in every process.
        keep: called with a step and the module where candidates are to be kept.
        refined_after: steps after which replayed views teach the expression alone; 0 = never. From there on only the
            last step is a candidate.
    """

    def __init__(
        self,
        settings: GuardSettings,
        watch: Callable[[], WatchedFrames],
        name: str = "the clip",
        report: Callable[[dict[str, Any]], None] | None = None,
        keep: Callable[[int, LightningModule], None] | None = None,
        refined_after: int = 0,
    ) -> None:
        super().__init__()
        self._refined_after = refined_after
        self.settings, self._watch, self._name = settings, watch, name
        self._report, self._keep = report, keep
        self._scored: ScoredClip | None = None
        self.source: Figures | None = None
        self.candidates: list[Candidate] = []
        self.choice: Choice | None = None
        self._best: dict[str, Tensor] = {}  # what the best candidate so far has other than the source

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure the source, with which everything begins. Raises InputError where it says: somebody else."""
        module = cast(Adapting, pl_module)
        self._scored = ScoredClip(module.statistics, module.source, module.evidence, self._watch())
        figures = self._agreed(self._scored.source_figures())
        if self.source is None:  # on a resume it was judged before
            self.source = figures
            if self.settings.refuse_other_person:
                refuse_other_person(figures, module.source, self._name)
            if self.settings.select:
                self._log(trainer, figures, None)
                self._keep_candidate(0, pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take in a candidate when it is time."""
        step, last = trainer.global_step, self._refined_after or math.inf
        if self.settings.select and step <= last and (step % self.settings.every_steps == 0 or step == last):
            self._consider(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The last candidate, the choice, and its weights for the module."""
        if not self.settings.select:
            return
        self._consider(trainer, pl_module)
        module = cast(Adapting, pl_module)
        choice = self._still_somebody_else(self._choose(), module.source)
        restore(module.encoder, module.source, self._best if choice.step else {})
        self.choice = choice
        for writer in trainer.loggers:
            writer.log_metrics({"guard/chosen_step": float(choice.step)}, logged_step(trainer))
        logger.info("%s: step %d is the result: %s", self._name, choice.step, choice.reason)
        self._tell()

    def _consider(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure, judge and log the running mean as it is, once a step."""
        step, module = trainer.global_step, cast(Adapting, pl_module)
        if step == 0 or (self.candidates and self.candidates[-1].step == step):
            return
        assert self._scored is not None and self.source is not None  # since on_train_start
        figures = self._agreed(self._scored.measure(module.encoder))
        candidate = Candidate(step, figures, judge(figures, self.source, self.settings))
        before = self._chosen()
        self.candidates.append(candidate)
        if self._chosen() != before and self._chosen():
            self._best = differences(module.encoder, module.source)
        self._log(trainer, figures, candidate.verdict)
        said = "; ".join(candidate.verdict.faults) or "sound"
        logger.info("step %d: score %.4f, %s", step, candidate.verdict.score, said)
        self._keep_candidate(step, pl_module)
        self._tell()

    def _chosen(self) -> int:
        """The step that would be the result if the training ended now."""
        return self._choose().step

    def _choose(self) -> Choice:
        steps, verdicts = [c.step for c in self.candidates], [c.verdict for c in self.candidates]
        return choose(steps, verdicts, self.settings, self._refined_after)

    def _still_somebody_else(self, choice: Choice, source: Encoder) -> Choice:
        """The source instead of weights under which the face looks like another's to the end."""
        if not choice.step or not self.settings.refuse_other_person:
            return choice
        chosen = next(candidate for candidate in self.candidates if candidate.step == choice.step)
        fault = judge_person(chosen.figures, lab_residual(source), STAYS_FOREIGN)
        return Choice(0, f"rolled back to the source: {fault}") if fault else choice

    def _agreed(self, figures: Figures) -> Figures:
        """What rank 0 measured, in every process: they must choose alike."""
        values = figures.flat()
        row = torch.tensor([list(values.values())], dtype=torch.float64)
        return Figures.from_flat(dict(zip(values, of_all_processes(row)[0].tolist(), strict=True)))

    def _log(self, trainer: Trainer, figures: Figures, verdict: Verdict | None) -> None:
        values = {f"guard/{name}": value for name, value in figures.flat().items() if math.isfinite(value)}
        if verdict is None:
            values["guard/score"] = 0.0
        elif math.isfinite(verdict.score):
            values["guard/score"] = verdict.score
            values["guard/rejected"] = float(bool(verdict.faults))
        for writer in trainer.loggers:
            writer.log_metrics(values, logged_step(trainer) if verdict else 0)

    def _keep_candidate(self, step: int, pl_module: LightningModule) -> None:
        if self._keep is not None and self.settings.keep_candidates:
            self._keep(step, pl_module)

    def _tell(self) -> None:
        if self._report is not None:
            self._report(self.summary())

    def summary(self) -> dict[str, Any]:
        """What was measured and decided, in plain containers."""
        assert self.source is not None
        rows = [{"step": 0, "score": 0.0, "faults": [], "figures": self.source.flat()}]
        rows += [
            {"step": c.step, "score": c.verdict.score, "faults": list(c.verdict.faults), "figures": c.figures.flat()}
            for c in self.candidates
        ]
        chosen = {} if self.choice is None else {"chosen_step": self.choice.step, "reason": self.choice.reason}
        return {"clip": self._name, **chosen, "candidates": rows}

    def state_dict(self) -> dict[str, Any]:
        rows = [(c.step, c.figures.flat(), c.verdict.score, list(c.verdict.faults)) for c in self.candidates]
        choice = None if self.choice is None else tuple(self.choice)
        return {
            "source": None if self.source is None else self.source.flat(), "candidates": rows, "choice": choice,
            "best": dict(self._best),
        }  # fmt: skip

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        flat, choice = state_dict["source"], state_dict["choice"]
        self.source = None if flat is None else Figures.from_flat(flat)
        self.candidates = [
            Candidate(step, Figures.from_flat(values), Verdict(score, tuple(faults)))
            for step, values, score, faults in state_dict["candidates"]
        ]
        self.choice = None if choice is None else Choice(*choice)
        self._best = dict(state_dict["best"])


def differences(encoder: Encoder, source: Encoder) -> dict[str, Tensor]:
    """Copies, on the CPU, of the parameters and buffers in which an encoder differs from its source, by name."""
    before = source.state_dict()
    return {
        name: value.detach().cpu().clone()
        for name, value in encoder.state_dict().items() if not torch.equal(value, before[name])
    }  # fmt: skip


def restore(encoder: Encoder, source: Encoder, changed: dict[str, Tensor]) -> None:
    """Make an encoder the source but for what ``changed`` names, bit for bit."""
    encoder.load_state_dict({**source.state_dict(), **changed})


def refuse_other_person(figures: Figures, source: Encoder, name: str) -> None:
    """Raise InputError where the source network's figures say that a clip shows somebody else, or no face."""
    fault = judge_person(figures, lab_residual(source))
    if fault:
        remedy = "give a clip of the model's person and a box around the head, or write " \
                 "adaptation.guard.refuse_other_person=false to adapt all the same"  # fmt: skip
        raise InputError(name, "a clip of the person that the model was learned from", fault, remedy)


def lab_residual(source: Encoder) -> tuple[float, float]:
    """Mean and 95th percentile of a source's texture residual on held-out lab views."""
    mean, high = source.lab_residual.tolist()
    return mean, high
