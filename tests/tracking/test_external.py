"""Other trackers' files: read in each documented form, refused with what was expected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytorch3d.transforms import so3_exp_map

from steadyface.capture.clip_truth import ClipTruth
from steadyface.errors import InputError
from steadyface.geometry.cameras import transform
from steadyface.metrics.evaluate_track import evaluate_track, judged_face
from steadyface.tracking.external import external_track, read_external
from steadyface.tracking.landmark_track import LandmarkTrack, landmark_metrics
from steadyface.tracking.track import Track

FULL = torch.tensor([[620.0, 0.0, 239.5], [0.0, 620.0, 319.5], [0.0, 0.0, 1.0]])
FRAMES = 8
TIME = torch.arange(FRAMES).double() / 30


def saved(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "other.npz", **arrays)
    return folder / "other.npz"


def truth_of(tracked) -> ClipTruth:
    rotation = so3_exp_map(0.2 * torch.randn(FRAMES, 3))
    place = torch.tensor([[5.0, 0.0, 480.0]]).repeat(FRAMES, 1)
    return ClipTruth(tracked.meshes, rotation, place, FULL.expand(FRAMES, 3, 3), TIME)


def errors_of(tracked, track: Track, truth: ClipTruth) -> dict[str, float]:
    facts = tracked.statistics
    return evaluate_track(track, truth, {}, facts.rigid_vertices, facts.vertex_mean)


@pytest.mark.parametrize("frame", ["camera", "head"])
def test_the_true_meshes_come_out_without_error(tracked, tmp_path: Path, frame: str) -> None:
    """In the camera frame, or in a head frame of the other tracker's own."""
    truth = truth_of(tracked)
    arrays = {"vertices": transform(truth.vertices, truth.rotation, truth.translation).numpy()}
    if frame == "head":
        turn, shift = so3_exp_map(torch.tensor([[0.3, 0.1, -0.2]]))[0], torch.tensor([4.0, -9.0, 30.0])
        own = truth.vertices @ turn.T + shift
        rotation = truth.rotation @ turn.T
        arrays = {
            "vertices": own.numpy(), "rotation": rotation.numpy(),
            "translation": (truth.translation - rotation @ shift).numpy(),
        }  # fmt: skip
    track = external_track(read_external(saved(tmp_path, **arrays, time_s=TIME)), tracked.statistics, TIME, FULL)
    assert isinstance(track, Track) and track.latent.shape == (FRAMES, 0)
    values = errors_of(tracked, track, truth)
    assert values["vertex_error_mm"] < 1e-2 and values["reprojection_error_px"] < 1e-2
    assert values["head_rotation_error_deg"] < 1e-2


def test_an_offset_in_the_camera_frame_is_pose_and_not_expression(tracked, tmp_path: Path) -> None:
    truth = truth_of(tracked)
    placed = transform(truth.vertices, truth.rotation, truth.translation) + torch.tensor([7.0, 0.0, 0.0])
    track = external_track(read_external(saved(tmp_path, vertices=placed.numpy())), tracked.statistics, TIME, FULL)
    assert isinstance(track, Track)
    values = errors_of(tracked, track, truth)
    assert values["vertex_error_mm"] < 1e-2 and values["head_translation_error_mm"] == pytest.approx(7.0, abs=0.05)


def test_landmarks_keep_their_vertices(tracked, tmp_path: Path) -> None:
    points = np.random.rand(FRAMES, 3, 2).astype(np.float32)
    track = external_track(
        read_external(saved(tmp_path, landmarks=points, vertex_index=np.array([3, 1, 2]))), tracked.statistics, TIME,
        FULL,
    )  # fmt: skip
    assert isinstance(track, LandmarkTrack) and track.vertex_index is not None
    assert track.vertex_index.tolist() == [3, 1, 2] and torch.equal(track.time_s, TIME)
    np.testing.assert_allclose(track.points.numpy(), points)


def test_frames_without_a_face_are_scored_over_the_others(tracked, tmp_path: Path) -> None:
    truth = truth_of(tracked)
    true, index = judged_face(truth, tracked.statistics.rigid_vertices, tracked.statistics.vertex_mean), [3, 1, 2]
    points = true.picture[:, index].numpy() + np.array([3.0, 4.0])
    points[4] = np.nan
    file = saved(tmp_path, landmarks=points, vertex_index=np.array(index), time_s=TIME.numpy())
    track = external_track(read_external(file), tracked.statistics, TIME, FULL)
    assert isinstance(track, LandmarkTrack) and track.found.tolist() == [frame != 4 for frame in range(FRAMES)]
    values = landmark_metrics(track, true)
    assert values["frames_without_face"] == 1 and values["reprojection_error_px"] == pytest.approx(5.0)
    assert values["acceleration_error_px_s2"] == pytest.approx(0.0, abs=1e-6)
    assert all(np.isfinite(value) for value in values.values())


