"""``steadyface import-decoder`` from the command line: a decoder that loads, and files that are refused."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from datamodules.lab_splits import split_capture
from datamodules.lab_subject import read_subject
from launcher.cli import main
from steadyface.capture.capture_index import MultifaceCapture
from steadyface.capture.krt import Camera, write_krt
from steadyface.capture.multiface import (
    CaptureLayout,
    CaptureStatistics,
    FrameId,
    write_frame_list,
    write_image_png,
    write_mesh_bin,
    write_regions,
    write_statistics,
    write_texture,
    write_transform,
)
from steadyface.capture.obj import ObjMesh, write_obj
from steadyface.networks.checkpoints import load_networks
from steadyface.networks.face_model import FaceModel, FaceModelSettings
from steadyface.networks.face_models import build_face_model
from steadyface.networks.multiface_weights import public_name

TEXELS, CAMERAS = 32, ("400010", "400011", "400012")

def steadyface(*words: str) -> tuple[int, str, str]:
    """Run a command in this process: exit code, stdout, stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        return main(words), out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture of one instant: an importer reads no picture of it but the mean texture."""
    layout = CaptureLayout(tmp_path_factory.mktemp("lab"))
    v, u = (part.ravel() / 3 for part in np.mgrid[:4, :4])
    vertices, corner = np.stack([100 * u, 100 * v, 9 * u * v], axis=-1), np.array([0, 1, 2, 4, 5, 6, 8, 9, 10])
    faces = np.stack([corner, corner + 1, corner + 4], axis=-1)
    instant, black = FrameId("E001_Neutral", "000100"), np.zeros((TEXELS, TEXELS, 3), np.uint8)
    write_mesh_bin(layout.mesh_bin(instant), vertices)
    write_transform(layout.transform(instant), np.eye(3), np.zeros(3))
    write_obj(layout.mesh_obj(instant), ObjMesh(vertices, np.stack([u, v], -1), faces, faces))
    write_frame_list(layout.frame_list, [instant])
    write_texture(layout.average(instant), black)
    for camera in CAMERAS:
        write_image_png(layout.image(instant, camera), black)
        write_texture(layout.texture(instant, camera), black)
    turn, away = np.eye(3), np.array([0.0, 0.0, 420.0])
    write_krt(layout.krt, [Camera(name, np.diag([240.0, 240.0, 1.0]), np.zeros(5), turn, away) for name in CAMERAS])
    mean = np.random.default_rng(0).integers(0, 255, black.shape).astype(np.uint8)
    write_statistics(layout, CaptureStatistics(mean, 900.0, vertices.astype(np.float32), 16.0))
    write_regions(layout.regions, {"rigid": [0, 1, 2, 3]})
    return layout.root


def network(lab: Path, variant: str = "base", **changes: object) -> FaceModel:
    """A small network of the capture's subject."""
    torch.manual_seed(0)
    capture = MultifaceCapture(lab)
    statistics = read_subject(capture, 0, split_capture(capture, [], [], 1).training, threads=1)
    settings = FaceModelSettings(variant, latent_size=4, hidden=8, texture_width=2)
    model = build_face_model(replace(statistics, **changes), settings)  # type: ignore[arg-type]
    with torch.no_grad():
        model.camera_gain[1:].uniform_(0.5, 1.5)
    return model


def released(model: FaceModel) -> dict[str, Tensor]:
    """The state dict that the public training would have written of it."""
    names = [name for name, _ in model.named_parameters() if not name.startswith("camera_")]
    blocks = len({name.split(".")[1] for name in names if name.startswith("encode_texture.")})
    state = {public_name(name, blocks): model.get_parameter(name).detach() for name in names}
    gain, bias = (value.detach()[:, :, None, None] for value in (model.camera_gain, model.camera_bias))
    state |= {"cc.weight_anchor": gain[:1], "cc.weight": gain[1:], "cc.bias_anchor": bias[:1], "cc.bias": bias[1:]}
    if model.settings.architecture == "warp":
        state["warp.normal_grid"] = model.get_buffer("warp.identity")
    return {f"module.{name}": value for name, value in state.items()}


@pytest.mark.parametrize("variant", ["base", "res", "non", "bilinear", "warp"])
def test_the_imported_decoder_is_the_released_one(lab: Path, variant: str, tmp_path: Path) -> None:
    model = network(lab, variant)
    torch.save(released(model), tmp_path / "best_model.pth")
    out = tmp_path / "new" / "decoder.ckpt"
    code, told, errors = steadyface("import-decoder", str(tmp_path / "best_model.pth"), "--lab", str(lab), str(out))
    assert code == 0 and f"{variant}, 4 numbers" in told, errors
    statistics, loaded, encoder = load_networks(out)
    assert encoder is None and loaded.settings == model.settings
    assert statistics.cameras == CAMERAS
    latent, view, camera = torch.randn(2, 4), torch.tensor([[0.0, 0.0, -1.0], [0.6, 0.0, -0.8]]), torch.tensor([0, 1])
    for before, after in zip(model.decode(latent, view), loaded.decode(latent, view), strict=True):
        assert torch.equal(before, after)
    texture = torch.rand(2, 3, TEXELS, TEXELS)
    assert torch.equal(model.correct_camera(texture, camera), loaded.correct_camera(texture, camera))


