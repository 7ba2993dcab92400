"""Score, guards and choice as pure functions of figures."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from steadyface.tracking.adaptation_score import Figures
from steadyface.tracking.guards import WEIGHTS, GuardSettings, Verdict, check_guard, choose, judge, judge_person, score

SOURCE = Figures(0.70, 0.71, 0.6, 0.30, 0.50, 1.4, 1.0, 0.2, 1.0, 1.0, {"lips": 1.0})
BETTER = replace(SOURCE, residual=0.6, residual_held_out=0.61, registration_px=0.2)
SETTINGS = GuardSettings()


def test_the_score_is_a_weighted_mean_of_logarithms() -> None:
    expected = (math.log(0.2 / 0.3) + 2 * math.log(0.6 / 0.7)) / sum(WEIGHTS.values())
    assert score(BETTER, SOURCE) == pytest.approx(expected) and score(SOURCE, SOURCE) == 0.0
    without_points = [replace(figures, misfit_px=math.nan) for figures in (BETTER, SOURCE)]
    assert score(*without_points) == pytest.approx(expected * 6 / 5)
    assert math.isnan(score(replace(BETTER, residual=math.nan), SOURCE))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"coverage": 0.5}, "50% of the face that the source saw is still in sight"),
        ({"residual_held_out": 0.72}, "residual on held-out frames 0.720, the source's 0.710"),
        ({"motion_gain": 0.3}, "30% of the source's motion of the face is left"),
        ({"head_gain": 0.2}, "20% of the source's motion of the head is left"),
        ({"latent_distance": 1.6}, "latent distance 1.60 times the lab's usual"),
        ({"latent_distance": 0.34}, "latent distance 1.70 times the source's"),
        ({"residual": math.nan}, "no face in the watched frames"),
    ],
)  # fmt: skip
def test_each_guard_rejects_for_its_reason(change: dict[str, float], fault: str) -> None:
    assert judge(BETTER, SOURCE, SETTINGS).faults == ()
    assert fault in "; ".join(judge(replace(BETTER, **change), SOURCE, SETTINGS).faults)


def test_the_distance_to_the_registered_place_may_not_grow_where_a_limit_is_set() -> None:
    away = replace(BETTER, registration_px=0.31)
    limited = replace(SETTINGS, most_registration=1.0)
    assert judge(away, SOURCE, SETTINGS).faults == () and judge(BETTER, SOURCE, limited).faults == ()
    assert judge(away, SOURCE, limited).faults == (
        "registration places texels 0.310 px from where they lie, under the source 0.300",
    )
    unknown = replace(SOURCE, registration_px=math.nan)
    assert judge(away, unknown, limited).faults == ()


def test_the_lowest_sound_score_is_chosen_and_a_margin_is_asked() -> None:
    good, better, bad = Verdict(-0.1, ()), Verdict(-0.2, ()), Verdict(-0.5, ("damped",))
    assert choose([10, 20, 30], [good, better, bad], SETTINGS).step == 20
    assert choose([10, 20], [good, good], SETTINGS).step == 10
    slight = choose([10], [Verdict(-0.04, ())], SETTINGS)
    assert slight.step == 0 and "-0.040 at step 10, is not below" in slight.reason
    rejected = choose([10, 20], [bad, bad], SETTINGS)
    assert rejected.step == 0 and "rejects every candidate, the last for: damped" in rejected.reason
    assert choose([], [], SETTINGS).step == 0


def test_the_last_candidate_that_is_nearly_as_good_is_taken_where_that_is_asked() -> None:
    patient = replace(SETTINGS, later_margin=0.01)
    scores = [Verdict(-0.2, ()), Verdict(-0.192, ()), Verdict(-0.189, ()), Verdict(-0.195, ("damped",))]
    chosen = choose([10, 20, 30, 40], scores, patient)
    assert chosen.step == 20
    assert "score -0.192, the last of 4 candidates within 0.01 of the lowest, -0.200 at step 10" in chosen.reason
    assert choose([10, 20, 30, 40], scores, SETTINGS).step == 10
    lowest_is_last = choose([10, 20], [Verdict(-0.195, ()), Verdict(-0.2, ())], patient)
    assert lowest_is_last.step == 20 and "the lowest of 2" in lowest_is_last.reason
    # one that would not be taken by itself is not taken for being late
    assert choose([10, 20], [Verdict(-0.055, ()), Verdict(-0.049, ())], patient).step == 10


def test_a_refined_expression_is_taken_where_it_is_sound_and_costs_little() -> None:
    good, better, half_taught = Verdict(-0.1, ()), Verdict(-0.2, ()), Verdict(-0.15, ())
    refined = choose([10, 20, 40], [better, good, Verdict(-0.195, ())], SETTINGS, refined_after=20)
    assert refined.step == 40
    assert "refined by replay, score -0.195; the best before it, -0.200, at step 10" in refined.reason
    worse = choose([10, 20, 40], [better, good, half_taught], SETTINGS, refined_after=20)
    assert worse.step == 10 and "the refined expression scores -0.150" in worse.reason
    rejected = choose([10, 20, 40], [better, good, Verdict(-0.3, ("damped",))], SETTINGS, refined_after=20)
    assert rejected.step == 10 and "a guard rejects the refined expression: damped" in rejected.reason
    # without a clip step that beats the source, the refined one must beat it by itself
    assert choose([20, 40], [Verdict(0.1, ()), Verdict(-0.03, ())], SETTINGS, refined_after=20).step == 0
    assert choose([20, 40], [Verdict(0.1, ()), Verdict(-0.06, ())], SETTINGS, refined_after=20).step == 40


def test_figures_go_through_plain_numbers() -> None:
    assert Figures.from_flat(SOURCE.flat()) == SOURCE and SOURCE.flat()["motion_gain_lips"] == 1.0


def test_another_person_is_told_by_what_is_left_when_noise_is_averaged_away() -> None:
    own, noisy = replace(SOURCE, likeness=0.6), replace(SOURCE, residual=0.9, likeness=0.6)
    other = replace(SOURCE, likeness=0.1)
    assert judge_person(own, (0.7, 0.9)) == "" == judge_person(noisy, (0.7, 0.9))
    assert "0.10" in judge_person(other, (0.7, 0.9))
    assert judge_person(other, (0.0, 0.0)) == "", "a network that was never measured on its lab"
    assert judge_person(other, (1.05, 1.2)) == "", "a network that does not know its own lab"
    assert "no face" in judge_person(replace(SOURCE, likeness=math.nan), (0.7, 0.9))


def test_settings_that_cannot_be() -> None:
    assert list(check_guard(SETTINGS, "adaptation.guard")) == []
    wrong = GuardSettings(every_steps=0, held_out=0.5, frames=1)
    assert [fault.subject for fault in check_guard(wrong, "g")] == ["g.every_steps", "g.frames", "g.held_out"]
