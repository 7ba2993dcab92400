"""Keyframes over a track's file: the clip is not tracked again, and what was tracked is never lost."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from launcher.keyframes import (
    ORIGIN,
    TRACK,
    UNCORRECTED,
    apply_to_folder,
    earlier_track,
    forget_origin,
    origin_of,
    remember_origin,
)  # fmt: skip
from launcher.tracking import Networks
from steadyface.networks.component_model import ComponentFaceModel
from steadyface.networks.face_model import FaceModelSettings
from steadyface.networks.state_encoder import StateEncoder, StateEncoderSettings
from steadyface.studio.subject import Subject
from steadyface.tracking.keyframe_file import Keyframe
from steadyface.tracking.keyframes import apply_keyframes
from steadyface.tracking.track import Track
from steadyface.types import SubjectStatistics

FRAMES = 150  # more than two blocks of a file


@pytest.fixture(scope="module")
def networks() -> Networks:
    subject, generator = Subject(0), torch.Generator().manual_seed(6)
    meshes = subject.vertices(0.6 * torch.rand(8, len(subject.expression_names), generator=generator))
    mean = meshes.mean(0)
    statistics = SubjectStatistics(
        subject.faces, subject.uv, subject.uv_faces, mean, float((meshes - mean).std()), torch.full((3, 32, 32), 0.5),
        0.1, subject.regions["rigid"], subject.regions, ("front",),
    )  # fmt: skip
    model = ComponentFaceModel(statistics, FaceModelSettings(latent_size=4, hidden=16, texture_width=4))
    model.start_from_lab(meshes)
    settings = StateEncoderSettings(64, texture_size=32, point_width=8, still_points=12, moving_points=10)
    return Networks(statistics, model.requires_grad_(False), StateEncoder(statistics, settings, 4))


@pytest.fixture
def track(networks: Networks, tmp_path: Path) -> Track:
    camera = torch.tensor([[620.0, 0.0, 239.5], [0.0, 620.0, 319.5], [0.0, 0.0, 1.0]])
    found = torch.ones(FRAMES, dtype=torch.bool)
    found[70:75] = False
    latent = 0.1 * torch.randn(FRAMES, 4)
    track = Track(
        torch.arange(FRAMES).double() / 30, latent, torch.eye(3).repeat(FRAMES, 1, 1),
        torch.tensor([0.0, 0.0, 500.0]).repeat(FRAMES, 1), networks.face_model.decode_vertices(latent),
        camera.repeat(FRAMES, 1, 1), torch.full((FRAMES,), 0.2), found,
    )  # fmt: skip
    track.save(tmp_path / TRACK)
    return track


def moved(frame: int, x: float) -> Keyframe:
    return Keyframe(frame, None, translation=torch.tensor([x, 0.0, 500.0]))


def same(first: Track, second: Track) -> bool:
    return all(
        torch.equal(value.nan_to_num(7.0), getattr(second, name).nan_to_num(7.0))
        for name, value in vars(first).items()
        if name != "region_names"
    )


def test_the_file_becomes_what_the_track_in_memory_becomes(networks: Networks, track: Track, tmp_path: Path) -> None:
    keyframes = [moved(66, 4.0), moved(120, -3.0)]
    lines = apply_to_folder(tmp_path, keyframes, networks)
    wanted = apply_keyframes(track, keyframes, networks.statistics, networks.face_model)
    assert same(Track.load(tmp_path / TRACK), wanted)
    assert lines[0] == "frame 66: its state is met" and lines[-1] == "143 of 150 frames corrected with them"


def test_each_set_of_keyframes_starts_from_what_was_tracked(networks: Networks, track: Track, tmp_path: Path) -> None:
    apply_to_folder(tmp_path, [moved(20, 30.0)], networks)
    apply_to_folder(tmp_path, [moved(90, 4.0)], networks)
    wanted = apply_keyframes(track, [moved(90, 4.0)], networks.statistics, networks.face_model)
    assert same(Track.load(tmp_path / TRACK), wanted)
    assert same(Track.load(tmp_path / UNCORRECTED), track)


def test_a_fault_leaves_everything_as_it_was(networks: Networks, track: Track, tmp_path: Path) -> None:
    before = (tmp_path / TRACK).read_bytes()
    with pytest.raises(ExceptionGroup):
        apply_to_folder(tmp_path, [moved(20, 1.0), moved(72, 1.0), moved(150, 1.0)], networks)
    assert (tmp_path / TRACK).read_bytes() == before and [path.name for path in tmp_path.iterdir()] == [TRACK]


def test_a_track_is_taken_again_only_for_the_same_clip_networks_and_options(track: Track, tmp_path: Path) -> None:
    clip, checkpoint = tmp_path / "clip.mp4", tmp_path / "last.ckpt"
    clip.write_bytes(b"frames")
    checkpoint.write_bytes(b"weights")
    origin = origin_of(clip, checkpoint, {"focal_px": 620.0})
    assert earlier_track(tmp_path, origin) is None  # nothing says what it is of
    remember_origin(tmp_path, origin)
    assert earlier_track(tmp_path, origin) == tmp_path / TRACK
    assert earlier_track(tmp_path, origin_of(clip, checkpoint, {"focal_px": 700.0})) is None
    clip.write_bytes(b"other frames")
    assert earlier_track(tmp_path, origin_of(clip, checkpoint, {"focal_px": 620.0})) is None
    (tmp_path / TRACK).rename(tmp_path / UNCORRECTED)
    assert earlier_track(tmp_path, origin) == tmp_path / UNCORRECTED
    forget_origin(tmp_path)
    assert earlier_track(tmp_path, origin) is None
    (tmp_path / ORIGIN).write_text("{")
    assert earlier_track(tmp_path, origin) is None
