"""The guard against showing less of the face: when it acts, and what it remembers."""

from __future__ import annotations

import pytest

from callbacks.collapse_guard import CollapseGuard
from steadyface.errors import InputError


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
