"""FLAME's arrays by a tiny model of the same layout: five joints, a jaw, two eyeballs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from steadyface.errors import InputError
from steadyface.rigs.enrolment import check_for_enrolment
from steadyface.rigs.flame import TURNS, read_flame
from steadyface.rigs.landmarks import INNER
from steadyface.rigs.open_rig import open_rig
from steadyface.rigs.parts import PART_NAMES

Y_UP = np.array([1.0, -1.0, -1.0])
JOINTS = np.array([[0, -0.09, -0.01], [0, -0.06, -0.01], [0, 0.0, 0.0], [0.031, 0.014, 0.078], [-0.031, 0.014, 0.078]])
Arrays = dict[str, NDArray[Any]]


@pytest.fixture(scope="module")
def arrays(tiny: Any) -> Arrays:
    template, generator = tiny.neutral * Y_UP / 1000.0, np.random.default_rng(0)
    n, skin = len(template), 25 * 32
    weights = np.zeros((n, 5))
    weights[:, 2] = 1.0 / (1.0 + np.exp((template[:, 1] + 0.05) / 0.01)) * (template[:, 2] > 0)
    weights[:, 1] = 1.0 - weights[:, 2]
    for joint, rows in ((3, slice(skin, skin + 30)), (4, slice(skin + 30, skin + 60))):
        weights[rows] = np.eye(5)[joint]
    # rows that sum to 1 and place the joints: the least squares solution
    system = np.concatenate([template.T, np.ones((1, n))])
    regressor = (np.linalg.pinv(system) @ np.concatenate([JOINTS.T, np.ones((1, 5))])).T
    faces = np.array([int(np.nonzero((tiny.faces == vertex).any(1))[0][0]) for vertex in tiny.landmarks])
    corner = (tiny.faces[faces] == np.array(tiny.landmarks)[:, None]).astype(float)
    return {
        "v_template": template, "shapedirs": 0.002 * generator.normal(size=(n, 3, 9)), "n_identity": np.array(6),
        "posedirs": 1e-3 * generator.normal(size=(n, 3, 36)), "J_regressor": regressor,
        "kintree_table": np.array([[-1, 0, 1, 1, 1], [0, 1, 2, 3, 4]]), "weights": weights,
        "f": tiny.faces.astype(np.uint32), "lmk_faces_idx": faces, "lmk_bary_coords": corner,
    }  # fmt: skip


def save(path: Path, arrays: Arrays, **changed: Any) -> Path:
    merged = {name: value for name, value in {**arrays, **changed}.items() if value is not None}
    np.savez(path, **merged)
    return path


def slow_pose(arrays: Arrays, joint: int, angle: tuple[float, float, float]) -> NDArray[np.float64]:
    """Linear blend skinning as published, one vertex at a time: all joints' 4 x 4 matrices, blended."""
    template, places = arrays["v_template"], arrays["J_regressor"] @ arrays["v_template"]
    rotation = Rotation.from_rotvec(angle).as_matrix()
    turns = [(rotation if k == joint else np.eye(3)) - np.eye(3) for k in range(1, 5)]
    feature = np.concatenate([turn.reshape(9) for turn in turns])
    matrices = [np.eye(4) for _ in range(5)]
    matrices[joint][:3, :3] = rotation
    matrices[joint][:3, 3] = places[joint] - rotation @ places[joint]
    posed = np.empty_like(template)
    for index, vertex in enumerate(template):
        moved = vertex + arrays["posedirs"][index] @ feature
        blended = sum(weight * matrix for weight, matrix in zip(arrays["weights"][index], matrices, strict=True))
        posed[index] = (blended @ np.append(moved, 1.0))[:3]
    return posed


def test_modes_and_turns_in_the_head_frame(tmp_path: Path, arrays: Arrays, tiny: Any) -> None:
    rig = open_rig(save(tmp_path / "flame.npz", arrays))
    np.testing.assert_allclose(rig.neutral, tiny.neutral, atol=1e-3)
    assert rig.identity.shape[0] == 6
    np.testing.assert_allclose(rig.identity[2], arrays["shapedirs"][..., 2] * Y_UP * 1000, atol=1e-4)
    last = rig.expressions[rig.expression_names.index("flame_002")]
    np.testing.assert_allclose(last, arrays["shapedirs"][..., 8] * Y_UP * 1000, atol=1e-4)
    for turn in TURNS:
        slow = (slow_pose(arrays, turn.joint, turn.angle) - arrays["v_template"]) * Y_UP * 1000
        np.testing.assert_allclose(rig.expressions[rig.expression_names.index(turn.name)], slow, atol=1e-3)
    check_for_enrolment(rig)


