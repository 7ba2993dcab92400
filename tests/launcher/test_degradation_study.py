from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules.clip_settings import WildClipsSettings
from datamodules.wild_clips import WildClips
from launcher.degradation_study import network_rows, study_degradations
from launcher.outcome import Outcome
from launcher.tracking import load_tracker, track_read_clip
from steadyface.capture.video import VideoWriter
from steadyface.errors import InputError
from steadyface.networks.checkpoints import describe_networks
from steadyface.networks.encoders import build_encoder
from steadyface.networks.face_model import FaceModel, FaceModelSettings
from steadyface.networks.face_models import build_face_model
from steadyface.networks.i2znet import I2ZNetSettings
from steadyface.tracking.track import Track
from steadyface.types import SubjectStatistics

SIZE, FRAMES = 32, 4


def checkpoint(path: Path, seed: int) -> Path:
    """An untrained network of a curved patch, which sees every picture a little differently."""
    torch.manual_seed(seed)
    v, u = torch.meshgrid(torch.linspace(0, 1, 7), torch.linspace(0, 1, 7), indexing="ij")
    vertices = torch.stack([120 * u - 60, 120 * v - 60, 40 * ((u - 0.5) ** 2 + (v - 0.5) ** 2)], -1).reshape(-1, 3)
    index = torch.arange(49).reshape(7, 7)
    a, b, c, d = (part.reshape(-1) for part in (index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]))
    faces = torch.cat([torch.stack([a, c, b], -1), torch.stack([b, c, d], -1)])
    statistics = SubjectStatistics(
        faces, torch.stack([u, v], -1).reshape(-1, 2), faces, vertices, 4.0, torch.rand(3, 16, 16), 0.1,
        torch.arange(14), {}, ("front",),
    )  # fmt: skip
    model = build_face_model(statistics, FaceModelSettings(latent_size=4, hidden=8, texture_width=4))
    settings = I2ZNetSettings(SIZE, "none", stacks=1, width=8, landmarks=6, hidden=16)
    encoder = build_encoder("i2znet", statistics, settings, 4)
    weights = {f"face_model.{name}": value for name, value in model.state_dict().items()}
    weights |= {f"encoder.{name}": value for name, value in encoder.state_dict().items()}
    torch.save({"networks": describe_networks(statistics, model, encoder), "state_dict": weights}, path)
    return path


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("networks")
    return {name: checkpoint(folder / f"{name}.ckpt", seed) for seed, name in enumerate(("source", "adapted"))}


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path, random = tmp_path_factory.mktemp("clip") / "clip.mkv", np.random.default_rng(0)
    blocks = random.integers(0, 256, (FRAMES, 8, 10, 3), dtype=np.uint8)
    with VideoWriter(path, 80, 64, 30, "ffv1") as writer:
        for block in blocks:
            writer.write(block.repeat(8, 0).repeat(8, 1))
    return path


def read(video: Path, **changes: object) -> WildClips:
    given = {"clips": [str(video)], "box": [8.0, 4.0, 56.0, 56.0], "focal_px": 90.0, "image_size": SIZE, **changes}
    data = WildClips(WildClipsSettings(**given), seed=0)  # type: ignore[arg-type]
    data.setup()
    return data


def score(track: Track, face_model: FaceModel) -> dict[str, float]:
    whitened = face_model.whiten(track.latent).abs().mean()
    return {"depth": float(track.translation[:, 2].mean()), "frames": float(len(track)), "latent": float(whitened)}


def test_every_network_is_scored_on_every_degraded_clip(
    rows: dict[str, Path], video: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    requested = ["noise:10,40", "crop_error:0.2", "compression:40,20"]
    study = study_degradations(requested, rows, read(video), score)
    assert {name: list(levels) for name, levels in study.items()} == {
        "noise": ["10", "40"], "crop_error": ["0.2"], "compression": ["40", "20"],
    }  # fmt: skip
    depths = set()
    for name, levels in study.items():
        for level, scores in levels.items():
            degraded = read(video, degradation=name, degradation_level=float(level))
            for row, path in rows.items():
                networks = load_tracker(path)
                expected = score(track_read_clip(networks, degraded).track, networks.face_model)
                assert scores[row] == {metric: [value] for metric, value in expected.items()}
                assert scores[row]["frames"] == [FRAMES]
                depths.add(scores[row]["depth"][0])
    assert len(depths) == 10  # no two are of the same pictures, or by the same network
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("degradations: 2/10 tracks, noise at 10 done, ") and lines[0].endswith(" left")
    assert lines[-1] == "degradations: 10/10 tracks, compression at 20 done"


def test_a_fault_is_found_before_anything_is_tracked(rows: dict[str, Path], video: Path) -> None:
    def never(track: Track, face_model: FaceModel) -> dict[str, float]:
        raise AssertionError("tracked before the faults were found")

    for requested, expected in (
        (["blur:1", "bluur"], "nearest is blur"),
        (["blur", "noise:-1"], "level of noise"),
        (["blur:1", "blur:2"], "each name once, got blur twice"),
    ):
        with pytest.raises(InputError, match=expected):
            study_degradations(requested, rows, read(video), never)


def test_rows_are_networks_under_the_first_seed() -> None:
    adapted = {("adapted", 3): Path("a3"), ("adapted", 1): Path("a1"), ("motc_raw", 3): Path("m3")}
    outcome = Outcome(None, Path("s"), adapted, {}, {"wide": Path("w")})
    expected = {"source": Path("s"), "wide": Path("w"), "adapted": Path("a3"), "motc_raw": Path("m3")}
    assert network_rows(outcome) == expected