def refused(released_file: Path, lab: Path, *more: str) -> str:
    """The one line that the command answers with; nothing is written."""
    out = released_file.with_name("never.ckpt")
    code, _, errors = steadyface("import-decoder", str(released_file), "--lab", str(lab), str(out), *more)
    assert code == 2 and not list(released_file.parent.glob("never*"))
    assert errors.count("\n") == 1 and errors.startswith("steadyface: ") and "Traceback" not in errors
    assert "expected" in errors and ", got " in errors and "; " in errors.split(", got ")[1]
    return errors


def test_tensors_that_do_not_belong_are_listed_in_one_line(lab: Path, tmp_path: Path) -> None:
    state = released(network(lab))
    del state["module.dec.view_fc.g"]
    state["module.enc.more"] = torch.zeros(2)
    state["module.dec.z_fc.bias"] = torch.zeros(9)
    torch.save(state, tmp_path / "best_model.pth")
    told = refused(tmp_path / "best_model.pth", lab)
    assert "dec.view_fc.g is missing" in told and "enc.more is unknown" in told
    assert "dec.z_fc.bias is 9 where 8 belongs" in told


def test_another_variant_and_a_name_that_is_none(lab: Path, tmp_path: Path) -> None:
    torch.save(released(network(lab)), tmp_path / "best_model.pth")
    assert "warp.mlp.0.weight is missing" in refused(tmp_path / "best_model.pth", lab, "--variant", "warp")
    assert "one of base, res, non" in refused(tmp_path / "best_model.pth", lab, "--variant", "resnet")


def test_another_subjects_capture_is_refused(lab: Path, tmp_path: Path) -> None:
    count = 16
    torch.save(released(network(lab, vertex_mean=torch.zeros(count + 1, 3))), tmp_path / "vertices.pth")
    told = refused(tmp_path / "vertices.pth", lab)
    assert f"a decoder of {count} vertices" in told and f"got {count + 1}" in told
    torch.save(released(network(lab, texture_mean=torch.zeros(3, 64, 64))), tmp_path / "texels.pth")
    told = refused(tmp_path / "texels.pth", lab)
    assert f"at most {TEXELS}" in told and "got 64 x 64 texels" in told


def write_text(path: Path) -> None:
    path.write_text("weights")


@pytest.mark.parametrize(
    ("write", "fault"),
    [
        (lambda path: None, "got nothing there"),
        (write_text, "an unreadable file"),
        (lambda path: torch.save({"networks": [1]}, path), "other content under networks"),
        (lambda path: torch.save([1.0], path), "got a list"),
        (lambda path: torch.save({"enc.fc.bias": torch.zeros(2)}, path), "enc.fc.weight: expected"),
    ],
    ids=["missing", "text", "other", "list", "part"],
)
def test_a_file_that_is_no_released_network(
    write: Callable[[Path], None], fault: str, lab: Path, tmp_path: Path
) -> None:
    write(tmp_path / "best_model.pth")
    assert fault in refused(tmp_path / "best_model.pth", lab)


def test_no_capture_and_a_file_in_the_way(lab: Path, tmp_path: Path) -> None:
    torch.save(released(network(lab)), tmp_path / "best_model.pth")
    assert "a capture folder" in refused(tmp_path / "best_model.pth", tmp_path / "nowhere")
    there = tmp_path / "there.ckpt"
    there.write_text("mine")
    words = ["import-decoder", str(tmp_path / "best_model.pth"), "--lab", str(lab), str(there)]
    code, _, errors = steadyface(*words)
    assert code == 2 and "a file that does not exist yet" in errors and there.read_text() == "mine"


def test_a_camera_that_the_decoder_does_not_know_is_told(
    lab: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torch.save(released(network(lab, cameras=CAMERAS[:-1])), tmp_path / "best_model.pth")
    out = tmp_path / "decoder.ckpt"
    code, _, _ = steadyface("import-decoder", str(tmp_path / "best_model.pth"), "--lab", str(lab), str(out))
    assert code == 0 and f"no gain and bias for camera {CAMERAS[-1]}" in caplog.text
    model = load_networks(out)[1]
    assert len(model.camera_gain) == len(CAMERAS) and model.camera_gain[-1].tolist() == [1.0, 1.0, 1.0]
