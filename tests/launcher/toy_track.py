"""What the tests of ``steadyface track`` share: a checkpoint of untrained networks, a small clip, the command."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from launcher.cli import main
from steadyface.capture.video import VideoWriter
from steadyface.networks.checkpoints import describe_networks
from steadyface.networks.component_model import ComponentFaceModel
from steadyface.networks.face_model import FaceModelSettings
from steadyface.networks.state_encoder import StateEncoder, StateEncoderSettings
from steadyface.types import SubjectStatistics

SIDE, WIDTH, HEIGHT, FRAMES = 8, 96, 80, 21
BOX = ["--box", "8,4,70,70"]


class Tracked(NamedTuple):
    """A command's exit code, its output and errors."""

    code: int
    out: str
    err: str


def steadyface(*words: str | Path) -> Tracked:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in words])
    return Tracked(code, out.getvalue(), err.getvalue())


def refused(folder: Path, *words: str | Path, kept: Iterable[str] = ()) -> str:
    """The one line that a command answers with; it leaves nothing in ``folder`` but the files ``kept``."""
    before = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    said = steadyface(*words)
    assert said.code == 2, said.out
    faults = [line for line in said.err.splitlines() if line.startswith("steadyface: ")]
    assert len(faults) == 1 and "Traceback" not in said.err, said.err
    assert "expected" in faults[0] and ", got " in faults[0] and "; " in faults[0].split(", got ")[1]
    after = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    assert after == before | set(kept), "something half-written was left behind"
    return faults[0]


def save_run(path: Path) -> Path:
    """A checkpoint of a bulging sheet of 64 vertices, 140 mm wide, and small untrained networks."""
    row, column = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    depth = 4.0 * ((row - 3.5) ** 2 + (column - 3.5) ** 2)
    mean = torch.stack([column * 20.0 - 70, row * 20.0 - 70, depth], dim=-1).view(-1, 3).float()
    corner = (row[:-1, :-1] * SIDE + column[:-1, :-1]).flatten()
    left = torch.stack([corner, corner + SIDE, corner + 1], 1)
    faces = torch.cat([left, torch.stack([corner + 1, corner + SIDE, corner + SIDE + 1], 1)])
    generator = torch.Generator().manual_seed(3)
    texture = 0.2 + 0.4 * torch.rand(3, 32, 32, generator=generator)
    lips, rigid = torch.arange(48, 64), torch.arange(32)
    statistics = SubjectStatistics(
        faces, (mean[:, :2] + 70) / 140, faces, mean, 1.0, texture, 0.1, rigid, {"lips": lips}, ("front",)
    )
    meshes = mean + torch.randn(8, SIDE**2, 3, generator=generator)
    torch.manual_seed(0)
    model = ComponentFaceModel(statistics, FaceModelSettings(latent_size=4, hidden=8, texture_width=4))
    model.start_from_lab(meshes)
    settings = StateEncoderSettings(
        32, texture_size=32, point_width=8, still_points=12, moving_points=10, expression_width=8
    )
    encoder = StateEncoder(statistics, settings, 4)
    encoder.head_points.choose(mean, meshes, torch.randn(8, 4, generator=generator), rigid, lips)
    parts = {"face_model.": model.state_dict(), "encoder.": encoder.state_dict()}
    weights = {prefix + name: value for prefix, part in parts.items() for name, value in part.items()}
    torch.save({"networks": describe_networks(statistics, model, encoder), "state_dict": weights}, path)
    return path


def picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """Smooth colours, no symmetry, and a bright spot that moves on."""
    y, x = np.mgrid[:height, :width]
    red, green = 60 + 120 * x / width, 50 + 100 * y / height
    spot = 60 * np.exp(-((x - 30 - number) ** 2 + (y - 34) ** 2) / 80)
    return np.stack([red + spot, green + spot, 90 + 60 * (x + y) / (width + height)], axis=2).astype(np.uint8)


def save_clip(path: Path, frames: int = FRAMES, fps: float = 30.0) -> Path:
    """A clip of `picture`."""
    with VideoWriter(path, WIDTH, HEIGHT, fps, crf=4) as writer:
        for number in range(frames):
            writer.write(picture(number))
    return path
