"""Blender's own importer opens the .glb: its vertices are the track's. ``make test-services`` installs Blender."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from steadyface.export.glb import write_glb
from steadyface.studio.subject import Subject
from steadyface.tracking.track import Track
from steadyface.types import SubjectStatistics

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("reads_in_blender.py")
FRAMES, LOST = 30, slice(10, 14)
ENOUGH_MM = 2e-3  # single precision in Blender: half a metre, and up to 64 shapes added up


class Opened(NamedTuple):
    """What Blender made of a track: positions (n, V, 3) metres at ``frames``, the track's vertex of each (V,)."""

    track: Track
    frames: tuple[int, ...]
    positions: np.ndarray
    vertex: np.ndarray
    error_mm: float


@pytest.fixture(scope="module")
def blender() -> Path:
    """The Python that has Blender as a module."""
    found = Path(os.environ.get("BLENDER_PYTHON", ROOT / ".venv-blender" / "bin" / "python"))
    if not found.exists():
        pytest.skip(f"no Blender: {found} is missing (make test-services installs bpy into .venv-blender)")
    return found


@pytest.fixture(scope="module")
def opened(blender: Path, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    folder, subject = tmp_path_factory.mktemp("blender"), Subject(1)
    track = speaking(subject)
    texture = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    statistics = SubjectStatistics(
        subject.faces, subject.uv, subject.uv_faces, track.vertices[0], 1.0, texture, 0.1, subject.regions["rigid"],
        {}, ("front",),
    )  # fmt: skip
    written = write_glb(track, statistics, folder / "track.glb", texture)
    frames = (0, 8, 11, 17, 29)
    seconds = ",".join(f"{float(track.time_s[frame]):.6f}" for frame in frames)
    words = [blender, SCRIPT, folder / "track.glb", seconds, folder / "out.npz", folder / "picture.png"]
    subprocess.run(words, check=True, capture_output=True, timeout=280)
    assert (folder / "picture.png").stat().st_size > 1000
    with np.load(folder / "out.npz") as stored:
        return Opened(track, frames, stored["positions"], stored["vertex"], written.error_max_mm)


def speaking(subject: Subject) -> Track:
    """Thirty frames of a turning head at uneven times, four of them lost."""
    generator = torch.Generator().manual_seed(4)
    weights = torch.rand(FRAMES, len(subject.expression_names), generator=generator)
    vertices = subject.vertices(weights * (weights < 0.4))
    turn = torch.linspace(-200.0, 200.0, FRAMES).numpy()
    rotation = torch.from_numpy(Rotation.from_euler("y", turn[:, None], degrees=True).as_matrix()).float()
    found = torch.ones(FRAMES, dtype=torch.bool)
    found[LOST] = False
    translation = torch.tensor([5.0, 10.0, 520.0]) + torch.randn(FRAMES, 3, generator=generator)
    for values in (vertices, rotation, translation):
        values[~found] = torch.nan
    intrinsics = torch.tensor([[620.0, 0.0, 239.5], [0.0, 620.0, 319.5], [0.0, 0.0, 1.0]]).repeat(FRAMES, 1, 1)
    steps = 0.02 + 0.02 * torch.rand(FRAMES, generator=generator, dtype=torch.float64)
    return Track(
        time_s=steps.cumsum(0) - steps[0], latent=torch.zeros(FRAMES, 1), rotation=rotation, translation=translation,
        vertices=vertices, intrinsics=intrinsics, texture_residual=torch.zeros(FRAMES), found=found,
    )  # fmt: skip


def test_vertices_in_blender_are_the_tracks(opened: Opened) -> None:
    camera = opened.track.camera_vertices().double().numpy() * [1e-3, -1e-3, -1e-3]
    compared = 0
    for frame, positions in zip(opened.frames, opened.positions, strict=True):
        if bool(opened.track.found[frame]):
            off = 1e3 * np.linalg.norm(positions - camera[frame][opened.vertex], axis=1)
            assert off.max() <= opened.error_mm + ENOUGH_MM, frame
            compared += 1
    assert compared >= 3 and opened.error_mm <= 0.1


def test_a_lost_face_is_a_point_in_blender(opened: Opened) -> None:
    lost = opened.frames.index(11)
    assert np.ptp(opened.positions[lost], axis=0).max() < 1e-9
    assert np.ptp(opened.positions[lost + 1], axis=0).max() > 0.1
