"""A lane over time is the metric of the table, frame by frame."""

from __future__ import annotations

import pytest

from launcher.figures.finished import FinishedRun
from launcher.figures.stability import stability_lanes
from steadyface.tracking.track import Track

FRAMES = 9  # of the clip of conftest


def test_the_lanes_mean_is_the_score_of_the_summary(run):
    found = FinishedRun(run)
    lanes = {lane.row: lane for lane in stability_lanes(found, found.clips[0])}
    assert list(lanes) == ["source", "source_smoothed", "adapted"]
    for row, lane in lanes.items():
        assert lane.scores == found.summary["adapted_clip"][row]["acceleration_error_px_s2"]
        assert float(lane.values.mean()) == pytest.approx(lane.scores[0], rel=1e-5)  # the first seed's
        assert len(lane.values) == len(lane.time_s) == FRAMES - 2
        assert lane.time_s.tolist() == pytest.approx([(1 + i) / 30 for i in range(FRAMES - 2)])


def test_a_lane_is_the_acceleration_of_the_error_point_by_point(run):
    found = FinishedRun(run)
    lane = stability_lanes(found, found.clips[0])[0]
    track, truth, frame = Track.load(run / "tracks/adapted_clip/source.npz"), found.clips[0].truth, 4

    def pixel(clip, time, vertex):
        point = clip.intrinsics[time].double() @ (
            clip.rotation[time].double() @ clip.vertices[time, vertex].double() + clip.translation[time].double()
        )
        return point[:2] / point[2]

    sizes = []
    for vertex in range(64):
        before, now, after = (
            pixel(track, t, vertex) - pixel(truth, t, vertex) for t in (frame - 1, frame, frame + 1)
        )
        sizes.append(float((after - 2 * now + before).norm()) * 30**2)
    assert float(lane.values[frame - 1]) == pytest.approx(sum(sizes) / 64, rel=1e-4)
