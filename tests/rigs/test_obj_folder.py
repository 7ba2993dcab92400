"""A folder of OBJ files in any unit and either orientation, with and without what may lie beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steadyface.capture.obj import read_obj
from steadyface.errors import InputError
from steadyface.rigs.enrolment import check_for_enrolment
from steadyface.rigs.landmarks import MIRRORED
from steadyface.rigs.obj_parts import triangle_names
from steadyface.rigs.open_rig import open_rig
from steadyface.rigs.parts import PART_NAMES

Y_UP = np.array([1.0, -1.0, -1.0])
JAW = ((0.0, 80.0, -80.0), (0.0, 15.0, 3.0))
SMILE = ((26.0, 53.0, -80.0), (6.0, -6.0, 4.0))


def write_folder(root: Path, tiny: Any, scale: Any = 1.0, offset: Any = 0.0, landmarks: bool = True) -> Path:
    for name, moved in {
        "neutral": 0.0, "JawOpen": tiny.bump(*JAW), "mouthSmile_L": tiny.bump(*SMILE), "identity000": tiny.bump(*SMILE),
        "puffed": tiny.bump(*JAW),
    }.items():  # fmt: skip
        tiny.write_obj(root / f"{name}.obj", (tiny.neutral + moved) * scale + offset)
    if landmarks:
        (root / "landmarks.json").write_text(json.dumps({"68": tiny.landmarks}))
    return root


@pytest.mark.parametrize(
    ("scale", "unit", "turned"),
    [(1.0, "mm", "y down"), (Y_UP, "mm", "y up"), (0.1 * Y_UP, "cm", "y up"), (0.001, "m", "y down")],
)
def test_units_and_axes_are_found_and_said(tmp_path: Path, tiny: Any, scale: Any, unit: str, turned: str) -> None:
    rig = open_rig(write_folder(tmp_path, tiny, scale, offset=np.array([0.0, 1.6, 0.3]) * np.abs(scale).max()))
    middle = (tiny.neutral.min(0) + tiny.neutral.max(0)) / 2.0
    tolerance = 2e-3 if unit == "m" else 2e-4  # six decimals of a metre
    np.testing.assert_allclose(rig.neutral, tiny.neutral - middle, atol=tolerance)
    assert rig.expression_names == ("jawOpen", "mouthSmileLeft", "puffed")
    np.testing.assert_allclose(rig.expressions[0], tiny.bump(*JAW), atol=tolerance)
    np.testing.assert_allclose(rig.identity[0], tiny.bump(*SMILE), atol=tolerance)
    notes = " ".join(rig.notes)
    assert f"in {unit}," in notes and turned in notes and "puffed" in notes
    check_for_enrolment(rig)


def test_parts_by_material_and_place(tmp_path: Path, tiny: Any) -> None:
    rig = open_rig(write_folder(tmp_path, tiny))
    assert set(rig.eyes) == {"eye_left", "eye_right"}
    assert rig.neutral[rig.tracked_vertices, 2].max() < 10.0
    assert "packed anew" in " ".join(rig.notes)  # the tiles of the tiny head lie on each other


def test_parts_by_the_users_word(tmp_path: Path, tiny: Any) -> None:
    folder = write_folder(tmp_path, tiny)
    said = {"names": {"M_Face": "face", "M_BackHead": "hair"}, "vertices": {"teeth": list(range(64))}}
    (folder / "parts.json").write_text(json.dumps(said))
    rig = open_rig(folder)
    top = (rig.faces < 64).all(1)
    assert (rig.part_of_face[top] == PART_NAMES.index("teeth")).all()
    back = np.array([name == "M_BackHead" for name in tiny.names])[:-1] & ~top.numpy()
    assert (rig.part_of_face[back] == PART_NAMES.index("hair")).all()


@pytest.mark.parametrize(
    "said",
    [[], {"what": 1}, {"names": {"M_Face": "nose"}}, {"names": {"M_None": "face"}}, {"vertices": {"face": [10**6]}},
     {"vertices": {"face": 3}}, {"names": 3}],
)  # fmt: skip
def test_a_parts_file_that_says_something_else(tmp_path: Path, tiny: Any, said: Any) -> None:
    folder = write_folder(tmp_path, tiny)
    (folder / "parts.json").write_text(json.dumps(said))
    with pytest.raises(InputError, match=r"parts\.json: expected"):
        open_rig(folder)


def test_without_landmarks_it_opens_but_cannot_be_enrolled(tmp_path: Path, tiny: Any) -> None:
    rig = open_rig(write_folder(tmp_path, tiny, Y_UP, landmarks=False))
    assert "no landmarks" in " ".join(rig.notes)
    with pytest.raises(InputError, match=r"landmarks\.json"):
        check_for_enrolment(rig)


def test_a_head_of_no_size_or_turned_away(tmp_path: Path, tiny: Any) -> None:
    with pytest.raises(InputError, match="largest extent"):
        open_rig(write_folder(tmp_path / "a", tiny, 20.0))
    folder = write_folder(tmp_path / "b", tiny)
    tiny.write_obj(folder / "neutral.obj", tiny.neutral[:, [0, 2, 1]])
    with pytest.raises(InputError, match="nose along -y"):
        open_rig(folder)
    mirrored = json.dumps({"68": [tiny.landmarks[n] for n in MIRRORED]})
    (write_folder(tmp_path / "c", tiny) / "landmarks.json").write_text(mirrored)
    with pytest.raises(InputError, match="eyes along -x"):
        open_rig(tmp_path / "c")


def test_which_is_neutral(tmp_path: Path, tiny: Any) -> None:
    folder = write_folder(tmp_path, tiny)
    (folder / "neutral.obj").rename(folder / "head_neutral.obj")
    assert "head_neutral" not in open_rig(folder).expression_names
    tiny.write_obj(folder / "neutral2.obj", tiny.neutral)
    with pytest.raises(InputError, match="one neutral mesh"):
        open_rig(folder)
    for name in ("neutral2", "head_neutral"):
        (folder / f"{name}.obj").unlink()
    with pytest.raises(InputError, match=r"neutral\.obj"):
        open_rig(folder)


def test_a_shape_of_another_mesh(tmp_path: Path, tiny: Any) -> None:
    folder = write_folder(tmp_path, tiny)
    (folder / "JawOpen.obj").write_text("v 0 0 0\n")
    with pytest.raises(InputError, match=r"JawOpen\.obj: expected .* 1 of them"):
        open_rig(folder)


def test_polygons_keep_their_materials(tmp_path: Path) -> None:
    """A quad is two triangles of its material, in the order in which the mesh is read."""
    text = "".join(f"v {k} 0 0\nvt 0 0\n" for k in range(5))
    path = tmp_path / "a.obj"
    path.write_text(text + "o head\nf 1/1 2/2 3/3\nusemtl skin\nf 1/1 2/2 3/3 4/4\ng x\nusemtl eye\nf 3/3 4/4 5/5\n")
    assert triangle_names(path) == ["head", "skin", "skin", "eye"]
    assert len(read_obj(path).faces) == 4
