"""Filters by name over whole tracks: begun anew at cuts and losses, the same from a file, and causal frame by frame."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from pytorch3d.transforms import axis_angle_to_matrix

from steadyface.errors import InputError
from steadyface.tracking.filters.apply import FILTERS, filter_blocks, filter_file, filter_track
from steadyface.tracking.filters.causal import CAUSAL_FILTERS, causal_filter
from steadyface.tracking.smoothing import smooth_track
from steadyface.tracking.track import STATE_FIELDS, Track
from steadyface.tracking.track_file import StoredTrack
from steadyface.types import FaceState

WORKING = [name for name in FILTERS if name != "none"]


def make_track(frames=150, vertices=9) -> Track:
    """A head that nods and speaks, with jitter on everything."""
    time_s = 2.0 + (0.03 + 0.006 * torch.rand(frames).double()).cumsum(0)
    wave = torch.sin(4 * time_s)[:, None].float()
    turn = axis_angle_to_matrix(0.3 * wave * torch.tensor([1.0, 0.2, 0.0]) + 0.01 * torch.randn(frames, 3))
    shape = 20 * torch.randn(1, vertices, 3) + 3 * wave[..., None] * torch.randn(1, vertices, 3)
    place = torch.tensor([5.0, 0.0, 600.0]) + 10 * wave + torch.randn(frames, 3)
    camera = torch.tensor([[620.0, 0.0, 239.5], [0.0, 620.0, 319.5], [0.0, 0.0, 1.0]]).repeat(frames, 1, 1)
    return Track(
        time_s, wave + 0.1 * torch.randn(frames, 4), turn, place, shape + 0.2 * torch.randn(frames, vertices, 3),
        camera, torch.rand(frames), confidence=torch.rand(frames),
        region_confidence=torch.rand(frames, 2), region_names=("lips", "jaw"),
    )  # fmt: skip


def broken(track: Track) -> Track:
    """The face is lost in frames 0, 70 to 74 and the last; a cut is before frame 90."""
    found = torch.ones(len(track), dtype=torch.bool)
    found[[0, 70, 71, 72, 73, 74, len(track) - 1]] = False
    absent = {name: getattr(track, name).clone() for name in STATE_FIELDS}
    for values in absent.values():
        values[~found] = torch.nan
    return replace(track, **absent, found=found, shot=(torch.arange(len(track)) >= 90).long())


def same(one: Track, other: Track, atol: float = 0.0) -> None:
    for name in (*STATE_FIELDS, "time_s", "texture_residual", "found", "shot", "confidence", "region_confidence"):
        torch.testing.assert_close(getattr(one, name), getattr(other, name), rtol=0, atol=atol, equal_nan=True)
    assert one.region_names == other.region_names


@pytest.mark.parametrize("name", WORKING)
def test_each_run_is_filtered_by_itself_and_absent_states_stay_absent(name) -> None:
    track = broken(make_track())
    filtered = filter_track(track, name)
    runs = [(run.start, run.stop) for run in track.runs()]
    assert runs == [(1, 70), (75, 90), (90, 149)]
    for first, end in runs:
        alone = filter_track(track[first:end], name)
        same(filtered[first:end], alone)
        assert alone.vertices.isfinite().all() and not torch.equal(alone.vertices, track.vertices[first:end])
    assert all(getattr(filtered, field)[~track.found].isnan().all() for field in STATE_FIELDS)
    assert filtered.texture_residual.isnan().all() and torch.equal(filtered.confidence, track.confidence)
    if name == "savitzky_golay":
        same(filtered, smooth_track(track), atol=1e-4)


@pytest.mark.parametrize("name", WORKING)
def test_jitter_goes_and_the_input_stays(name) -> None:
    track = make_track()
    kept = replace(track, vertices=track.vertices.clone(), rotation=track.rotation.clone())
    filtered = filter_track(track, name)
    same(track, kept)
    for field in STATE_FIELDS:
        rough, smooth = (getattr(t, field).diff(n=2, dim=0).norm() for t in (track, filtered))
        assert smooth < 0.9 * rough, field
    identity = torch.eye(3).expand(len(track), 3, 3)
    torch.testing.assert_close(filtered.rotation @ filtered.rotation.transpose(1, 2), identity, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", FILTERS)
def test_a_file_is_filtered_as_a_track_in_memory_and_may_be_its_own_target(name, tmp_path) -> None:
    track, path = broken(make_track()), tmp_path / "track.npz"
    track.save(path)
    stored = StoredTrack(path)
    filter_file(path, path, name)
    same(Track.load(path), filter_track(track, name))
    same(stored[:], track)  # who had the unfiltered file open still reads it
    assert [p.name for p in tmp_path.iterdir()] == ["track.npz"]
    assert max(map(len, filter_blocks(stored, "none"))) <= 64


def test_none_changes_nothing() -> None:
    track = broken(make_track())
    same(filter_track(track, "none"), track)
    assert len(filter_track(track[:0], "kalman")) == 0


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_short_runs_pass(frames) -> None:
    for name in WORKING:
        assert filter_track(make_track(frames), name).vertices.isfinite().all()
    torch.testing.assert_close(filter_track(make_track(1), "kalman").vertices.shape, torch.Size([1, 9, 3]))


@pytest.mark.parametrize("name", CAUSAL_FILTERS)
def test_a_causal_filter_step_by_step_is_the_filter_of_the_track(name) -> None:
    track = broken(make_track())
    expected, step = filter_track(track, name), causal_filter(name)
    for i in range(len(track)):
        if not track.found[i] or (i and track.shot[i] != track.shot[i - 1]):
            step.restart()
        if track.found[i]:
            state = FaceState(*(getattr(track, field)[i : i + 1] for field in STATE_FIELDS[:3]))
            face = step.step(float(track.time_s[i]), state, track.vertices[i])
            assert face.vertices is not None and torch.equal(face.vertices, expected.vertices[i])
            for found, field in zip(face.state, STATE_FIELDS[:3], strict=True):
                assert torch.equal(found[0], getattr(expected, field)[i])


def test_a_filter_without_vertices() -> None:
    track = make_track(3)
    state = FaceState(track.latent[:1], track.rotation[:1], track.translation[:1])
    assert causal_filter("one_euro").step(0.0, state).vertices is None


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="none or one_euro or kalman or savitzky_golay, got 'median'"):
        filter_blocks(make_track(3), "median")
    with pytest.raises(InputError, match="none or one_euro, got 'kalman'"):
        causal_filter("kalman")
