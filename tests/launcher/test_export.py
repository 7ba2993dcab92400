"""``steadyface export`` at the command line: what it writes, and what it refuses before it writes anything."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from launcher.cli import main
from launcher.export import shapes_of_run
from launcher.outcome import Outcome, save_outcome
from launcher.runs import RunRecord, write_record
from steadyface.capture.named_shapes import NamedShapes, write_named_shapes
from steadyface.networks.checkpoints import describe_networks
from steadyface.networks.component_model import ComponentFaceModel
from steadyface.networks.face_model import FaceModelSettings
from steadyface.tracking.track import Track
from steadyface.types import SubjectStatistics

SIDE = 6  # a grid of 36 vertices


@pytest.fixture
def statistics() -> SubjectStatistics:
    step = torch.arange(SIDE)
    row, column = (part.flatten() for part in torch.meshgrid(step, step, indexing="ij"))
    uv = torch.stack([column, row], dim=-1) / (SIDE - 1)
    corner = (row * SIDE + column)[(row < SIDE - 1) & (column < SIDE - 1)]
    faces = torch.stack([corner, corner + SIDE, corner + 1], dim=1)
    mean = torch.cat([100.0 * uv - 50.0, 0.1 * row[:, None] ** 2], dim=1)
    texture = torch.full((3, 16, 16), 0.4)
    return SubjectStatistics(faces, uv, faces, mean, 2.0, texture, 0.2, torch.arange(18), {}, ("a",))


@pytest.fixture
def shapes(statistics: SubjectStatistics) -> NamedShapes:
    deltas = torch.zeros(2, SIDE**2, 3)
    deltas[0, 20:28, 1], deltas[1, 28:, 0] = 6.0, 4.0
    return NamedShapes(("jawOpen", "mouthLeft"), deltas, statistics.vertex_mean)


@pytest.fixture
def experiment(statistics: SubjectStatistics, tmp_path: Path) -> Path:
    """An experiment's folder as a finished one leaves it, with a studio's capture that has no shapes yet."""
    folder = tmp_path / "runs" / "demo"
    torch.manual_seed(0)
    model = ComponentFaceModel(statistics, FaceModelSettings(latent_size=2, hidden=8, texture_width=4))
    checkpoint = folder / "adaptation-1" / "checkpoints" / "last.ckpt"
    checkpoint.parent.mkdir(parents=True)
    weights = {f"face_model.{name}": value for name, value in model.state_dict().items()}
    torch.save({"networks": describe_networks(statistics, model, None), "state_dict": weights}, checkpoint)
    (folder / "studio-1" / "data" / "lab").mkdir(parents=True)
    for place in (folder, checkpoint.parents[1]):
        (place / "experiment.yaml").write_text(yaml.safe_dump({"lab": {"folder": "studio:lab"}}))
    save_outcome(Outcome(folder / "studio-1", checkpoint, {}, {}), folder)
    return folder


@pytest.fixture
def track(statistics: SubjectStatistics, shapes: NamedShapes, tmp_path: Path) -> Path:
    """Six frames, the third without a face."""
    weights = torch.rand(6, 2, generator=torch.Generator().manual_seed(3))
    found = torch.arange(6) != 2
    vertices = statistics.vertex_mean + torch.einsum("te,enk->tnk", weights, shapes.deltas)
    state: dict[str, Any] = {
        "vertices": vertices, "rotation": torch.eye(3).repeat(6, 1, 1), "latent": torch.zeros(6, 2),
        "translation": torch.tensor([0.0, 0.0, 500.0]).repeat(6, 1),
    }  # fmt: skip
    for values in state.values():
        values[~found] = torch.nan
    intrinsics = torch.tensor([[600.0, 0.0, 99.5], [0.0, 600.0, 99.5], [0.0, 0.0, 1.0]]).repeat(6, 1, 1)
    path = tmp_path / "tracked" / "track.npz"
    Track(
        time_s=torch.arange(6).double() / 30, intrinsics=intrinsics, texture_residual=torch.zeros(6), found=found,
        **state,
    ).save(path)  # fmt: skip
    return path


@pytest.fixture
def shapes_file(shapes: NamedShapes, tmp_path: Path) -> Path:
    write_named_shapes(tmp_path / "mine.npz", shapes)
    return tmp_path / "mine.npz"


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    yield capsys


def refused(console: pytest.CaptureFixture[str], folder: Path, *words: str | Path) -> str:
    """The one line that the command answers with; nothing was written."""
    before = sorted(folder.rglob("*"))
    assert main(["export", *map(str, words)]) == 2
    errors = console.readouterr().err
    assert errors.count("\n") == 1 and "expected" in errors and ", got " in errors
    assert sorted(folder.rglob("*")) == before
    return errors


def test_all_formats_lie_beside_the_track(track: Path, experiment: Path, shapes_file: Path, console) -> None:
    words = ["--glb", "--obj", "--ply", "--arkit", "--shapes", str(shapes_file)]
    assert main(["export", str(track.parent), "--run", str(experiment), *words]) == 0
    names = {path.name for path in track.parent.iterdir()}
    assert names == {"track.npz", "track.glb", "obj", "ply", "arkit.csv", "arkit.json"}
    printed = console.readouterr().out
    assert "at most" in printed and "MB" in printed and "5 meshes of 6 frames, mm, camera frame" in printed
    assert "tongueOut" in printed and len(list((track.parent / "ply").glob("*.ply"))) == 5
    with (track.parent / "arkit.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    weights = torch.rand(6, 2, generator=torch.Generator().manual_seed(3))
    assert float(rows[4]["jawOpen"]) == pytest.approx(float(weights[4, 0]), abs=1e-3) and rows[2]["jawOpen"] == ""


def test_only_what_is_asked_for_where_it_is_asked_for(track: Path, experiment: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "place"
    run = experiment / "adaptation-1" / "checkpoints" / "last.ckpt"
    assert main(["export", str(track), "--run", str(run), "--obj", "--space", "head", "--out", str(out)]) == 0
    assert [path.name for path in out.iterdir()] == ["obj"]
    assert "head frame" in (out / "obj" / "frame_000000.obj").read_text()


def test_shapes_are_found_beside_the_capture_of_the_run(experiment: Path, shapes: NamedShapes, tmp_path: Path) -> None:
    stage = experiment / "adaptation-1"
    places = (experiment, stage, stage / "checkpoints" / "last.ckpt")
    assert [shapes_of_run(place) for place in places] == [None] * 3
    there = experiment / "studio-1" / "data" / "lab" / "shapes.npz"
    write_named_shapes(there, shapes)
    assert [shapes_of_run(place) for place in places] == [there] * 3
    write_named_shapes(tmp_path / "own" / "shapes.npz", shapes)
    (stage / "experiment.yaml").write_text(yaml.safe_dump({"lab": {"folder": str(tmp_path / "own")}}))
    assert shapes_of_run(stage) == tmp_path / "own" / "shapes.npz"
    assert shapes_of_run(tmp_path / "elsewhere.ckpt") is None


def test_what_cannot_be_written_is_refused_at_once(track: Path, experiment: Path, tmp_path: Path, console) -> None:
    run = ["--run", experiment]
    assert "name one of these" in refused(console, tmp_path, track, *run)
    assert "--shapes FILE.npz" in refused(console, tmp_path, track, *run, "--glb", "--arkit")
    absent = tmp_path / "absent.npz"
    assert "absent.npz" in refused(console, tmp_path, track, *run, "--glb", "--arkit", "--shapes", absent)
    assert "no such file" in refused(console, tmp_path, absent, *run, "--glb")
    assert "above 0" in refused(console, tmp_path, track, *run, "--glb", "--error", "nan")
    (tmp_path / "tracked" / "obj").mkdir()
    (tmp_path / "tracked" / "obj" / "mine.txt").touch()
    assert "earlier export" in refused(console, tmp_path, track, *run, "--glb", "--obj")


def test_another_models_track_is_refused(track: Path, experiment: Path, tmp_path: Path, console) -> None:
    other = Track.load(track)
    other.vertices = other.vertices[:, :30]
    other.save(tmp_path / "other.npz")
    line = refused(console, tmp_path, tmp_path / "other.npz", "--run", experiment, "--glb")
    assert "36 vertices, as the model has, got 30" in line


def test_an_unfinished_stage_is_refused(track: Path, experiment: Path, tmp_path: Path, console) -> None:
    stage = experiment / "adaptation-1"
    write_record(stage, RunRecord("demo/adaptation-1", "adaptation", "adapted", "running", "", "v", {}, {}))
    assert "a finished stage" in refused(console, tmp_path, track, "--run", stage, "--glb")
