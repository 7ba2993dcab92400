"""Small finished experiments over one clip, made of real parts: video, truth, tracks, scores, untrained networks."""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from pytorch3d.transforms import axis_angle_to_matrix

from launcher.outcome import Outcome, save_outcome
from launcher.runs import RunRecord, make_folder, write_record
from steadyface.capture.clip_truth import ClipTruth
from steadyface.capture.video import VideoWriter
from steadyface.metrics.evaluate_track import evaluate_track
from steadyface.tracking.overlay import draw_overlay
from steadyface.tracking.smoothing import smooth_track
from steadyface.tracking.track import Track
from steadyface.types import SubjectStatistics

FRAMES, FPS, WIDTH, HEIGHT = 22, 10.0, 96, 128
CHECKPOINT = Path("checkpoints", "last.ckpt")


def beside(name: str) -> ModuleType:
    """A module of the tests by its file: no test folder is a package."""
    spec = importlib.util.spec_from_file_location(name.replace("/", "_"), Path(__file__).parent / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FIGURES = beside("../figures/conftest")  # its sheet of a face, and its untrained networks


@dataclass(frozen=True)
class Filmed:
    """A subject, what a clip of it shows, and the clip's file."""

    topology: SubjectStatistics
    truth: ClipTruth
    video: Path


def film(folder: Path, name: str, turns: float = 4.0) -> Filmed:
    """A clip of the sheet, which opens its mouth and turns, with its truth beside it."""
    torch.manual_seed(3)
    topology = FIGURES._topology()
    topology.regions["jaw"] = torch.arange(40, 64)
    time_s = torch.arange(FRAMES).double() / FPS
    turn, vertices = torch.zeros(FRAMES, 3), topology.vertex_mean.repeat(FRAMES, 1, 1)
    turn[:, 1] = 0.2 * torch.sin(turns * time_s.float())
    vertices[:, 48:, 1] += 6 * torch.sin(5 * time_s.float())[:, None].square()
    place = torch.tensor([0.0, 0.0, 500.0]).repeat(FRAMES, 1)
    truth = ClipTruth(vertices, axis_angle_to_matrix(turn), place, FIGURES.K.repeat(FRAMES, 1, 1), time_s)
    ground = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    colour = torch.cat([torch.eye(3), torch.zeros(3, 1)], dim=1)
    make_folder(folder)
    with VideoWriter(folder / name, WIDTH, HEIGHT, FPS, crf=8) as writer:
        for frame in tracked(truth, 0.0, 0).camera_vertices():
            writer.write(draw_overlay(ground, frame, FIGURES.K, topology, topology.texture_mean, colour, 1.0))
    truth.save((folder / name).with_suffix(".truth.npz"))
    return Filmed(topology, truth, folder / name)


def tracked(truth: ClipTruth, error: float, seed: int) -> Track:
    """The truth with an error of about so many mm in place and mouth."""
    draws = torch.Generator().manual_seed(seed)
    vertices = truth.vertices.clone()
    vertices[:, 32:] += 0.3 * error * torch.randn(FRAMES, 1, 3, generator=draws)
    translation = truth.translation + error * torch.randn(FRAMES, 3, generator=draws)
    return Track(truth.time_s, torch.zeros(FRAMES, 4), truth.rotation, translation, vertices, truth.intrinsics,
                 torch.full((FRAMES,), 0.3))  # fmt: skip


def seed_noise(seed: int) -> float:
    """What a seed does to the error of a setting: a factor around 1."""
    return 1.0 + 0.08 * float(torch.randn((), generator=torch.Generator().manual_seed(1000 + seed)))


def stage(folder: Path, kind: str, settings: dict[str, Any]) -> Path:
    """A finished stage's folder with its record; where its checkpoint lies."""
    make_folder(folder / CHECKPOINT.parent)
    write_record(folder, RunRecord(folder.name, kind, kind, "finished", "ab12", "v1", settings, {"lab": "1ab"}))
    return folder / CHECKPOINT


@dataclass(frozen=True)
class Studio:
    """A folder in which experiments of one subject are made.

    folder: where; clips: by their names in the table; source: seed of the pretraining -> checkpoint.
    """

    folder: Path
    clips: dict[str, Filmed]

    def source(self, seed: int = 0) -> Path:
        folder = self.folder / "shared" / f"pretraining-{seed}"
        if not (folder / CHECKPOINT).is_file():
            topology = next(iter(self.clips.values())).topology
            FIGURES._save_networks(topology, folder / CHECKPOINT)
            stage(folder, "pretraining", {"seed": seed})
        return folder / CHECKPOINT

    def experiment(
        self, name: str, seeds: Sequence[int] = (0, 1, 2), error: float = 2.0, source_seed: int = 0,
        steps: int = 100, clips: dict[str, Filmed] | None = None, truth: bool = True, source_error: float = 6.0,
    ) -> Path:  # fmt: skip
        """A finished experiment: its adapted networks are ``error`` mm off, give or take what the seed does."""
        clips, folder = self.clips if clips is None else clips, self.folder / name
        adapted = {("adapted", seed): stage(folder / f"adaptation-{seed}", "adaptation", {"seed": seed, "steps": steps})
                   for seed in seeds}  # fmt: skip
        summary: dict[str, Any] = {"seeds": list(seeds)}
        for clip, filmed in clips.items():
            where = folder / "tracks" / clip
            source = tracked(filmed.truth, source_error * seed_noise(500 + source_seed), 900 + source_seed)
            tracks = [tracked(filmed.truth, error * seed_noise(seed), seed) for seed in seeds]
            source.save(where / "source.npz")
            for seed, track in zip(seeds, tracks, strict=True):
                track.save(where / f"adapted-seed{seed}.npz")
            rows = {"source": [source] * len(seeds), "source_smoothed": [smooth_track(source)] * len(seeds)}
            summary[clip] = {row: scores(found, filmed, truth) for row, found in {**rows, "adapted": tracks}.items()}
        (folder / "summary.json").write_text(json.dumps(summary))
        (folder / "experiment.yaml").write_text(experiment_yaml(name, clips, seeds, source_seed, steps))
        save_outcome(Outcome(None, self.source(source_seed), adapted, {}), folder)
        return folder


def scores(tracks: Sequence[Track], filmed: Filmed, with_truth: bool) -> dict[str, list[float | None]]:
    found: dict[str, list[float | None]] = {}
    facts = filmed.topology
    for track in tracks:
        values = evaluate_track(track, filmed.truth, facts.regions, facts.rigid_vertices, facts.vertex_mean)
        values["texture_coverage"] = 0.97
        kept = {"acceleration_px_s2", "stability_ratio_picture", "texture_coverage"}
        for metric, value in values.items():
            if with_truth or metric in kept:
                found.setdefault(metric, []).append(value if math.isfinite(value) else None)
    return found


def experiment_yaml(name: str, clips: dict[str, Filmed], seeds: Sequence[int], source_seed: int, steps: int) -> str:
    content = {
        "name": name,
        "seeds": list(seeds),
        "lab": {"folder": "lab"},
        "clips": {"clips": [str(clips["adapted_clip"].video)], "box": [10, 24, 76, 76]},
        "pretraining": {"seed": source_seed},
        "adaptation": {"steps": steps},
        "evaluation": {"held_out_clip": str(clips["held_out_clip"].video) if "held_out_clip" in clips else ""},
    }
    return json.dumps(content)  # JSON is YAML


def make_studio(folder: Path) -> Studio:
    """One clip of one subject, and nothing run yet."""
    return Studio(folder, {"adapted_clip": film(folder / "clips", "adapt.mp4")})


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return make_studio(tmp_path_factory.mktemp("compare"))


@pytest.fixture(scope="session")
def film_clip() -> Callable[..., Filmed]:
    """(folder, name, turns) -> another clip of the subject."""
    return film
