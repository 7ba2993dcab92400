"""The pairs of vertices that part, a detector's measure, and the straight line from it to mm."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from steadyface.errors import InputError
from steadyface.tracking.openings import (
    MEDIAPIPE_PAIRS,
    OPENINGS,
    OUTER_CORNERS,
    ClipOpenings,
    OpeningScale,
    fit_scale,
    landmark_openings,
    opening_pairs,
)  # fmt: skip

COLUMNS = torch.tensor([-4.0, 0.0, 4.0])


def face() -> tuple[Any, torch.Tensor]:
    """Two rows of lips, and of lids at either side, which part by 0, 1, 2 mm; of the lips only the middle does."""
    places, regions = [], {"lips": [], "lids": []}
    for region, across, down in (("lips", 0.0, 50.0), ("lids", -30.0, 0.0), ("lids", 30.0, 0.0)):
        for edge in (0.0, 1.0):
            for column in COLUMNS.tolist():
                regions[region].append(len(places))
                places.append([across + column, down + edge, -90.0])
    mean = torch.tensor(places)
    meshes = mean.repeat(3, 1, 1)
    for frame, apart in enumerate((0.0, 1.0, 2.0)):
        meshes[frame, [4, 9, 10, 11, 15, 16, 17], 1] += apart
    named = {name: torch.tensor(index) for name, index in regions.items()}
    return cast(Any, SimpleNamespace(vertex_mean=mean, regions=named)), meshes


def test_the_pairs_that_part_most_are_chosen_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steadyface.tracking.openings._PAIRS", 1)
    pairs = opening_pairs(*face())
    assert pairs.shape == (3, 1, 2) and pairs[0, 0].tolist() == [1, 4]
    assert set(pairs[1, 0].tolist()) <= set(range(6, 12)) and set(pairs[2, 0].tolist()) <= set(range(12, 18))
    for first, second in pairs[:, 0].tolist():  # one of the upper edge, one of the lower
        assert (first % 6 < 3) != (second % 6 < 3)


@pytest.mark.parametrize("missing", ["lips", "lids"])
def test_a_capture_without_the_regions_is_refused(missing: str) -> None:
    statistics, meshes = face()
    del statistics.regions[missing]
    with pytest.raises(InputError, match=missing):
        opening_pairs(statistics, meshes)


def test_landmarks_are_measured_by_the_distance_between_the_eyes() -> None:
    landmarks = torch.randn(2, 478, 3, dtype=torch.double)
    found = landmark_openings(landmarks)
    for frame in range(2):
        unit = (landmarks[frame, OUTER_CORNERS[0]] - landmarks[frame, OUTER_CORNERS[1]]).norm()
        for opening, pairs in enumerate(MEDIAPIPE_PAIRS):
            expected = sum((landmarks[frame, a] - landmarks[frame, b]).norm() for a, b in pairs) / 3 / unit
            assert float(found[frame, opening]) == pytest.approx(float(expected))
    assert bool(torch.isnan(landmark_openings(torch.full((1, 478, 3), torch.nan))).all())


def test_the_scale_is_found_beside_gross_errors_and_says_how_far_it_is_trusted() -> None:
    detected = torch.rand(60, 3)
    true = torch.stack([90 * detected[:, 0] + 2, 40 * detected[:, 1] + 5, torch.randn(60)], dim=1)
    true[:6, 0] += 200.0
    detected[6] = torch.nan
    scale = fit_scale(detected, true, torch.tensor([5.0, 2.0, 2.0]))
    assert scale.slope[:2].tolist() == pytest.approx([90.0, 40.0], rel=1e-2)
    assert scale.offset[:2].tolist() == pytest.approx([2.0, 5.0], abs=0.5)
    assert float(scale.trust[1]) == pytest.approx(1.0, abs=1e-3) and float(scale.trust[2]) < 0.2
    with pytest.raises(InputError, match="20"):
        fit_scale(detected[:20], true[:20], scale.deviation)


def test_frames_are_looked_up_by_clip_and_number() -> None:
    one = torch.ones(3)
    scale = OpeningScale(2 * one, one, torch.tensor([1.0, 0.5, 0.0]), torch.tensor([4.0, 2.0, 1.0]))
    clips = (torch.zeros(2, 3), torch.arange(9.0).view(3, 3))
    found = ClipOpenings(torch.zeros(3, 1, 2, dtype=torch.long), scale, clips).of(torch.tensor([[1, 2], [0, 1]]))
    assert found.target.tolist() == [[13.0, 15.0, 17.0], [1.0, 1.0, 1.0]]
    assert found.weight.tolist() == [0.25, 0.25, 0.0] and len(OPENINGS) == 3