MESH, POINTS = np.zeros((FRAMES, 5, 3)), np.zeros((FRAMES, 4, 2))
TURNS, PLACES = np.tile(np.eye(3), (FRAMES, 1, 1)), np.zeros((FRAMES, 3))


def holed(values: np.ndarray) -> np.ndarray:
    values = values.copy()
    values[2, 0], values[5, 1] = np.nan, np.inf
    return values


@pytest.mark.parametrize(
    ("arrays", "fault"),
    [
        ({"meshes": MESH}, r"either vertices \(T, N, 3\) or landmarks \(T, L, 2\), got the arrays meshes"),
        ({"vertices": MESH, "landmarks": POINTS}, "got both"),
        ({"vertices": MESH[..., :2]}, r"vertices of shape \(T, any, 3\), got \(8, 5, 2\)"),
        ({"landmarks": POINTS[0]}, r"landmarks of shape \(T, any, 2\), got \(4, 2\)"),
        ({"vertices": MESH[:0]}, r"vertices of shape \(T, any, 3\), got \(0, 5, 3\)"),
        ({"vertices": MESH.astype(complex)}, "floating-point numbers, got complex128"),
        ({"landmarks": POINTS.astype(str)}, "floating-point numbers, got <U"),
        ({"vertices": MESH.astype(object)}, "pickled objects, which are not opened"),
        ({"vertices": holed(MESH)}, "nan or infinite values in 2 of 8 frames, the first of them 2"),
        ({"landmarks": holed(POINTS)}, "all finite or all nan in a frame, got nan or infinite values in 2 of 8"),
        ({"landmarks": POINTS * np.nan}, "landmarks in some frame, got nan in all of them"),
        ({"vertices": MESH, "time_s": np.arange(7.0)}, "the same number of frames in each array"),
        ({"vertices": MESH, "rotation": TURNS}, "rotation and translation, or neither"),
        ({"vertices": MESH, "rotation": 2 * TURNS, "translation": PLACES}, "other matrices in 8 frames, the first"),
        ({"vertices": MESH, "rotation": -TURNS, "translation": PLACES}, "rotation matrices in rotation"),
        ({"landmarks": POINTS, "vertex_index": np.arange(3)}, "vertex_index of the 4 landmarks, got 3"),
        ({"landmarks": POINTS, "vertex_index": np.arange(4.0)}, "whole numbers from 0, got float64"),
        ({"landmarks": POINTS, "vertex_index": -np.arange(4)}, "whole numbers from 0"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, arrays: dict[str, np.ndarray], fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        read_external(saved(tmp_path, **arrays))


def test_what_is_no_npz_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_external(tmp_path / "nothing.npz")
    (tmp_path / "text.npz").write_text("mesh")
    with pytest.raises(InputError, match="an npz file of plain arrays"):
        read_external(tmp_path / "text.npz")
    np.save(tmp_path / "one.npy", MESH)
    with pytest.raises(InputError, match="got a single array"):
        read_external(tmp_path / "one.npy")
    whole = saved(tmp_path, vertices=MESH).read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="an unreadable file"):
        read_external(tmp_path / "cut.npz")


def test_what_does_not_fit_clip_or_subject_is_refused(tracked, tmp_path: Path) -> None:
    own = tracked.statistics.vertex_count

    def read(frames: int = FRAMES, vertices: int = own, **others: Any) -> None:
        mesh = np.random.rand(frames, vertices, 3)
        result = read_external(saved(tmp_path, vertices=mesh, **others))
        external_track(result, tracked.statistics, TIME, FULL)

    read()
    for frames in (FRAMES - 1, FRAMES + 2):
        with pytest.raises(InputError, match=f"{FRAMES} frames, one for each of the clip's, got {frames}"):
            read(frames)
    with pytest.raises(InputError, match=f"the subject's topology of {own} vertices, got 5023 vertices"):
        read(vertices=5023)
    with pytest.raises(InputError, match=r"time stamps up to 50.0 ms apart"):
        read(time_s=TIME + 0.05)
    points = read_external(saved(tmp_path, landmarks=POINTS, vertex_index=np.array([0, 1, 2, own])))
    with pytest.raises(InputError, match=f"topology of {own} vertices, got vertex {own}"):
        external_track(points, tracked.statistics, TIME, FULL)
