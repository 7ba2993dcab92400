"""ICT-FaceKit's layout, by a tiny head written in it; the real one where STEADYFACE_ICT names it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from steadyface.errors import InputError
from steadyface.rigs.enrolment import check_for_enrolment, missing_arkit
from steadyface.rigs.ict import read_ict
from steadyface.rigs.open_rig import open_rig
from steadyface.rigs.parts import PART_NAMES

Y_UP = np.array([1.0, -1.0, -1.0])
SHAPES = {
    "jawOpen": ((0.0, 80.0, -80.0), (0.0, 15.0, 3.0)),
    "eyeBlink_L": ((31.0, -18.0, -85.0), (0.0, 6.0, 0.0)),
    "eyeBlink_R": ((-31.0, -18.0, -85.0), (0.0, 6.0, 0.0)),
    "browInnerUp_L": ((12.0, -38.0, -90.0), (0.0, -5.0, 0.0)),
    "browInnerUp_R": ((-12.0, -38.0, -90.0), (0.0, -5.0, 0.0)),
    "cheekRaiser_L": ((40.0, 10.0, -70.0), (0.0, -3.0, 0.0)),
}
MODES = [((0.0, 60.0, -60.0), (8.0, 0.0, 0.0)), ((0.0, 0.0, -90.0), (0.0, 0.0, -4.0))]


@pytest.fixture(scope="module")
def folder(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ict")
    meshes = root / "FaceXModel"

    def write(name: str, moved: Any) -> None:
        tiny.write_obj(meshes / f"{name}.obj", (tiny.neutral + moved) * Y_UP / 10.0)

    write("generic_neutral_mesh", 0.0)
    for name, (centre, move) in SHAPES.items():
        write(name, tiny.bump(centre, move))
    for index, (centre, move) in enumerate(MODES):
        write(f"identity{index:03d}", tiny.bump(centre, move))
    (meshes / "vertex_indices.json").write_text(json.dumps({"idx_to_landmark_verts": tiny.landmarks}))
    return root


def test_millimetres_in_the_head_frame(folder: Path, tiny: Any) -> None:
    rig = open_rig(folder)
    np.testing.assert_allclose(rig.neutral.numpy(), tiny.neutral, atol=2e-4)
    np.testing.assert_allclose(rig.landmark_points(rig.neutral[None])[0], tiny.neutral[tiny.landmarks], atol=2e-4)
    for index, (centre, move) in enumerate(MODES):
        np.testing.assert_allclose(rig.identity[index], tiny.bump(centre, move), atol=3e-4)
    check_for_enrolment(rig)
    assert "eyeBlinkLeft" not in missing_arkit(rig) and "mouthPucker" in missing_arkit(rig)


def test_shapes_under_arkits_names(folder: Path, tiny: Any) -> None:
    rig = read_ict(folder)
    assert set(rig.expression_names) == {"jawOpen", "eyeBlinkLeft", "eyeBlinkRight", "browInnerUp", "cheekRaiser_L"}
    halves = [tiny.bump(*SHAPES[f"browInnerUp_{side}"]) for side in "LR"]
    np.testing.assert_allclose(rig.expressions[rig.expression_names.index("browInnerUp")], sum(halves), atol=5e-4)
    blink = rig.expressions[rig.expression_names.index("eyeBlinkLeft")]
    assert rig.neutral[blink.norm(dim=1).argmax(), 0] > 0  # the subject's left is at +x


def test_parts_and_what_is_left_out(folder: Path) -> None:
    rig = read_ict(folder)
    assert set(rig.eyes) == {"eye_left", "eye_right"}
    assert rig.neutral[rig.eyes["eye_left"], 0].min() > 0 > rig.neutral[rig.eyes["eye_right"], 0].max()
    assert len(rig.neutral) - 1 not in rig.faces  # the lashes
    assert "M_EyeLashes" in rig.notes[0]
    tracked = rig.neutral[rig.tracked_vertices]
    assert tracked[:, 2].max() < 5.0 and len(tracked) > 100
    assert len(rig.part_vertices("head")) > 100


def test_drawn_parts_keep_off_tracked_texels(folder: Path) -> None:
    rig = read_ict(folder)
    boxes = []
    for part in range(len(PART_NAMES)):
        uv = rig.uv[rig.uv_faces[rig.part_of_face == part]].reshape(-1, 2)
        if len(uv):
            boxes.append((uv.amin(0), uv.amax(0)))
    for index, (low, high) in enumerate(boxes):
        for other_low, other_high in boxes[index + 1 :]:
            assert bool(((high <= other_low) | (other_high <= low)).any())
    low, high = boxes[0]
    assert float((high - low).prod()) > 0.3  # the tracked part keeps most of the texture


def test_the_strongest_modes_alone(folder: Path) -> None:
    assert read_ict(folder / "FaceXModel", most_modes=1).identity.shape[0] == 1


def test_what_is_missing_is_said(folder: Path, tmp_path: Path, tiny: Any) -> None:
    with pytest.raises(InputError, match="download ICT-FaceKit"):
        read_ict(tmp_path)
    tiny.write_obj(tmp_path / "generic_neutral_mesh.obj", tiny.neutral)
    with pytest.raises(InputError, match=r"vertex_indices\.json: .* no such file"):
        read_ict(tmp_path)
    (tmp_path / "vertex_indices.json").write_text('{"idx_to_landmark_verts": [1, 2]}')
    with pytest.raises(InputError, match="68 vertices"):
        read_ict(tmp_path)
    (tmp_path / "vertex_indices.json").write_text(json.dumps({"idx_to_landmark_verts": [10**6] * 68}))
    with pytest.raises(InputError, match="a vertex that is not one of"):
        read_ict(tmp_path)
    (tmp_path / "vertex_indices.json").write_text(json.dumps({"idx_to_landmark_verts": tiny.landmarks}))
    with pytest.raises(InputError, match="expression meshes"):
        read_ict(tmp_path)


@pytest.mark.parametrize("text", ["v 1 2 3\n", "v 1 2 x\n", "v 1 2 nan\n"])
def test_a_shape_of_another_mesh(folder: Path, tmp_path: Path, tiny: Any, text: str) -> None:
    tiny.write_obj(tmp_path / "generic_neutral_mesh.obj", tiny.neutral / 10.0)
    (tmp_path / "vertex_indices.json").write_text(json.dumps({"idx_to_landmark_verts": tiny.landmarks}))
    rest = "v 0 0 0\n" * (len(tiny.neutral) - 1) if "3" not in text else ""
    (tmp_path / "jawOpen.obj").write_text(rest + text)
    with pytest.raises(InputError, match=r"jawOpen\.obj: expected \d+ lines v x y z"):
        read_ict(tmp_path)


@pytest.mark.skipif("STEADYFACE_ICT" not in os.environ, reason="STEADYFACE_ICT names no folder of ICT-FaceKit")
def test_the_real_one() -> None:
    rig = read_ict(Path(os.environ["STEADYFACE_ICT"]), most_modes=3)
    assert rig.vertex_count == 26719 and len(rig.expression_names) == 55
    assert missing_arkit(rig) == ("tongueOut",)
    check_for_enrolment(rig)
    points = rig.landmark_points(rig.neutral[None])[0]
    assert points[45, 0] - points[36, 0] == pytest.approx(89.2, abs=0.5)
    blink = rig.expressions[rig.expression_names.index("eyeBlinkLeft")]
    assert torch.all(rig.neutral[blink.norm(dim=1) > 2.0, 0] > 0)
