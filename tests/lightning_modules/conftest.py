"""A person small enough to train on in a test: the studio's subject, unlit, before a phone-like camera."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytorch_lightning as pl
import torch
from kornia.color import linear_rgb_to_rgb
from pytorch3d.transforms import so3_exp_map
from pytorch_lightning.utilities import CombinedLoader
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

from datamodules.batches import OrderedBatches, ShuffledBatches
from lightning_modules.appearance import AppearanceSettings, AppearanceTraining
from lightning_modules.pretraining import LabPretraining, PretrainingSettings
from steadyface.geometry import rasterizer
from steadyface.geometry.cameras import transform, view_direction
from steadyface.geometry.texture_space import TexelMap, visibility
from steadyface.networks.face_model import FaceModelSettings
from steadyface.networks.state_encoder import StateEncoderSettings
from steadyface.studio.subject import Subject
from steadyface.types import ClipBatch, LabBatch, SubjectStatistics

FRAMES, SIZE, TEXELS = 10, 64, 32
K = torch.tensor([[150.0, 0.0, 31.5], [0.0, 150.0, 31.5], [0.0, 0.0, 1.0]])


class Person(NamedTuple):
    """The subject's statistics, one lab view of each of ten instants, and the same pictures as a clip."""

    statistics: SubjectStatistics
    lab: LabBatch
    clip: Tensor  # (F, 3, S, S) sRGB


def render(subject: Subject, vertices_camera: Tensor, texture: Tensor) -> tuple[Tensor, Tensor]:
    """Unlit pictures (B, 3, S, S) linear and silhouettes (B, 1, S, S) of textured heads in the camera frame."""
    fragments = rasterizer.rasterize(vertices_camera, subject.faces, K.expand(len(texture), 3, 3), SIZE, SIZE)
    place = rasterizer.interpolate(fragments, subject.uv[subject.uv_faces])
    silhouette = (fragments.triangle >= 0).float().unsqueeze(1)
    return grid_sample(texture, place * 2 - 1, align_corners=False) * silhouette, silhouette


@pytest.fixture(scope="session")
def person() -> Person:
    generator = torch.Generator().manual_seed(4)
    subject = Subject(0)
    weights = 0.5 * torch.rand(FRAMES, len(subject.expression_names), generator=generator)
    meshes, textures = subject.vertices(weights), subject.albedo(weights, TEXELS)
    mean, number = meshes.mean(0), torch.arange(FRAMES)
    statistics = SubjectStatistics(
        subject.faces, subject.uv, subject.uv_faces, mean, float((meshes - mean).std()), textures.mean(0), 0.1,
        subject.regions["rigid"], subject.regions, ("front", "side"),
    )  # fmt: skip
    rotation = so3_exp_map(0.15 * torch.randn(FRAMES, 3, generator=generator))
    shift = torch.randn(FRAMES, 3, generator=generator) * torch.tensor([8.0, 8.0, 25.0])
    translation, intrinsics = shift + torch.tensor([0.0, 0.0, 650.0]), K.expand(FRAMES, 3, 3)
    placed = transform(meshes, rotation, translation)
    image, silhouette = render(subject, placed, textures)
    normal = silhouette * torch.tensor([0.0, 0.0, -1.0]).view(3, 1, 1)
    texel_map = TexelMap.from_topology(subject.faces, subject.uv, subject.uv_faces, TEXELS)
    seen = visibility(placed, intrinsics, texel_map, SIZE, SIZE)
    lab = LabBatch(
        image, silhouette, normal, intrinsics, rotation, translation, meshes, textures,
        texel_map.mask.expand(FRAMES, 1, -1, -1), textures * seen, seen, view_direction(rotation, translation),
        number % 2, number,
    )  # fmt: skip
    wall = interpolate(torch.rand(1, 3, 6, 6, generator=generator), SIZE, mode="bilinear")
    return Person(statistics, lab, linear_rgb_to_rgb(image * 0.8 + wall * (1 - silhouette)))


