"""Area under the ROC, calibration error and wrong frames, against slow loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from steadyface.capture.clip_truth import ClipTruth
from steadyface.metrics.calibration import area_under_roc, expected_calibration_error, reliability
from steadyface.metrics.frame_correctness import FrameErrors, frame_errors, wrong_frames
from steadyface.tracking.track import Track


def slow_area(score, positive) -> float:
    won = total = 0.0
    for one, is_one in zip(score, positive, strict=True):
        for two, is_two in zip(score, positive, strict=True):
            if is_one and not is_two:
                total += 1
                won += 1.0 if one > two else 0.5 if one == two else 0.0
    return won / total


def slow_error(probability, outcome, bins) -> float:
    pairs = sorted(zip(probability, outcome, strict=True), key=lambda pair: pair[0])
    count, error, start = len(pairs), 0.0, 0
    for number in range(bins):
        size = count // bins + (1 if number < count % bins else 0)
        part = pairs[start : start + size]
        start += size
        said = sum(p for p, _ in part) / size
        came = sum(o for _, o in part) / size
        error += size / count * abs(said - came)
    return error


def test_area_counts_pairs() -> None:
    rng = np.random.default_rng(1)
    score = rng.integers(0, 8, 60) / 8  # with ties
    positive = rng.random(60) < score
    assert area_under_roc(score, positive) == pytest.approx(slow_area(score, positive), abs=1e-12)
    assert area_under_roc([1, 2, 3], [False, True, True]) == 1.0
    assert math.isnan(area_under_roc([1.0, 2.0], [True, True]))


@pytest.mark.parametrize("count", [10, 97])
def test_calibration_error_against_a_loop(count) -> None:
    rng = np.random.default_rng(2)
    probability = rng.random(count)
    outcome = rng.random(count) < probability**2
    assert expected_calibration_error(probability, outcome) == pytest.approx(slow_error(probability, outcome, 10))


def test_what_comes_as_often_as_said_has_no_error() -> None:
    probability = np.repeat([0.25, 0.75], 40)
    outcome = np.concatenate([np.tile([1, 0, 0, 0], 10), np.tile([1, 1, 1, 0], 10)]).astype(bool)
    assert expected_calibration_error(probability, outcome, bins=2) == 0.0
    found = reliability(probability, ~outcome, bins=2)
    assert found.observed.tolist() == [0.75, 0.25] and found.cases.tolist() == [40, 40]
    assert math.isnan(expected_calibration_error([], []))


def test_errors_of_frames_against_a_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    count, regions = 5, {"lips": torch.arange(0, 6), "brows": torch.arange(8, 14)}
    rigid = torch.arange(14, 24)
    shape = 60 * torch.randn(24, 3, generator=generator)
    vertices = shape.repeat(count, 1, 1)
    vertices[:, :14] += torch.randn(count, 14, 3, generator=generator)
    rotation, translation = torch.eye(3).repeat(count, 1, 1), torch.tensor([0.0, 0, 700]).repeat(count, 1)
    intrinsics = torch.tensor([[600.0, 0, 240], [0, 600, 320], [0, 0, 1]]).repeat(count, 1, 1)
    time_s = torch.arange(count).double() / 30
    truth = ClipTruth(vertices, rotation, translation, intrinsics, time_s)
    moved = vertices.clone()
    moved[:, :14] += torch.randn(count, 14, 3, generator=generator)
    aside = translation + torch.tensor([5.0, 0.0, 0.0])
    track = Track(time_s, torch.zeros(count, 2), rotation, aside, moved, intrinsics, torch.zeros(count))
    found = frame_errors(track, truth, regions, rigid)
    for t in range(count):
        # the rigid part is the same in both: canonical already
        for column, index in enumerate([torch.arange(24), *regions.values()]):
            in_head = sum(float((moved[t, i] - vertices[t, i]).norm()) for i in index) / len(index)
            assert float(found.vertex_mm[t, column]) == pytest.approx(in_head, abs=0.02)
            places = [
                [(600 * p[0] / p[2], 600 * p[1] / p[2]) for p in (one[t] + t0[t]).tolist()]
                for one, t0 in ((moved, aside), (vertices, translation))
            ]
            face = [places[1][i] for part in regions.values() for i in part]
            size = max(max(p[a] for p in face) - min(p[a] for p in face) for a in (0, 1))
            off = sum(math.dist(places[0][i], places[1][i]) for i in index) / len(index)
            assert float(found.reprojection[t, column]) == pytest.approx(off / size, rel=1e-3)


def test_wrong_is_over_twice_the_median_or_a_twentieth_of_the_face_or_no_face() -> None:
    vertex = torch.tensor([[1.0], [1.1], [0.9], [2.1], [1.0], [50.0], [50.0], [50.0], [50.0]])
    picture = torch.tensor([[0.01], [0.051], [0.01], [0.01], [0.01], [0.01], [0.01], [0.01], [0.01]])
    present = torch.tensor([True, True, True, True, False, False, False, False, False])
    wrong = wrong_frames(FrameErrors(vertex, picture), present)
    # median over the face's frames: 1.0, not moved by those of 50
    assert wrong[:, 0].tolist() == [False, True, False, True, True, True, True, True, True]
    assert wrong_frames(FrameErrors(vertex, picture), torch.zeros(9, dtype=torch.bool)).all()
