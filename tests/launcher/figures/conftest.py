"""A small finished experiment, made of real parts: clip, truth, tracks, scores, untrained networks."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from pytorch3d.transforms import axis_angle_to_matrix

from launcher.outcome import Outcome, save_outcome
from steadyface.capture.clip_truth import ClipTruth
from steadyface.capture.video import VideoWriter
from steadyface.metrics.evaluate_track import evaluate_track
from steadyface.networks.checkpoints import describe_networks
from steadyface.networks.face_model import FaceModelSettings
from steadyface.networks.face_models import build_face_model
from steadyface.networks.state_encoder import StateEncoder, StateEncoderSettings
from steadyface.tracking.overlay import draw_overlay
from steadyface.tracking.smoothing import smooth_track
from steadyface.tracking.track import Track
from steadyface.types import SubjectStatistics

FRAMES, WIDTH, HEIGHT = 9, 96, 128
K = torch.tensor([[200.0, 0.0, 47.5], [0.0, 200.0, 63.5], [0.0, 0.0, 1.0]])


def _topology():
    """A bulging sheet of 8 x 8 vertices, 140 mm wide; v grows downwards."""
    row, column = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    depth = 4.0 * ((row - 3.5) ** 2 + (column - 3.5) ** 2)
    mean = torch.stack([column * 20.0 - 70, row * 20.0 - 70, depth], dim=-1).view(-1, 3).float()
    corner = (row[:-1, :-1] * 8 + column[:-1, :-1]).flatten()
    left = torch.stack([corner, corner + 8, corner + 1], 1)
    faces = torch.cat([left, torch.stack([corner + 1, corner + 8, corner + 9], 1)])
    texture = torch.nn.functional.interpolate(torch.rand(1, 3, 8, 8), size=32, mode="nearest")[0]
    uv = (mean[:, :2] + 70) / 140
    regions = {"lips": torch.arange(48, 64)}
    return SubjectStatistics(faces, uv, faces, mean, 1.0, texture, 0.1, torch.arange(32), regions, ("front",))


def _truth(topology):
    time_s = torch.arange(FRAMES).double() / 30
    turn = torch.zeros(FRAMES, 3)
    turn[:, 1] = 0.2 * torch.sin(4 * time_s.float())
    place = torch.tensor([0.0, 0.0, 500.0]).repeat(FRAMES, 1)
    vertices = topology.vertex_mean.repeat(FRAMES, 1, 1)
    return ClipTruth(vertices, axis_angle_to_matrix(turn), place, K.repeat(FRAMES, 1, 1), time_s)


def _track(truth, noise_mm):
    vertices = truth.vertices.clone()
    vertices[:, 48:] += noise_mm * 0.2 * torch.randn(FRAMES, 1, 3)
    translation = truth.translation + noise_mm * torch.randn(FRAMES, 3)
    nothing = torch.zeros(FRAMES)
    return Track(truth.time_s, torch.zeros(FRAMES, 4), truth.rotation, translation, vertices, truth.intrinsics, nothing)


def _save_networks(topology, path):
    face_model = build_face_model(topology, FaceModelSettings(latent_size=4, hidden=8, texture_width=4))
    settings = StateEncoderSettings(
        64, texture_size=32, point_width=8, still_points=8, moving_points=8, expression_width=8
    )
    encoder = StateEncoder(topology, settings, 4)
    parts = {"face_model.": face_model.state_dict(), "encoder.": encoder.state_dict()}
    weights = {prefix + name: value for prefix, part in parts.items() for name, value in part.items()}
    path.parent.mkdir(parents=True)
    torch.save({"networks": describe_networks(topology, face_model, encoder), "state_dict": weights}, path)


def _save_clip(topology, truth, path):
    ground = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    colour = torch.cat([torch.eye(3), torch.zeros(3, 1)], dim=1)
    with VideoWriter(path, WIDTH, HEIGHT, 30.0, crf=8) as writer:
        for vertices in _track(truth, 0.0).camera_vertices():
            writer.write(draw_overlay(ground, vertices, K, topology, topology.texture_mean, colour, 1.0))


def _scores(tracks, truth, topology):
    found = {}
    for row, by_seed in tracks.items():
        for track in by_seed:
            values = evaluate_track(track, truth, topology.regions, topology.rigid_vertices, topology.vertex_mean)
            for metric, value in values.items():
                finite = value if math.isfinite(value) else None
                found.setdefault(row, {}).setdefault(metric, []).append(finite)
    return found


def _degradations(factor):
    return {
        kind: {
            level: {
                row: {"reprojection_error_px": [factor * (1 + i) * base]}
                for row, base in (("source", 3.0), ("adapted", 1.0))
            }
            for i, level in enumerate(levels)
        }
        for kind, levels in {"blur": ["0", "2", "4"], "fog": ["thin", "thick"]}.items()
    }  # fmt: skip


def _make_run(folder, noise=1.0, with_truth=True):
    """A finished experiment: one clip, two seeds, and a checkpoint of untrained networks."""
    torch.manual_seed(3)
    topology = _topology()
    truth, clip = _truth(topology), folder / "clip.mp4"
    _save_networks(topology, folder / "pretraining" / "checkpoints" / "last.ckpt")
    _save_clip(topology, truth, clip)
    if with_truth:
        truth.save(folder / "clip.truth.npz")
    source, adapted = _track(truth, 6.0 * noise), [_track(truth, noise), _track(truth, 1.5 * noise)]
    where = folder / "tracks" / "adapted_clip"
    source.save(where / "source.npz")
    for seed, track in enumerate(adapted):
        track.save(where / f"adapted-seed{seed}.npz")
    tracks = {"source": [source] * 2, "source_smoothed": [smooth_track(source)] * 2, "adapted": adapted}
    summary = {
        "adapted_clip": _scores(tracks, truth, topology), "seeds": [0, 1],
        "degradations": {"adapted_clip": _degradations(noise)},
    }  # fmt: skip
    if not with_truth:
        kept = {"acceleration_px_s2"}
        rows = summary["adapted_clip"]
        summary = {"adapted_clip": {row: {m: rows[row][m] for m in kept} for row in rows}, "seeds": [0, 1]}
    (folder / "summary.json").write_text(json.dumps(summary))
    (folder / "experiment.yaml").write_text(f"name: made_up\nlab: {{folder: lab}}\nclips:\n  clips: ['{clip}']\n")
    checkpoint = folder / "pretraining" / "checkpoints" / "last.ckpt"
    save_outcome(Outcome(None, checkpoint, {("adapted", seed): checkpoint for seed in (0, 1)}, {}), folder)
    return folder


@pytest.fixture(scope="session")
def make_run():
    """(folder, noise=1.0, with_truth=True) -> that folder with a finished experiment in it."""
    return _make_run


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    return _make_run(tmp_path_factory.mktemp("runs") / "subject_0")


@pytest.fixture(scope="session")
def other_run(tmp_path_factory):
    return _make_run(tmp_path_factory.mktemp("runs") / "subject_1", noise=2.0)
