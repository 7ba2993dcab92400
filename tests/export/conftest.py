"""A track of the studio's subject with everything in it that an export meets: a lost face, a cut, uneven times."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from steadyface.capture.named_shapes import NamedShapes
from steadyface.studio.subject import Subject
from steadyface.tracking.track import Track
from steadyface.tracking.track_file import StoredTrack
from steadyface.types import SubjectStatistics

FRAMES = 70  # more than a block
LOST = slice(20, 24)
CUT = 40


class Exported(NamedTuple):
    """The track in memory and in its file, what is fixed for the subject, its shapes and the track's weights (T, E)."""

    track: Track
    stored: StoredTrack
    statistics: SubjectStatistics
    shapes: NamedShapes
    weights: Tensor


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    torch.set_num_threads(1)
    subject, generator = Subject(0), torch.Generator().manual_seed(2)
    names = tuple(subject.expression_names)
    rest = subject.vertices(torch.zeros(1, len(names)))[0]
    shapes = NamedShapes(names, subject.expression_deltas(), rest)
    keys = torch.rand(9, len(names), generator=generator) * (torch.rand(9, len(names), generator=generator) < 0.3)
    weights = torch.nn.functional.interpolate(keys.t()[None], FRAMES, mode="linear", align_corners=True)[0].t()
    vertices = rest + torch.einsum("te,enk->tnk", weights, shapes.deltas)
    track = moving_track(vertices, generator)
    path = tmp_path_factory.mktemp("track") / "track.npz"
    track.save(path)
    texture = torch.rand(3, 16, 16, generator=generator)
    statistics = SubjectStatistics(
        subject.faces, subject.uv, subject.uv_faces, rest, 1.0, texture, 0.1, subject.regions["rigid"],
        subject.regions, ("front",),
    )  # fmt: skip
    return Exported(track, StoredTrack(path), statistics, shapes, weights)


def moving_track(vertices: Tensor, generator: torch.Generator) -> Track:
    """The meshes on a head that turns once around, lost for four frames and cut once; times uneven, from below 0."""
    frames = len(vertices)
    turn = torch.linspace(0.0, 400.0, frames)
    angles = torch.stack([turn, 20.0 * torch.sin(turn / 40.0), 10.0 * torch.cos(turn / 30.0)], 1).numpy()
    rotation = torch.from_numpy(Rotation.from_euler("YXZ", angles, degrees=True).as_matrix()).float()
    translation = torch.tensor([10.0, -20.0, 550.0]) + torch.randn(frames, 3, generator=generator)
    found = torch.ones(frames, dtype=torch.bool)
    found[LOST] = False
    shot = (torch.arange(frames) >= CUT).long()
    steps = 0.02 + 0.03 * torch.rand(frames, generator=generator, dtype=torch.float64)
    state = [vertices.clone(), rotation, translation, torch.randn(frames, 3, generator=generator)]
    for values in state:
        values[~found] = torch.nan
    intrinsics = torch.tensor([[620.0, 0.0, 239.5], [0.0, 620.0, 319.5], [0.0, 0.0, 1.0]]).repeat(frames, 1, 1)
    return Track(
        time_s=steps.cumsum(0) - 0.06, latent=state[3], rotation=state[1], translation=state[2], vertices=state[0],
        intrinsics=intrinsics, texture_residual=torch.full((frames,), 0.5), found=found, shot=shot,
        confidence=torch.linspace(0.0, 1.0, frames),
    )  # fmt: skip
