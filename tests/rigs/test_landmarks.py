"""The 68 points: their mirror, their file, and their way from MediaPipe's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from steadyface.errors import InputError
from steadyface.rigs.landmarks import COUNT, GROUPS, INNER, MIRRORED, landmarks_of, named_ranges, read_landmarks
from steadyface.rigs.mediapipe68 import MEDIAPIPE_68, mediapipe_to_68


def test_mirroring_twice_is_nothing_and_swaps_sides() -> None:
    assert [MIRRORED[MIRRORED[n]] for n in range(COUNT)] == list(range(COUNT))
    assert {MIRRORED[n] for n in GROUPS["right eye"]} == set(GROUPS["left eye"])
    assert {MIRRORED[n] for n in GROUPS["right brow"]} == set(GROUPS["left brow"])
    assert [MIRRORED[n] for n in (36, 37, 41, 48, 60, 8)] == [45, 44, 46, 54, 64, 8]


def test_names_of_groups() -> None:
    assert named_ranges(tuple(range(17))) == "jaw 0-16"
    assert named_ranges((8, 30)) == "jaw 8; nose 30"


def test_vertices_and_gaps(tmp_path: Path) -> None:
    stored = [None, *range(1, COUNT)]
    (tmp_path / "l.json").write_text(json.dumps({"68": stored}))
    found = read_landmarks(tmp_path / "l.json", 100)
    assert found.missing == (0,)
    mesh = torch.randn(1, 100, 3)
    torch.testing.assert_close(found.points(mesh), mesh[:, 1:COUNT])


def test_barycentric_and_the_51(tmp_path: Path) -> None:
    value = {"faces": [[0, 1, 2]] * 51, "weights": [[0.5, 0.25, 0.25]] * 51}
    found = landmarks_of("l", {"51": value}, 3)
    assert found.numbers == INNER
    mesh = torch.randn(2, 3, 3)
    torch.testing.assert_close(found.points(mesh)[:, 0], 0.5 * mesh[:, 0] + 0.25 * (mesh[:, 1] + mesh[:, 2]))


@pytest.mark.parametrize(
    "stored",
    [
        [], {}, {"68": [1, 2]}, {"68": [1.5] * 68}, {"68": [200] * 68}, {"68": [True] * 68},
        {"68": {"faces": [[0, 1, 2]] * 68}}, {"68": {"faces": [[0, 1, 2]] * 68, "weights": [[1, 1, 1]] * 68}},
        {"68": {"faces": [[0.5, 1, 2]] * 68, "weights": [[1, 0, 0]] * 68}}, {"68": None},
        {"68": [1] * 68, "51": [1] * 51},
    ],
)  # fmt: skip
def test_another_file_is_refused(stored: Any) -> None:
    with pytest.raises(InputError, match="landmarks"):
        landmarks_of("l.json", stored, 100)


def test_a_file_that_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "l.json").write_text("{")
    with pytest.raises(InputError, match="JSON"):
        read_landmarks(tmp_path / "l.json", 3)
    assert read_landmarks(tmp_path / "none.json", 3).numbers == ()


CONTOURS = {  # as MediaPipe's face_mesh_connections lists them
    "jaw": "10 338 297 332 284 251 389 356 454 323 361 288 397 365 379 378 400 377 152 148 176 149 150 136 172 58 132 "
    "93 234 127 162 21 54 103 67 109",
    "right brow": "46 53 52 65 55 70 63 105 66 107",
    "left brow": "276 283 282 295 285 300 293 334 296 336",
    "right eye": "33 7 163 144 145 153 154 155 133 246 161 160 159 158 157 173",
    "left eye": "263 249 390 373 374 380 381 382 362 466 388 387 386 385 384 398",
    "outer lips": "61 146 91 181 84 17 314 405 321 375 291 185 40 39 37 0 267 269 270 409",
    "inner lips": "78 95 88 178 87 14 317 402 318 324 308 191 80 81 82 13 312 311 310 415",
}


def test_mediapipes_points_lie_on_the_contours_that_it_names() -> None:
    for group, points in CONTOURS.items():
        members = {int(point) for point in points.split()}
        assert {MEDIAPIPE_68[number] for number in GROUPS[group]} <= members, group


def test_the_contours_are_mediapipes() -> None:
    connections = pytest.importorskip("mediapipe.python.solutions.face_mesh_connections")
    named = {"jaw": "FACE_OVAL", "right brow": "RIGHT_EYEBROW", "left brow": "LEFT_EYEBROW", "right eye": "RIGHT_EYE",
             "left eye": "LEFT_EYE", "outer lips": "LIPS", "inner lips": "LIPS"}  # fmt: skip
    for group, contour in named.items():
        members = {point for pair in getattr(connections, f"FACEMESH_{contour}") for point in pair}
        assert {int(point) for point in CONTOURS[group].split()} <= members


def test_mediapipe_table_is_whole() -> None:
    assert len(MEDIAPIPE_68) == len(set(MEDIAPIPE_68)) == COUNT
    points = torch.randn(2, 478, 3)
    found = mediapipe_to_68(points)
    assert found.shape == (2, COUNT, 3)
    torch.testing.assert_close(found[:, 8], points[:, 152])
