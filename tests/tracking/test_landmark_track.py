"""Landmarks: stability over the frames that were found, errors only at named vertices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from steadyface.capture.clip_truth import ClipTruth
from steadyface.metrics.evaluate_track import JudgedFace, judged_face
from steadyface.metrics.stability import acceleration_px_s2
from steadyface.tracking.landmark_track import LandmarkTrack, landmark_metrics, load_landmarks

FULL = torch.tensor([[620.0, 0.0, 239.5], [0.0, 620.0, 319.5], [0.0, 0.0, 1.0]])
TIME = torch.arange(9).double() / 30


def moving(frames: int = 9) -> Tensor:
    return (torch.randn(frames, 5, 2) * 3 + 100).double()


def true_face() -> JudgedFace:
    vertices = (60 * torch.randn(1, 7, 3) + torch.randn(9, 7, 3)).double()
    truth = ClipTruth(
        vertices, torch.eye(3).double().expand(9, 3, 3), torch.tensor([[0.0, 0.0, 500.0]]).double().expand(9, 3),
        FULL.expand(9, 3, 3), TIME,
    )  # fmt: skip
    return judged_face(truth, torch.arange(7), vertices[0])


def test_only_runs_of_found_frames_are_measured() -> None:
    points = moving()
    points[5] = torch.nan  # 0-4 and 6-8 remain
    track = LandmarkTrack(points, TIME)
    assert [(run.start, run.stop) for run in track.runs()] == [(0, 5), (6, 9)]
    values = landmark_metrics(track)
    first, second = (float(acceleration_px_s2(points[a:b], TIME[a:b])) for a, b in ((0, 5), (6, 9)))
    assert values["acceleration_px_s2"] == pytest.approx((3 * first + second) / 4)  # 3 and 1 second differences
    assert values["frames_without_face"] == 1 and values["stability_ratio_picture"] > 1
    assert "reprojection_error_px" not in values


def test_runs_reach_to_both_ends_and_short_ones_are_left_out() -> None:
    points = moving()
    points[[2, 8]] = torch.nan
    assert [(run.start, run.stop) for run in LandmarkTrack(points, TIME).runs()] == [(3, 8)]
    assert landmark_metrics(LandmarkTrack(torch.full((9, 5, 2), torch.nan), TIME)) == {"frames_without_face": 9.0}


def test_named_vertices_are_compared_with_the_truth_and_others_are_not() -> None:
    true, index = true_face(), torch.tensor([4, 0, 6])
    points = true.picture[:, index] + torch.tensor([3.0, 4.0])
    values = landmark_metrics(LandmarkTrack(points, TIME, index), true)
    assert values["reprojection_error_px"] == pytest.approx(5.0)
    assert values["acceleration_error_px_s2"] == pytest.approx(0.0, abs=1e-6)
    assert "reprojection_error_px" not in landmark_metrics(LandmarkTrack(points, TIME), true)
    assert "reprojection_error_px" not in landmark_metrics(LandmarkTrack(points, TIME, index))


def test_the_file_holds_what_was_found(tmp_path: Path) -> None:
    track = LandmarkTrack(moving(), TIME, torch.arange(5))
    track.save(tmp_path / "new" / "generic.npz")
    with np.load(tmp_path / "new" / "generic.npz") as stored:
        assert set(stored.files) == {"landmarks", "time_s", "vertex_index"}
        np.testing.assert_array_equal(stored["landmarks"], track.points.numpy())
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["generic.npz"]


def test_what_was_written_is_read_and_other_files_are_none(tmp_path: Path) -> None:
    points = moving()
    points[3] = torch.nan
    LandmarkTrack(points, TIME, torch.arange(5)).save(tmp_path / "a.npz")
    read = load_landmarks(tmp_path / "a.npz")
    assert read is not None and read.vertex_index is not None and read.vertex_index.tolist() == list(range(5))
    assert torch.equal(read.time_s, TIME) and read[2:5].found.tolist() == [True, False, True]
    np.testing.assert_array_equal(read.points.numpy(), points.numpy())
    np.savez(tmp_path / "b.npz", vertices=np.zeros((3, 2, 3)))
    (tmp_path / "c.npz").write_text("no archive")
    assert [load_landmarks(tmp_path / name) for name in ("b.npz", "c.npz", "absent.npz")] == [None] * 3