class SmallLab(pl.LightningDataModule):
    """Five batches of two views a pass."""

    def __init__(self, person: Person) -> None:
        super().__init__()
        self.person = person

    def _pick(self, index: Tensor) -> LabBatch:
        return LabBatch(*(part[index] for part in self.person.lab))

    def instants(self) -> Iterator[LabBatch]:
        for index in torch.arange(FRAMES).split(4):
            yield self._pick(index)

    def training_views(self, numbers: Tensor) -> LabBatch:
        return self._pick(numbers % FRAMES)

    def train_dataloader(self) -> Any:
        return ShuffledBatches(FRAMES, 2, self._pick, seed=1)

    def val_dataloader(self) -> Any:
        return OrderedBatches(4, 2, self._pick)


class SmallClip(SmallLab):
    """Windows of two frames beside lab views, as the launcher joins them."""

    def _window(self, index: Tensor) -> ClipBatch:
        frame = torch.stack([index, index + 1], dim=1)
        clip = torch.zeros(len(index), dtype=torch.long)
        return ClipBatch(self.person.clip[frame], K.expand(*frame.shape, 3, 3), frame.double() / 30, clip, frame)

    def train_dataloader(self) -> Any:
        clips = ShuffledBatches(FRAMES - 1, 2, self._window, seed=2)
        return CombinedLoader({"clip": clips, "lab": super().train_dataloader()}, "max_size_cycle")

    def val_dataloader(self) -> Any:
        return OrderedBatches(3, 2, self._window)


def fit(
    module: pl.LightningModule, data: pl.LightningDataModule, steps: int, checkpoint: Path, resume: Path | None = None,
    callbacks: Sequence[pl.Callback] = (),
) -> pl.Trainer:
    """Train to a number of steps and leave a checkpoint."""
    trainer = pl.Trainer(
        max_steps=steps, max_epochs=-1, accelerator="cpu", logger=False, callbacks=list(callbacks),
        enable_checkpointing=bool(callbacks),
        enable_model_summary=False, enable_progress_bar=False, num_sanity_val_steps=0, val_check_interval=1000,
        check_val_every_n_epoch=None, deterministic="warn", default_root_dir=str(checkpoint.parent),
    )  # fmt: skip
    trainer.fit(module, datamodule=data, ckpt_path=str(resume) if resume else None)
    trainer.save_checkpoint(checkpoint)
    return trainer


@pytest.fixture(scope="session")
def run_stage():
    """``fit``, for the tests."""
    return fit


@pytest.fixture(scope="session")
def small_lab(person: Person) -> SmallLab:
    return SmallLab(person)


@pytest.fixture(scope="session")
def small_clip():
    """Makes the clip's data anew: a loader remembers where it stands."""
    return SmallClip


@pytest.fixture(scope="session")
def appearance_settings() -> AppearanceSettings:
    sizes = FaceModelSettings(latent_size=4, hidden=16, texture_width=4)
    return AppearanceSettings(steps=25, learning_rate=3e-3, model=sizes)


@pytest.fixture(scope="session")
def decoder(person: Person, small_lab: SmallLab, appearance_settings, tmp_path_factory) -> Path:
    """Checkpoint of a face model that was trained for a moment."""
    path = tmp_path_factory.mktemp("decoder") / "last.ckpt"
    fit(AppearanceTraining(appearance_settings, person.statistics), SmallLab(person), 25, path)
    return path


@pytest.fixture(scope="session")
def pretraining_settings() -> PretrainingSettings:
    encoder = StateEncoderSettings(
        SIZE, texture_size=32, point_width=8, still_points=12, moving_points=10, expression_width=8
    )
    return PretrainingSettings(steps=60, learning_rate=4e-3, encoder=encoder)


@pytest.fixture(scope="session")
def source(person: Person, decoder: Path, pretraining_settings, tmp_path_factory) -> Path:
    """Checkpoint of an encoder that has an idea of where the head is."""
    path = tmp_path_factory.mktemp("source") / "last.ckpt"
    fit(LabPretraining(pretraining_settings, str(decoder)), SmallLab(person), 60, path)
    return path
