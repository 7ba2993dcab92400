"""What an artist writes down: every way to say a correction, and every fault at once."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from steadyface.errors import InputError
from steadyface.tracking.keyframe_file import Keyframe, landmark_vertex, read_keyframes


def read(tracked, path: Path, text: str) -> list[Keyframe]:  # type: ignore[no-untyped-def]
    path.write_text(text, encoding="utf-8")
    return read_keyframes(path, tracked.statistics, 4)


def test_a_turn_is_the_same_in_all_three_ways(tracked, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    cos, sin = math.cos(math.radians(30)), math.sin(math.radians(30))
    ways = {
        "rotation_matrix": [[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]],
        "quaternion_wxyz": [2 * math.cos(math.radians(15)), 0, 2 * math.sin(math.radians(15)), 0],
        "euler_xyz_deg": [0, 30, 0],
    }
    content = {"keyframes": [{"frame": n, "state": {name: value}} for n, (name, value) in enumerate(ways.items())]}
    for keyframe in read(tracked, tmp_path / "fixes.json", json.dumps(content)):
        assert keyframe.rotation is not None and keyframe.translation is None
        assert torch.allclose(keyframe.rotation, torch.tensor(ways["rotation_matrix"]), atol=1e-6)


def test_euler_angles_turn_about_x_first_then_y_then_z(tracked, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    text = "keyframes: [{time_s: 1.5, state: {euler_xyz_deg: [90, 90, 0], latent: [0, 1, 2, 3]}}]"
    (keyframe,) = read(tracked, tmp_path / "fixes.yaml", text)
    assert keyframe.rotation is not None and keyframe.latent is not None
    # y goes to z by the turn about x, and z to x by the turn about y
    assert torch.allclose(keyframe.rotation @ torch.tensor([0.0, 1.0, 0.0]), torch.tensor([1.0, 0.0, 0.0]), atol=1e-6)
    assert keyframe.time_s == 1.5 and keyframe.latent.tolist() == [0, 1, 2, 3]


def test_landmarks_are_the_outermost_vertices_of_a_region(tracked, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    facts = tracked.statistics
    text = """
keyframes:
  - frame: 3
    doubt_px: 0.5
    points:
      - {landmark: lips.left, pixel: [200.5, 300]}
      - {landmark: lips.top, pixel: [220, 290]}
      - {vertex: 17, pixel: [1, 2]}
"""
    (keyframe,) = read(tracked, tmp_path / "fixes.yaml", text)
    lips = facts.vertex_mean[facts.regions["lips"]]
    left, top, own = facts.vertex_mean[keyframe.vertices]
    assert left[0] == lips[:, 0].min() and top[1] == lips[:, 1].min()  # x to the right, y down
    assert torch.equal(own, facts.vertex_mean[17]) and keyframe.doubt_px == 0.5
    assert keyframe.pixels.tolist() == [[200.5, 300.0], [220.0, 290.0], [1.0, 2.0]]
    assert landmark_vertex("lips", facts) is None and landmark_vertex("chin.left", facts) is None


def test_every_fault_is_told_at_once_and_where_it_is(tracked, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    text = """
keyframes:
  - {frame: -1, state: {latent: [1, 2]}}
  - {frame: 2, time_s: 1, state: {euler_xyz_deg: [0, 0, 0], quaternion_wxyz: [1, 0, 0, 0]}}
  - {frame: 3, points: [{landmark: lips.middle, pixel: [1, 2]}, {vertex: 99999999, pixel: [1]}]}
  - {frame: 4, pionts: []}
  - {frame: 5, state: {rotation_matrix: [[1, 0, 0], [0, 1, 0], [0, 0, -1]], translation_mm: [0, 0, -5]}}
  - {frame: 6, state: {translation_mm: [0, .nan, 500]}}
  - {frame: 6, state: {translation_mm: [0, 0, 500]}, doubt_px: 0}
  - nonsense
"""
    with pytest.raises(ExceptionGroup) as caught:
        read(tracked, tmp_path / "fixes.yaml", text)
    assert all(isinstance(fault, InputError) for fault in caught.value.exceptions)
    told = "\n".join(str(fault) for fault in caught.value.exceptions)
    for part in (
        "keyframes[0].frame: expected a whole number from 0, got -1",
        "keyframes[0].state.latent: expected 4 finite numbers, got [1, 2]",
        "keyframes[1]: expected either `frame` or `time_s`, got both",
        "keyframes[1].state: expected one of rotation_matrix, quaternion_wxyz, euler_xyz_deg",
        "keyframes[2].points[0].landmark: expected REGION.SIDE with a region of",
        "keyframes[2].points[1].vertex: expected a whole number from 0 to",
        "keyframes[2].points[1].pixel: expected 2 finite numbers, got [1]",
        "keyframes[3].pionts: expected a known key, got another; the nearest known one is points",
        "keyframes[3]: expected either `state` or `points`, got neither",
        "keyframes[4].state.rotation_matrix: expected a rotation",
        "keyframes[4].state.translation_mm: expected a head in front of the camera",
        "keyframes[5].state.translation_mm: expected 3 finite numbers, got [0, nan, 500]",
        "keyframes[6].doubt_px: expected pixels above 0, got 0",
        "keyframes[7]: expected a mapping",
        "expected each frame once, got frame 6 twice",
    ):
        assert part in told, part


@pytest.mark.parametrize("text", ["", "keyframes: []", "frames: [1]", "keyframes: {a: 1}", "a: [", "\x00"])
def test_a_file_that_is_none_is_one_line(tracked, tmp_path: Path, text: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError) as caught:
        read(tracked, tmp_path / "fixes.yaml", text)
    assert "\n" not in str(caught.value) and "docs/keyframes.md" in str(caught.value)


def test_a_missing_file_is_said_to_be_missing(tracked, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match="got no such file"):
        read_keyframes(tmp_path / "none.yaml", tracked.statistics, 4)
