"""A track against its truth: the names, the gauge, and what each kind of fault does to the figures."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from pytorch3d.transforms import axis_angle_to_matrix

from steadyface.capture.clip_truth import ClipTruth
from steadyface.errors import InputError
from steadyface.metrics.evaluate_track import evaluate_track, judged_face
from steadyface.tracking.track import Track, without_faces

FRAMES, VERTICES = 40, 60
RIGID, REGIONS = torch.arange(20), {"lips": torch.arange(40, 50), "jaw": torch.arange(50, 60)}


def _truth():
    time_s = torch.arange(FRAMES).double() / 30
    head = torch.randn(VERTICES, 3) * 60
    motion = torch.zeros(FRAMES, VERTICES, 3)
    phase = time_s.float()[:, None] * 8 + torch.arange(20) * 0.1
    motion[:, 40:, 1] = 5 * torch.sin(phase) + 2 * torch.sin(2.7 * phase)
    sway = torch.stack(
        [0.1 * torch.sin(time_s * 2), 0.2 * torch.cos(time_s * 3), 0.0 * time_s], dim=1
    ).float()
    place = torch.tensor([0.0, 0.0, 500.0]) + 100 * sway
    k = torch.tensor([[600.0, 0.0, 240.0], [0.0, 600.0, 320.0], [0.0, 0.0, 1.0]]).expand(FRAMES, 3, 3)
    return ClipTruth(head + motion, axis_angle_to_matrix(sway), place, k.clone(), time_s)


def _track(truth):
    return Track(
        truth.time_s, torch.zeros(FRAMES, 2), truth.rotation, truth.translation, truth.vertices,
        truth.intrinsics, torch.zeros(FRAMES),
    )  # fmt: skip


def test_a_perfect_track_scores_perfectly():
    truth = _truth()
    found = evaluate_track(_track(truth), truth, REGIONS, RIGID)
    for name, value in found.items():
        if "_error" in name:
            assert value == pytest.approx(0.0, abs=1e-5), name
    assert found["motion_gain"] == found["motion_gain_lips"] == pytest.approx(1.0)
    assert found["lag_ms"] == found["lag_ms_picture"] == pytest.approx(0.0, abs=1e-6)
    assert found["acceleration_px_s2"] > 0 and found["stability_ratio"] >= 1
    assert {"vertex_error_lips_mm", "vertex_error_jaw_mm", "motion_gain_jaw"} <= set(found)


def test_rigid_motion_hidden_in_the_mesh_is_head_pose_and_no_expression():
    truth = _truth()
    turn = axis_angle_to_matrix(torch.tensor([0.0, 0.0, math.radians(2.0)]))
    wobbling = replace(_track(truth), vertices=truth.vertices @ turn.T)
    found = evaluate_track(wobbling, truth, REGIONS, RIGID)
    assert found["vertex_error_mm"] == pytest.approx(0.0, abs=1e-4)
    assert found["head_rotation_error_deg"] == pytest.approx(2.0, abs=1e-3)
    assert found["reprojection_error_px"] > 1


def test_a_damped_mouth_shows_in_its_region_and_its_gain():
    truth = _truth()
    damped = truth.vertices.clone()
    mean = damped.mean(dim=0)
    damped[:, 40:50] = mean[40:50] + 0.5 * (damped[:, 40:50] - mean[40:50])
    found = evaluate_track(replace(_track(truth), vertices=damped), truth, REGIONS, RIGID)
    assert found["motion_gain_lips"] == pytest.approx(0.5, abs=1e-6)
    assert found["vertex_error_lips_mm"] > 1 and found["vertex_error_jaw_mm"] == pytest.approx(0, abs=1e-5)
    once = judged_face(truth, RIGID, truth.vertices.double().mean(dim=0))
    assert evaluate_track(replace(_track(truth), vertices=damped), truth, REGIONS, RIGID, None, once) == found


def test_a_late_track_has_lag_and_depth_shows_in_camera_terms_only():
    truth = _truth()
    late = replace(_track(truth), vertices=truth.vertices.roll(2, dims=0))
    assert evaluate_track(late, truth, {}, RIGID)["lag_ms"] == pytest.approx(
        66.7, abs=8
    )  # two frames; the ends wrap
    deep = replace(_track(truth), translation=truth.translation + torch.tensor([0.0, 0.0, 20.0]))
    found = evaluate_track(deep, truth, {}, RIGID)
    assert found["vertex_error_mm"] == pytest.approx(0.0, abs=1e-4)
    assert found["vertex_error_camera_mm"] == pytest.approx(20.0, abs=1e-3)
    assert found["vertex_error_camera_lateral_mm"] == pytest.approx(0.0, abs=1e-3)
    assert found["vertex_error_camera_log_depth"] == pytest.approx(math.log(520 / 500), rel=0.1)


def test_a_track_of_another_clip_is_refused():
    truth = _truth()
    shifted = replace(_track(truth), time_s=truth.time_s + 0.01)
    with pytest.raises(InputError, match=r"10\.0 ms apart"):
        evaluate_track(shifted, truth, REGIONS, RIGID)
    with pytest.raises(InputError, match="vertices of shape"):
        evaluate_track(replace(_track(truth), vertices=truth.vertices[:, :-1]), truth, REGIONS, RIGID)


def test_lost_frames_and_cuts_are_left_out_and_no_difference_reaches_over_them():
    """Positions are scored by frame; motion by stretch, as if each were a clip of its own."""
    truth = _truth()
    noisy = replace(_track(truth), vertices=truth.vertices + 0.3 * torch.randn(FRAMES, VERTICES, 3))
    found = torch.ones(FRAMES, dtype=torch.bool)
    found[8:10] = False
    track = replace(noisy, shot=(torch.arange(FRAMES) >= 25).long())
    values = evaluate_track(without_faces(track, ~found), truth, REGIONS, RIGID)
    reference = truth.vertices.double().mean(0)
    whole = evaluate_track(noisy[found], _at(truth, found), REGIONS, RIGID, reference)
    parts = [slice(0, 8), slice(10, 25), slice(25, FRAMES)]
    apart = [evaluate_track(noisy[part], _at(truth, part), REGIONS, RIGID, reference) for part in parts]
    for name in ("vertex_error_mm", "reprojection_error_px", "head_rotation_error_deg"):
        assert values[name] == pytest.approx(whole[name], rel=1e-9)
    for name in ("acceleration_error_px_s2", "stability_ratio", "motion_gain"):
        mean = sum((part.stop - part.start) * one[name] for part, one in zip(parts, apart, strict=True)) / 38
        assert values[name] == pytest.approx(mean, rel=1e-9)
    assert values.keys() == whole.keys()


def _at(truth, frames):
    return ClipTruth(**{name: value[frames] for name, value in vars(truth).items()})
