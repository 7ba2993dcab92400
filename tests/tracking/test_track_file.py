"""A track that is never whole in memory: its file is that of ``Track.save``, and what was tracked is kept."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from steadyface.errors import InputError
from steadyface.tracking.track import Track
from steadyface.tracking.track_file import StoredTrack, TrackWriter, track_blocks


def _track(frames=150):
    torch.manual_seed(0)
    return Track(
        torch.arange(frames).double() / 30, torch.randn(frames, 4), torch.eye(3).repeat(frames, 1, 1),
        torch.randn(frames, 3), torch.randn(frames, 9, 3), torch.eye(3).repeat(frames, 1, 1),
        torch.rand(frames), torch.ones(frames, dtype=torch.bool), torch.arange(frames) // 70,
        torch.rand(frames), torch.rand(frames, 2), ("lips", "jaw"),
    )  # fmt: skip


def _same(a: Track, b: Track) -> None:
    for field in fields(Track):
        one, other = getattr(a, field.name), getattr(b, field.name)
        if field.name == "region_names":
            assert one == other
        else:
            torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


def _write(path, track, step=40, **amended):
    with TrackWriter(path) as writer:
        for first in range(0, len(track), step):
            writer.append(track[first : first + step])
        writer.amend(**amended)


def test_a_track_written_in_parts_is_the_file_of_save(tmp_path):
    track = _track()
    _write(tmp_path / "parts.npz", track)
    track.save(tmp_path / "whole.npz")
    _same(Track.load(tmp_path / "parts.npz"), track)
    with np.load(tmp_path / "parts.npz") as one, np.load(tmp_path / "whole.npz") as other:
        assert sorted(one.files) == sorted(other.files)
        assert all(one[name].dtype == other[name].dtype for name in one.files)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["parts.npz", "whole.npz"]


@pytest.mark.parametrize("writer", ["parts", "save"])
def test_stretches_are_read_as_they_are(tmp_path, writer):
    track = _track()
    _write(tmp_path / "a.npz", track) if writer == "parts" else track.save(tmp_path / "a.npz")
    stored = StoredTrack(tmp_path / "a.npz")
    assert len(stored) == 150 and stored.region_names == ("lips", "jaw")
    _same(stored[33:99], track[33:99])
    blocks = list(track_blocks(stored, 64))
    assert [len(block) for block in blocks] == [64, 64, 22]
    _same(blocks[1], track[64:128])
    assert torch.equal(stored.shot, track.shot) and torch.equal(stored.confidence, track.confidence)


def test_what_is_known_at_the_end_makes_states_absent(tmp_path):
    track = _track()
    found = torch.ones(150, dtype=torch.bool)
    found[60:80] = False
    _write(tmp_path / "a.npz", track, found=found, confidence=torch.full((150,), 0.5))
    read = Track.load(tmp_path / "a.npz")
    assert torch.isnan(read.vertices[60:80]).all() and torch.isnan(read.rotation[60:80]).all()
    assert torch.equal(read.vertices[80:], track.vertices[80:]) and (read.confidence == 0.5).all()
    assert [(run.start, run.stop) for run in read.runs()] == [(0, 60), (80, 140), (140, 150)]
    with pytest.raises(ValueError, match="150 frames"):
        _write(tmp_path / "b.npz", track, found=found[:-1])


def test_an_error_on_the_way_keeps_what_was_tracked(tmp_path):
    track = _track()
    with pytest.raises(RuntimeError), TrackWriter(tmp_path / "a.npz") as writer:
        writer.append(track[:40])
        raise RuntimeError("the camera is gone")
    _same(Track.load(tmp_path / "a.npz"), track[:40])
    with pytest.raises(RuntimeError), TrackWriter(tmp_path / "b.npz"):
        raise RuntimeError("no frame at all")
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_an_older_file_has_one_shot_and_a_face_everywhere(tmp_path):
    track = _track(100)
    arrays = {f.name: getattr(track, f.name).numpy() for f in fields(Track)[:7]}
    np.savez(tmp_path / "old.npz", **arrays)
    for read in (Track.load(tmp_path / "old.npz"), StoredTrack(tmp_path / "old.npz")):
        assert read.found.all() and not read.shot.any() and torch.isnan(read.confidence).all() and len(read) == 100
    assert Track.load(tmp_path / "old.npz").region_confidence.shape == (100, 0)


def test_what_is_no_track_is_named(tmp_path):
    track = _track()
    track.save(tmp_path / "a.npz")
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    np.savez_compressed(tmp_path / "packed.npz", time_s=np.arange(9.0))
    np.savez(tmp_path / "other.npz", time_s=np.arange(9.0))
    for name in ("cut", "packed", "other", "none"):
        with pytest.raises(InputError, match=f"{name}.npz"):
            StoredTrack(tmp_path / f"{name}.npz")


def test_confidence_needs_its_names():
    with pytest.raises(InputError, match="region name"):
        replace(_track(), region_names=("lips",))
