"""ARKit's curves: known weights found again, absent faces empty, names that are lacking 0."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import lsq_linear
from scipy.spatial.transform import Rotation

from steadyface.capture.arkit_names import ARKIT_NAMES
from steadyface.capture.named_shapes import NamedShapes
from steadyface.errors import InputError
from steadyface.export.arkit import ShapeSolver, head_turn, usable_shapes, write_arkit_curves
from steadyface.studio.subject import Subject


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def curves_of(rows: list[dict[str, str]]) -> np.ndarray:
    return np.array([[float(row[name]) for name in ARKIT_NAMES] for row in rows])


def test_the_names_are_arkits_52() -> None:
    assert len(ARKIT_NAMES) == len(set(ARKIT_NAMES)) == 52
    assert set(ARKIT_NAMES) - set(Subject(0).expression_names) == {"tongueOut"}


def test_known_weights_are_found_again_frame_by_frame(exported, tmp_path: Path) -> None:
    written = write_arkit_curves(exported.stored, exported.statistics, exported.shapes, tmp_path / "arkit.csv")
    rows, found = rows_of(tmp_path / "arkit.csv"), exported.track.found.numpy()
    assert len(rows) == len(found) and written.frames == found.sum() and written.missing == ("tongueOut",)
    curves = curves_of([row for row, there in zip(rows, found, strict=True) if there])
    assert curves.min() >= 0.0 and curves.max() <= 1.0
    order = [exported.shapes.names.index(name) if name != "tongueOut" else -1 for name in ARKIT_NAMES]
    truth = exported.weights[found][:, order].numpy()
    truth[:, ARKIT_NAMES.index("tongueOut")] = 0.0
    assert truth.max() > 0.8 and np.abs(curves - truth).max() < 0.03 and np.abs(curves - truth).mean() < 1e-3
    assert 0 <= written.residual_mm < 0.01
    times = np.array([float(row["time_s"]) for row in rows])
    assert np.abs(times - exported.track.time_s.numpy()).max() < 1e-6


def test_a_frame_without_a_face_is_empty_but_for_its_number_and_time(exported, tmp_path: Path) -> None:
    write_arkit_curves(exported.track[18:26], exported.statistics, exported.shapes, tmp_path / "arkit.csv")
    for row, found in zip(rows_of(tmp_path / "arkit.csv"), exported.track.found[18:26].tolist(), strict=True):
        assert row["frame"] and row["time_s"]
        assert all((value != "") == found for name, value in row.items() if name not in ("frame", "time_s"))


def test_the_subjects_own_faces_come_back_though_lids_slide_and_shapes_couple(exported) -> None:
    subject, generator = Subject(0), torch.Generator().manual_seed(5)
    names = list(subject.expression_names)
    weights = torch.rand(6, len(names), generator=generator) * (torch.rand(6, len(names), generator=generator) < 0.2)
    weights[:, names.index("mouthClose")] = 0.0  # acts as far as the jaw is open: not linear
    found, residual = ShapeSolver(exported.shapes).solve(subject.vertices(weights).double().numpy())
    assert np.abs(found - weights.numpy()).max() < 0.05 and residual.max() < 0.02


def test_one_frame_is_what_scipy_finds_on_the_whole_mesh(exported) -> None:
    mesh = exported.track.vertices[3].double() + 0.3 * torch.randn(
        exported.shapes.neutral.shape, generator=torch.Generator().manual_seed(7)
    )
    ridge, deltas = 1e-3, exported.shapes.deltas.double().flatten(1).numpy()
    found, _ = ShapeSolver(exported.shapes, ridge).solve(mesh[None].numpy())
    size = np.sqrt(ridge * (deltas**2).sum() / len(deltas))
    stacked = np.concatenate([deltas.T, size * np.eye(len(deltas))])
    side = np.concatenate([(mesh - exported.shapes.neutral).flatten().numpy(), np.zeros(len(deltas))])
    reference = lsq_linear(stacked, side, (0.0, 1.0), method="bvls", tol=1e-12).x
    assert np.abs(found[0] - reference).max() < 1e-6


def test_shapes_in_another_head_frame_give_the_same_curves(exported, tmp_path: Path) -> None:
    turn = torch.from_numpy(Rotation.from_euler("xyz", [20, -30, 10], degrees=True).as_matrix()).float()
    moved = NamedShapes(exported.shapes.names, exported.shapes.deltas @ turn.T, exported.shapes.neutral @ turn.T + 40.0)
    for name, shapes in (("a", exported.shapes), ("b", moved)):
        write_arkit_curves(exported.track[:5], exported.statistics, shapes, tmp_path / f"{name}.csv")
    one, other = (curves_of(rows_of(tmp_path / f"{name}.csv")) for name in "ab")
    assert np.abs(one - other).max() < 1e-3


def test_names_that_the_shapes_lack_are_0_and_listed(exported, tmp_path: Path) -> None:
    kept = [exported.shapes.names.index(name) for name in ("jawOpen", "eyeBlinkLeft")]
    few = NamedShapes(
        (*(exported.shapes.names[i] for i in kept), "smirk"),
        torch.cat([exported.shapes.deltas[kept], exported.shapes.deltas[:1]]), exported.shapes.neutral,
    )  # fmt: skip
    assert usable_shapes(few, exported.statistics).names == ("eyeBlinkLeft", "jawOpen")
    written = write_arkit_curves(exported.track[:3], exported.statistics, few, tmp_path / "arkit.csv")
    used = (curves_of(rows_of(tmp_path / "arkit.csv")) > 0).any(0)
    assert {ARKIT_NAMES[i] for i in np.flatnonzero(used)} <= {"jawOpen", "eyeBlinkLeft"} and len(written.missing) == 50
    facts = json.loads((tmp_path / "arkit.json").read_text())
    assert facts["shapes_missing_written_as_0"] == list(written.missing) and facts["smoothing"] == "none"


def test_shapes_under_other_names_are_refused(exported, tmp_path: Path) -> None:
    foreign = NamedShapes(("AU12",), exported.shapes.deltas[:1], exported.shapes.neutral)
    with pytest.raises(InputError, match="rename them as ARKit does"):
        write_arkit_curves(exported.track[:3], exported.statistics, foreign, tmp_path / "arkit.csv")
    assert list(tmp_path.iterdir()) == []


def test_head_angles_have_the_signs_that_are_documented() -> None:
    """In OpenCV's axes x is the picture's right and y its bottom; a face looks along -z."""
    front, top = np.array([0.0, 0.0, -1.0]), np.array([0.0, -1.0, 0.0])

    def turned(axis: str, degrees: float) -> tuple[np.ndarray, np.ndarray]:
        rotation = Rotation.from_euler(axis, degrees, degrees=True).as_matrix()
        return rotation, head_turn(rotation[None])[0]

    right, yaw = turned("y", -30.0)
    assert (right @ front)[0] > 0 and yaw.round(3).tolist() == [30.0, 0.0, 0.0]
    down, pitch = turned("x", 30.0)
    assert (down @ front)[1] > 0 and pitch.round(3).tolist() == [0.0, 30.0, 0.0]
    tipped, roll = turned("z", -30.0)
    assert (tipped @ top)[0] < 0 and roll.round(3).tolist() == [0.0, 0.0, 30.0]


def test_head_angles_are_applied_roll_first_then_pitch_then_yaw() -> None:
    turns = (("y", -40), ("x", 20), ("z", -10))  # about OpenCV's axes, of which y and z point the other way
    yaw, pitch, roll = (Rotation.from_euler(axis, angle, degrees=True).as_matrix() for axis, angle in turns)
    assert head_turn((yaw @ pitch @ roll)[None])[0].round(3).tolist() == [40.0, 20.0, 10.0]
