"""What is printed of a filter: a lag that is known is found, and jitter is measured where the face rests."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from steadyface.geometry.cameras import project, transform
from steadyface.tracking.filters.apply import filter_track
from steadyface.tracking.filters.lag_report import FilterReport, describe_filter, moving_points
from steadyface.tracking.track import Track
from steadyface.tracking.track_file import StoredTrack

FRAMES, FPS = 150, 30


def make_track(jitter=0.0) -> Track:
    """40 vertices, the first 10 of which move; for the last 50 frames everything rests, but for the jitter."""
    time_s = torch.arange(FRAMES).double() / FPS
    phase = time_s.clamp(max=100 / FPS)
    wave = (torch.sin(5 * phase) + 0.5 * torch.sin(11 * phase)).float()
    vertices = 30 * torch.randn(1, 40, 3).repeat(FRAMES, 1, 1)
    vertices[:, :10] += 4 * wave[:, None, None]
    vertices += jitter * torch.randn(FRAMES, 40, 3)
    camera = torch.tensor([[620.0, 0.0, 239.5], [0.0, 620.0, 319.5], [0.0, 0.0, 1.0]]).repeat(FRAMES, 1, 1)
    place = torch.tensor([0.0, 0.0, 600.0]) + wave[:, None] * torch.tensor([9.0, 2.0, 0.0])
    eye = torch.eye(3).repeat(FRAMES, 1, 1)
    return Track(time_s, torch.zeros(FRAMES, 2), eye, place, vertices, camera, torch.zeros(FRAMES))


def late(track: Track, frames: int) -> Track:
    """The same states, that many frames late."""
    index = (torch.arange(len(track)) - frames).clamp(min=0)
    return replace(track, vertices=track.vertices[index], translation=track.translation[index])


def picture(track: Track) -> torch.Tensor:
    return project(transform(track.vertices, track.rotation, track.translation), track.intrinsics)


def test_a_known_lag_is_found() -> None:
    track = make_track()
    report = FilterReport(moving_points(track))
    report.add(track, late(track, 2))
    effect = report.effect()
    assert effect.lag_expression_ms == pytest.approx(2000 / FPS, abs=4.0)
    assert effect.lag_picture_ms == pytest.approx(2000 / FPS, abs=4.0)
    assert describe_filter(track, late(track, 2)) == str(effect)


def test_jitter_is_measured_at_rest_against_a_slow_loop() -> None:
    track = make_track(jitter=0.05)
    calm = replace(track, vertices=make_track().vertices)
    report = FilterReport(torch.arange(40))
    report.add(track, calm)
    pixels, smooth, rows = picture(track).double(), picture(calm).double(), []
    for frame in range(4, FRAMES - 4):
        for point in range(40):
            moved = (pixels[frame + 4, point] - pixels[frame - 4, point]).norm()
            bend = [(p[frame + 1, point] - 2 * p[frame, point] + p[frame - 1, point]).norm() for p in (pixels, smooth)]
            rows.append((float(moved), float(bend[0]) * FPS**2, float(bend[1]) * FPS**2))
    rows = sorted(rows)[: round(len(rows) / 4)]
    before, after = (sum(row[column] for row in rows) / len(rows) for column in (1, 2))
    effect = report.effect()
    assert effect.rest_before_px_s2 == pytest.approx(before, rel=1e-3)
    assert effect.rest_after_px_s2 == pytest.approx(after, rel=1e-3, abs=0.1)


def test_the_points_that_move_are_looked_at() -> None:
    assert sorted(moving_points(make_track(0.01), 10).tolist()) == list(range(10))


def test_lost_frames_and_cuts_do_not_count(tmp_path) -> None:
    track = make_track(0.02)
    found = torch.ones(FRAMES, dtype=torch.bool)
    found[60:64] = False
    track = replace(track, vertices=torch.where(found[:, None, None], track.vertices, torch.nan), found=found)
    filtered = filter_track(track, "one_euro")
    track.save(tmp_path / "a.npz")
    filtered.save(tmp_path / "b.npz")
    line = describe_filter(track, filtered)
    assert describe_filter(StoredTrack(tmp_path / "a.npz"), StoredTrack(tmp_path / "b.npz")) == line
    report = FilterReport(moving_points(track))
    report.add(track, filtered)
    effect = report.effect()
    assert 0 < effect.lag_expression_ms < 34 and effect.rest_after_px_s2 < 0.8 * effect.rest_before_px_s2


def test_a_report_remembers_only_what_it_may() -> None:
    track, report = make_track(0.05), FilterReport(torch.arange(5), frames=60)
    for frame in range(FRAMES):
        report.add(track[frame : frame + 1], track[frame : frame + 1])
    last = FilterReport(torch.arange(5))
    last.add(track[-60:], track[-60:])
    assert report.effect() == last.effect()


def test_too_short_a_track_says_so() -> None:
    track = make_track()[:5]
    line = describe_filter(track, track)
    assert "not measurable in the expression" in line and "no frames to measure jitter in" in line
    nothing = replace(track, found=torch.zeros(5, dtype=torch.bool))
    assert "not measurable" in describe_filter(nothing, nothing)
    assert math.isnan(FilterReport(torch.arange(3)).effect().lag_picture_ms)
