"""Confidence: the fit finds a known logistic, features are what they say, and the shipped file holds."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from steadyface.errors import InputError
from steadyface.tracking.confidence import (
    SHIPPED,
    VERSION,
    Calibration,
    Logistic,
    fit_logistic,
    shipped_calibration,
    usual_evidence,
)
from steadyface.tracking.confidence_features import NEIGHBOURS, frame_features, in_context, region_features
from steadyface.tracking.evidence import Evidence

REGIONS = 6

# What a well tracked frame's evidence is like, and an unrelated picture's.
GOOD = {
    "residual": 0.75, "correlation": 0.5, "outside": 0.2, "coverage": 1.0, "contrast": 0.5, "latent_distance": 0.2,
    "expression_mm": 1.0, "turn": 0.2, "doubt": 0.014, "misfit": 0.012, "peak": 0.14,
}  # fmt: skip
BAD = GOOD | {"residual": 1.05, "correlation": 0.0, "outside": 0.55, "doubt": 0.028, "misfit": 0.08, "peak": 0.1}


def evidence(*frames: dict[str, float]) -> Evidence:
    """Frames that are alike in all regions."""
    columns = {"latent": torch.full((len(frames), 4), 0.2), "place": torch.zeros(len(frames), 3)}
    for name in Evidence._fields:
        if name in columns:
            continue
        values = torch.tensor([frame[name.removeprefix("region_")] for frame in frames])
        columns[name] = values[:, None].repeat(1, REGIONS) if name.startswith("region_") else values
    return Evidence(**columns)


def test_the_fit_recovers_a_known_logistic() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal([3.0, -1.0, 0.0], [2.0, 0.5, 1.0], (20000, 3))
    weights, bias = np.array([1.2, -0.8, 0.0]), -0.4
    logit = ((features - [3.0, -1.0, 0.0]) / [2.0, 0.5, 1.0]) @ weights + bias
    outcome = rng.random(len(logit)) < 1 / (1 + np.exp(-logit))
    model = fit_logistic(features, outcome, ("a", "b", "c"), ridge=1.0)
    assert model.weights == pytest.approx(weights, abs=0.08) and model.bias == pytest.approx(bias, abs=0.06)
    assert model(features).mean() == pytest.approx(outcome.mean(), abs=1e-3)  # the bias is not held back


def test_a_probability_is_the_sigmoid_of_what_is_known() -> None:
    model = Logistic(("a", "b"), (1.0, 10.0), (2.0, 5.0), (0.5, -1.0), 0.25)
    said = model(np.array([[2.0, 15.0], [np.nan, 15.0], [1000.0, 10.0]]))
    logits = [0.25 + 0.5 * 0.5 - 1.0, 0.25 - 1.0, 0.25 + 0.5 * 4.0]  # nan says nothing; four deviations are the most
    assert said == pytest.approx([1 / (1 + math.exp(-value)) for value in logits])


def test_the_ridge_draws_weights_to_zero() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 1))
    outcome = features[:, 0] > 0
    weak, strong = (fit_logistic(features, outcome, ("a",), ridge) for ridge in (1.0, 1000.0))
    assert 0 < strong.weights[0] < 0.3 * weak.weights[0]


def test_balanced_both_outcomes_count_alike() -> None:
    rng = np.random.default_rng(0)
    features = np.concatenate([rng.normal(1.0, 1.0, (4000, 1)), rng.normal(-1.0, 1.0, (200, 1))])
    outcome = np.arange(len(features)) < 4000
    plain, fair = (fit_logistic(features, outcome, ("a",), 1.0, balanced=balanced) for balanced in (False, True))
    middle = np.zeros((1, 1))  # as likely from either
    assert float(plain(middle)[0]) > 0.9 and float(fair(middle)[0]) == pytest.approx(0.5, abs=0.06)


def test_context_is_the_median_of_the_neighbours() -> None:
    values = torch.randn(12, 3, generator=torch.Generator().manual_seed(0)).double()
    values[4, 1] = torch.nan
    found = in_context(values)
    for t in range(12):
        for column in range(3):
            near = [float(v) for v in values[max(0, t - NEIGHBOURS) : t + NEIGHBOURS + 1, column] if not math.isnan(v)]
            below = sorted(near)[(len(near) - 1) // 2]  # as torch's median: the lower of the middle two
            assert float(found[t, column]) == below


def test_usual_is_the_better_half() -> None:
    usual = usual_evidence(evidence(*[GOOD] * 4, *[BAD] * 3))
    assert usual.residual.shape == (1,) and usual.region_residual.shape == (1, REGIONS)
    assert float(usual.correlation) == 0.5 and float(usual.region_misfit[0, 2]) == pytest.approx(0.012)


def test_features_have_names_and_compare_with_the_usual() -> None:
    clip = evidence(GOOD, GOOD, BAD, GOOD)
    features, names = frame_features(clip, usual_evidence(clip))
    assert features.shape == (4, len(names)) and len(set(names)) == len(names)
    column = names.index("misfit_over_usual")
    assert features[:, column] == pytest.approx([0, 0, math.log(0.08 / 0.012), 0], abs=1e-5)
    assert features[2, names.index("misfit_in_time")] == pytest.approx(0.0, abs=1e-6)  # a frame alone
    by_region, region_names = region_features(clip, usual_evidence(clip))
    assert by_region.shape == (4, REGIONS, len(region_names)) and len(set(region_names)) == len(region_names)
    assert np.isfinite(features).all() and np.isfinite(by_region).all()


def test_the_shipped_calibration_trusts_good_evidence_alone() -> None:
    calibration = shipped_calibration()
    clip = evidence(*[GOOD] * 20, *[BAD] * 8)
    frame, regions, there = calibration.frame(clip), calibration.regions(clip), calibration.presence(clip)
    assert frame.shape == (28,) and regions.shape == (28, REGIONS) and frame.dtype == torch.float32
    assert float(frame[:18].min()) > 0.8 and float(frame[22:].max()) < 0.35
    assert float(regions[:18].mean()) > float(regions[22:].mean()) + 0.3
    assert float(there[:20].min()) > 0.9 and float(there[20:].max()) < 0.1
    _, names = frame_features(clip, usual_evidence(clip))
    assert calibration.frame_model.names == names


def test_what_is_usual_may_come_from_before() -> None:
    calibration, usual = shipped_calibration(), usual_evidence(evidence(*[GOOD] * 5))
    alone = calibration.frame(evidence(*[BAD] * 3), usual)
    assert float(alone.max()) < 0.35


def test_a_region_alone_lowers_its_own_confidence() -> None:
    clip = evidence(*[GOOD] * 20)
    for name, value in (("residual", 1.3), ("correlation", -0.1), ("outside", 0.8), ("misfit", 0.06), ("doubt", 0.03)):
        getattr(clip, f"region_{name}")[10:16, 2] = value
    regions = shipped_calibration().regions(clip)
    assert float(regions[13, 2]) < float(regions[13, [0, 1, 3, 4, 5]].min()) - 0.2


def test_saved_and_loaded_it_is_the_same(tmp_path) -> None:
    path = tmp_path / "confidence.json"
    calibration = shipped_calibration()
    calibration.save(path)
    assert Calibration.load(path) == calibration
    assert json.loads(path.read_text())["version"] == VERSION and calibration.made


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "a confidence calibration"), ("{}", "KeyError"), (None, "No such file"), ("old", "version 1")],
)
def test_a_file_that_is_none_is_refused(tmp_path, text, message) -> None:
    path = tmp_path / "confidence.json"
    if text == "old":
        text = json.dumps(json.loads(SHIPPED.read_text()) | {"version": 0})
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=message):
        Calibration.load(path)
