"""The guard against showing less of the face: when it acts, and what it remembers."""

from __future__ import annotations

import pytest

from callbacks.checkpoint_selection import Candidate, CheckpointSelection
from callbacks.collapse_guard import CollapseGuard
from steadyface.errors import InputError
from steadyface.tracking.adaptation_score import Figures
from steadyface.tracking.guards import GuardSettings, Verdict


def _guard(action="stop"):
    return CollapseGuard(minimum=0.6, momentum=0.5, action=action)


def test_a_vanishing_face_stops_the_training(fit, stage):
    guard = _guard()
    trainer = fit(stage(shrinking=True), [guard], steps=20)
    # halved means of 1, 0.9, ... 0.5: 0.597 at the sixth step
    assert trainer.global_step == guard.collapsed_at_step == 6
    assert float(trainer.callback_metrics["guard/collapsed"]) == 1.0


def test_flagging_lets_a_baseline_run_to_its_end(fit, stage):
    guard = _guard("flag")
    trainer = fit(stage(shrinking=True), [guard], steps=10)
    assert trainer.global_step == 10 and guard.collapsed_at_step == 6


def test_a_face_that_stays_is_left_alone(fit, stage):
    guard = _guard()
    trainer = fit(stage(), [guard], steps=8)
    assert trainer.global_step == 8 and guard.collapsed_at_step is None
    assert float(trainer.callback_metrics["guard/collapsed"]) == 0.0


def test_a_resume_goes_on_with_the_same_mean(fit, stage):
    whole = _guard()
    fit(stage(shrinking=True), [whole], steps=20)
    fit(stage(shrinking=True), [_guard()], steps=4)
    resumed = _guard()
    fit(stage(shrinking=True), [resumed], steps=20, resume=True)
    assert resumed.state_dict() == pytest.approx(whole.state_dict())


def test_a_metric_that_is_not_logged_is_an_error(fit, stage):
    with pytest.raises(InputError, match="train/coverage"):
        fit(stage(), [CollapseGuard(metric="train/coverage")], steps=2)


class Measured(CheckpointSelection):
    """A selection whose candidates are given: at these steps, with these faults."""

    def __init__(self, faults: dict[int, tuple[str, ...]]) -> None:
        super().__init__(GuardSettings(), lambda: pytest.fail("no frame is looked at"))
        self.faults = faults

    def on_train_start(self, trainer, pl_module) -> None:
        pass

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        if trainer.global_step in self.faults:
            figures = Figures(*[1.0] * 10)
            verdict = Verdict(0.1, self.faults[trainer.global_step])
            self.candidates.append(Candidate(trainer.global_step, figures, verdict))


def test_candidates_that_are_rejected_one_after_the_other_are_a_collapse(fit, stage, caplog):
    damped = ("20% of the source's motion of the face is left",)
    selection = Measured({1: damped, 2: (), 3: damped, 4: damped, 5: damped})
    guard = CollapseGuard(selection=selection)
    trainer = fit(stage(), [selection, guard], steps=9)
    assert trainer.global_step == guard.collapsed_at_step == 5
    assert "collapse at step 5: 3 candidates rejected one after the other, the last for: 20% of" in caplog.text
