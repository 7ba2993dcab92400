from __future__ import annotations

from pathlib import Path

import pytest
import torch

from steadyface.capture.clip_truth import ClipTruth, truth_path
from steadyface.errors import InputError


def truth(frames: int) -> ClipTruth:
    return ClipTruth(
        torch.randn(frames, 5, 3), torch.eye(3).repeat(frames, 1, 1), torch.randn(frames, 3),
        torch.eye(3).repeat(frames, 1, 1), torch.arange(frames, dtype=torch.float64) / 30,
    )  # fmt: skip


def test_round_trip_leaves_one_file(tmp_path: Path) -> None:
    path = truth_path(tmp_path / "clips" / "adapt.mp4")
    written = truth(4)
    written.save(path)
    again = ClipTruth.load(path)
    assert all(torch.equal(getattr(again, name), value) for name, value in vars(written).items())
    assert again.time_s.dtype == torch.float64
    assert [file.name for file in path.parent.iterdir()] == ["adapt.truth.npz"]


def test_faults(tmp_path: Path) -> None:
    path = tmp_path / "a.truth.npz"
    with pytest.raises(InputError, match="no such file"):
        ClipTruth.load(path)
    path.write_bytes(b"PK not a zip")
    with pytest.raises(InputError, match="unusable"):
        ClipTruth.load(path)
    ClipTruth(**{**vars(truth(4)), "time_s": torch.zeros(3, dtype=torch.float64)}).save(path)
    with pytest.raises(InputError, match="same number of frames"):
        ClipTruth.load(path)
