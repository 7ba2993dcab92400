"""A track and its file: nothing lost, nothing half-written, faults named."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch

from steadyface.errors import InputError
from steadyface.tracking.track import Track


def _track(frames=5):
    return Track(
        torch.arange(frames).double() / 30, torch.randn(frames, 4), torch.eye(3).repeat(frames, 1, 1),
        torch.randn(frames, 3), torch.randn(frames, 9, 3), torch.eye(3).repeat(frames, 1, 1),
        torch.full((frames,), torch.nan),
    )  # fmt: skip


def test_a_saved_track_is_read_back_whole(tmp_path):
    track = _track()
    track.save(tmp_path / "new folder" / "a.npz")
    found = Track.load(tmp_path / "new folder" / "a.npz")
    for field in fields(Track):
        one, other = getattr(found, field.name), getattr(track, field.name)
        assert one == other if field.name == "region_names" else torch.allclose(one, other, equal_nan=True)
    assert [p.name for p in (tmp_path / "new folder").iterdir()] == ["a.npz"]
    assert found.time_s.dtype == torch.float64 and len(found) == 5


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    _track(5).save(path)
    monkeypatch.setattr("numpy.savez", lambda *a, **k: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        _track(6).save(path)
    monkeypatch.undo()
    assert len(Track.load(path)) == 5 and len(list(tmp_path.iterdir())) == 1


def test_camera_vertices_apply_the_pose():
    track = _track()
    torch.testing.assert_close(track.camera_vertices(), track.vertices + track.translation[:, None])


def test_faults_are_named(tmp_path):
    with pytest.raises(InputError, match="'rotation'"):
        replace(_track(), rotation=torch.eye(3))
    with pytest.raises(InputError, match="no such file"):
        Track.load(tmp_path / "a.npz")
    _track().save(tmp_path / "b.npz")
    content = (tmp_path / "b.npz").read_bytes()
    (tmp_path / "b.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="unreadable"):
        Track.load(tmp_path / "b.npz")