def test_turns_go_where_their_names_say(tmp_path: Path, arrays: Arrays, tiny: Any) -> None:
    rig = read_flame(save(tmp_path / "flame.npz", arrays, posedirs=None))
    chin, points = tiny.landmarks[8], {name: rig.expressions[k] for k, name in enumerate(rig.expression_names)}
    assert points["jawOpen"][chin, 1] > 10.0  # down
    assert points["jawLeft"][chin, 0] > 2.0 > -2.0 > points["jawRight"][chin, 0]
    for side, sign in (("left", 1.0), ("right", -1.0)):
        eye = rig.eyes[f"eye_{side}"]
        front = eye[rig.neutral[eye, 2].argmin()]
        name = side.capitalize()
        assert points[f"eyeLookOut{name}"][front, 0] * sign > 2.0 > -2.0 > points[f"eyeLookIn{name}"][front, 0] * sign
        assert points[f"eyeLookDown{name}"][front, 1] > 2.0 > -2.0 > points[f"eyeLookUp{name}"][front, 1]


def test_texture_coordinates_are_laid_round_the_head(tmp_path: Path, arrays: Arrays) -> None:
    rig = read_flame(save(tmp_path / "flame.npz", arrays))
    assert "laid round the head" in " ".join(rig.notes)
    skin = rig.uv[rig.uv_faces[rig.tracked_faces]]
    assert (skin[..., 0].amax(1) - skin[..., 0].amin(1)).max() < 0.2
    for name in ("eye_left", "eye_right"):
        eye = rig.uv[rig.uv_faces[rig.part_of_face == PART_NAMES.index(name)]].reshape(-1, 2)
        apart = (eye.amin(0) >= skin.reshape(-1, 2).amax(0)) | (eye.amax(0) <= skin.reshape(-1, 2).amin(0))
        assert bool(apart.any())


def test_own_texture_coordinates(tmp_path: Path, arrays: Arrays) -> None:
    faces = arrays["f"]
    vt = np.random.default_rng(1).random((3 * len(faces), 2))
    rig = read_flame(save(tmp_path / "flame.npz", arrays, vt=vt, ft=np.arange(3 * len(faces)).reshape(-1, 3)))
    assert rig.uv_faces.shape == rig.faces.shape
    with pytest.raises(InputError, match="vt"):
        read_flame(save(tmp_path / "flame.npz", arrays, vt=vt, ft=np.full((3, 3), 0)))


def test_landmarks_in_a_second_file_and_the_51(tmp_path: Path, arrays: Arrays) -> None:
    path = save(tmp_path / "flame.npz", arrays, lmk_faces_idx=None, lmk_bary_coords=None)
    assert read_flame(path).landmarks.numbers == ()
    faces, corners = arrays["lmk_faces_idx"][17:], arrays["lmk_bary_coords"][17:]
    np.savez(tmp_path / "landmarks.npz", lmk_face_idx=faces, lmk_b_coords=corners)
    rig = read_flame(path)
    assert rig.landmarks.numbers == INNER
    check_for_enrolment(rig)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"v_template": None}, "no v_template"), ({"shapedirs": np.zeros((4, 3, 9))}, "arrays of one model"),
        ({"n_identity": None}, "n_identity"), ({"J_regressor": np.zeros((5, 3))}, "arrays of one model"),
        ({"f": np.full((4, 3), 10**6)}, "faces of vertices"), ({"lmk_bary_coords": np.ones((68, 3))}, "sum to 1"),
        ({"lmk_faces_idx": np.zeros(5, dtype=int)}, "68 landmarks"),
        ({"weights": np.array(["a"])}, "numbers in lbs_weights"),
        ({"posedirs": np.zeros((3, 3, 9))}, "arrays of one model"),
    ],
)  # fmt: skip
def test_what_is_missing_or_of_another_shape(tmp_path: Path, arrays: Arrays, change: Arrays, said: str) -> None:
    with pytest.raises(InputError, match=r"docs/rigs\.md|n_identity") as error:
        read_flame(save(tmp_path / "flame.npz", arrays, **change))
    assert said in str(error.value)


def test_python_objects_are_not_unpickled(tmp_path: Path, arrays: Arrays) -> None:
    touched = tmp_path / "touched"

    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (touched,))

    np.savez(tmp_path / "flame.npz", **{**arrays, "v_template": np.array([Trap()], dtype=object)})  # type: ignore[arg-type]
    with pytest.raises(InputError, match="plain arrays"):
        read_flame(tmp_path / "flame.npz")
    assert not touched.exists()
    (tmp_path / "flame.npz").write_bytes(b"not a zip file")
    with pytest.raises(InputError, match="plain arrays"):
        read_flame(tmp_path / "flame.npz")
