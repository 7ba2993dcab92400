"""What names say: expressions, materials."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from steadyface.errors import InputError
from steadyface.rigs.arkit import arkit_name
from steadyface.rigs.enrolment import check_for_enrolment, missing_arkit
from steadyface.rigs.landmarks import Landmarks
from steadyface.rigs.parts import FACE, HEAD, PART_NAMES, is_see_through, narrow_to_face, part_of_name, parts_by_names
from steadyface.rigs.rig import UNKNOWN_UNIT, Rig


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("jawOpen", "jawOpen"), ("JAWOPEN", "jawOpen"), ("eyeBlink_L", "eyeBlinkLeft"), ("eyeBlink_R", "eyeBlinkRight"),
        ("mouthLeft", "mouthLeft"), ("jawRight", "jawRight"), ("bs.Mouth_L", "mouthLeft"),
        ("head:noseSneer_l", "noseSneerLeft"),
        ("cheekRaiser_L", "cheekRaiser_L"), ("browInnerUp_L", "browInnerUp_L"), ("component 03", "component 03"),
    ],
)  # fmt: skip
def test_spellings(name: str, expected: str) -> None:
    assert arkit_name(name) == expected


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("M_Face", None), ("M_BackHead", "head"), ("M_GumsTongue", "mouth"), ("M_Teeth", "teeth"),
        ("M_IrisLeft", "eye"),
        ("Eye_L", "eye"), ("eyes", "eye"), ("EyeLid", "face"), ("identity", None), ("Beard", "hair"),
        ("teeth", "teeth"),
        ("forearm", None), ("LeftEar", "head"), ("coral", None),
    ],
)  # fmt: skip
def test_parts_by_name(name: str, part: str | None) -> None:
    assert part_of_name(name) == part


def test_layers_that_are_seen_through() -> None:
    names = ("M_LacrimalFluid", "M_EyeBlend", "M_EyeOcclusion", "M_EyeLashes", "M_Face", "M_ScleraLeft", "M_Teeth")
    assert [is_see_through(name) for name in names] == [True, True, True, True, False, False, False]


def test_which_eye_is_where_it_lies() -> None:
    left, middle = np.array([[30.0, 0, 0], [31, 0, 0], [30, 1, 0]]), np.array([[0.0, 0, 0], [1, 0, 0]])
    neutral = np.concatenate([left, left * [-1, 1, 1], middle])
    faces = np.array([[0, 1, 2], [3, 4, 5], [6, 7, 2]])
    parts = parts_by_names(["iris", "iris", "skin"], neutral, faces)
    assert [PART_NAMES[part] for part in parts] == ["eye_left", "eye_right", "face"]


def test_the_face_ends_before_ears_crown_and_neck() -> None:
    points = {36: np.array([-44.0, -14, -82]), 45: np.array([44.0, -14, -82]), 48: np.array([-26.0, 53, -98]),
              54: np.array([26.0, 53, -98]), 8: np.array([0.0, 97, -98])}  # fmt: skip
    places = np.array([[0.0, 20, -110], [0, 20, 60], [0, -115, -60], [0, 106, -20], [60, 30, -50]])
    neutral, faces = np.repeat(places, 3, axis=0), np.arange(15).reshape(5, 3)
    found = narrow_to_face(np.full(5, FACE), neutral, faces, points)
    assert found.tolist() == [FACE, HEAD, HEAD, HEAD, FACE]
    assert narrow_to_face(np.full(5, FACE), neutral, faces, {}).tolist() == [FACE] * 5


def rig_with(names: tuple[str, ...], numbers: tuple[int, ...], size: float = 1.0) -> Rig:
    faces = torch.tensor([[0, 1, 2]])
    landmarks = Landmarks.at_vertices(torch.zeros(len(numbers), dtype=torch.long), numbers)
    deltas = size * torch.ones(len(names), 3, 3)
    return Rig("r", torch.rand(3, 3), faces, torch.rand(3, 2), faces, names, deltas, torch.zeros(0, 3, 3),
               UNKNOWN_UNIT, landmarks, torch.tensor([FACE]))  # fmt: skip


def test_what_enrolment_lacks_is_named() -> None:
    inner = tuple(range(17, 68))
    check_for_enrolment(rig_with(("jawOpen",), inner))
    with pytest.raises(InputError, match=r"no right eye 36.*landmarks\.json"):
        check_for_enrolment(rig_with(("jawOpen",), tuple(n for n in inner if n != 36)))
    with pytest.raises(InputError, match=r"got none.*landmarks\.json"):
        check_for_enrolment(rig_with(("jawOpen",), ()))
    with pytest.raises(InputError, match=r"shapes jawOpen, got 2 others \(a, b\); add it"):
        check_for_enrolment(rig_with(("a", "b"), inner))
    with pytest.raises(InputError, match="no shapes at all"):
        check_for_enrolment(rig_with((), inner))
    with pytest.raises(InputError, match="moves the face"):
        check_for_enrolment(rig_with(("jawOpen",), inner, size=0.0))
    assert "jawOpen" not in missing_arkit(rig_with(("jawOpen",), inner))
