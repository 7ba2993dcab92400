from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch

from steadyface.geometry.normals import vertex_normals

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "full_size.py"
SMALL = [
    "lab.image_size=48", "lab.texture_size=32", "clips.image_size=32",
    "appearance.model.latent_size=8", "appearance.model.hidden=16",
    "pretraining.encoder.image_size=32", "pretraining.encoder.texture_size=32", "pretraining.encoder.point_width=8",
    "pretraining.encoder.expression_width=8", "pretraining.i2znet.image_size=32", "pretraining.i2znet.width=8",
    "pretraining.i2znet.hidden=16", "pretraining.i2znet.backbone=mobilenet_v2",
]  # fmt: skip


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("full_size", PROGRAM)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_grid_has_the_vertices_of_the_paper(program: ModuleType) -> None:
    vertices, uv, faces = program.head_grid(program.VERTICES)
    assert vertices.shape == (7306, 3) and uv.shape == (7306, 2)
    assert torch.equal(faces.unique(), torch.arange(7306))  # every vertex is part of a triangle
    assert (vertex_normals(vertices[None], faces)[0, :, 2] < 0).all()  # seen from the camera's side
    assert uv.min() > 0 and uv.max() < 1


def test_the_sizes_are_those_of_the_experiment(program: ModuleType) -> None:
    sizes = program.read_sizes([])
    assert (sizes.lab.texture_size, sizes.clips.image_size) == (1024, 256)
    assert (sizes.appearance.model.architecture, sizes.appearance.model.latent_size) == ("base", 256)
    assert sizes.pretraining.i2znet.backbone == "vgg16"


def test_every_stage_takes_two_steps(program: ModuleType, tmp_path: Path) -> None:
    sizes = program.read_sizes(SMALL)
    program.run_stage(program.NETWORKS, sizes, tmp_path, 2, "32-true")
    for stage in program.STAGES:
        found = program.run_stage(stage, sizes, tmp_path, 2, "32-true")
        assert len(found["seconds"]) == 2 and min(found["seconds"]) > 0
        assert 0.05 < found["peak_gb"] < 100


def test_what_cannot_be_measured_is_said(program: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert not program.print_stage("adaptation", lambda _: {"fault": "does not fit"}, "32-true", 3)
    assert program.print_stage("adaptation", lambda _: {"seconds": [2.0, 1.5], "peak_gb": 3.0}, "32-true", 3)
    first, second = capsys.readouterr().out.splitlines()
    assert first.split() == ["adaptation", "32-true", "does", "not", "fit"]
    assert "1.50 s a step (the first 2.00)" in second and "2.00 frames/s" in second and "3.00 GB" in second


def test_a_step_beyond_the_free_memory_is_no_crash(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def too_large(*_: object) -> None:
        torch.empty(1 << 60)

    monkeypatch.setattr(program, "run_stage", too_large)
    monkeypatch.setattr(program.resource, "setrlimit", lambda *_: None)  # this process has other tests to run
    arguments = program.parse_arguments(["--alone", "adaptation", "--threads", "1"])
    program.run_alone(arguments)
    assert "does not fit into the memory that is free" in capsys.readouterr().out
