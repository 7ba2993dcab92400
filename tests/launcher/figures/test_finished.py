"""Which tracks of an experiment are drawn."""

from __future__ import annotations

import torch

from launcher.figures.finished import first_tracks
from steadyface.tracking.landmark_track import LandmarkTrack


def test_the_first_seed_stands_for_a_row_and_points_are_no_mesh(tmp_path):
    for name in ("adapted-seed10", "adapted-seed2", "raw-seed-odd", "source"):
        (tmp_path / f"{name}.npz").touch()
    LandmarkTrack(torch.zeros(3, 5, 2), torch.arange(3).double(), None).save(tmp_path / "generic_tracker.npz")
    found = {row: path.stem for row, path in first_tracks(tmp_path).items()}
    assert found == {"adapted": "adapted-seed2", "raw-seed-odd": "raw-seed-odd", "source": "source"}
    assert first_tracks(tmp_path / "nowhere") == {}
