"""The pretraining stage on a small lab: it learns, the decoder does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor

from lightning_modules.lab_supervision import LabSupervision
from lightning_modules.pretraining import LabPretraining, point_candidates
from steadyface.capture.phone_augmentation import PhoneView
from steadyface.errors import InputError
from steadyface.geometry.cameras import project, transform
from steadyface.networks.checkpoints import load_networks
from steadyface.networks.i2znet import I2ZNet, I2ZNetSettings
from steadyface.networks.point_network import FoundPoints
from steadyface.randomness import drawing
from steadyface.types import FaceState


def pixel_error(person, encoder) -> float:
    """Mean distance between where the points were found in the clip's pictures and where they are."""
    lab = person.lab
    points = lab.vertices[:, encoder.head_points.vertices]
    truth = project(transform(points, lab.rotation, lab.translation), lab.intrinsics)
    with torch.no_grad():
        found = encoder.point_network(person.clip)
    return float((found.pixels - truth).norm(dim=-1).mean())


def test_points_are_found_better_than_before(person, decoder: Path, source: Path, pretraining_settings) -> None:
    untrained = LabPretraining(pretraining_settings, str(decoder))
    trained = load_networks(source)[2]
    assert trained is not None
    untrained.encoder.head_points.load_state_dict(trained.head_points.state_dict())
    assert pixel_error(person, trained) < 0.7 * pixel_error(person, untrained.encoder)


def test_the_decoder_is_frozen(decoder: Path, source: Path) -> None:
    """Bit for bit, but for what pretraining measures of the lab."""
    before, after = (load_networks(path)[1].state_dict() for path in (decoder, source))
    measured = {"latent_mean", "latent_std", "view_centre", "view_cosine"}
    assert all(torch.equal(before[name], after[name]) for name in before if name not in measured)
    assert not any(torch.equal(before[name], after[name]) for name in measured)


def test_the_lab_is_measured(person, decoder: Path, small_lab, pretraining_settings) -> None:
    module = LabPretraining(pretraining_settings, str(decoder))
    module.measure_lab(small_lab.instants())
    model, lab = module.face_model, person.lab
    with torch.no_grad():
        latent = model.encode(lab.vertices, lab.average_texture, lab.average_mask).mean
    white = model.whiten(latent)
    torch.testing.assert_close(white.mean(0), torch.zeros(4), rtol=0, atol=1e-4)
    torch.testing.assert_close(white.std(0), torch.ones(4), rtol=1e-3, atol=0)
    torch.testing.assert_close(module.encoder.latent_mean, model.latent_mean)
    torch.testing.assert_close(model.view_centre.norm(), torch.tensor(1.0))
    inside = (lab.view_direction @ model.view_centre) >= model.view_cosine - 1e-6
    assert int(inside.sum()) >= len(inside) - 1
    assert len(module.encoder.head_points.vertices.unique()) == 22


def truth_of(person) -> tuple[PhoneView, FaceState, Tensor]:
    """The clip's pictures as views, and a state and latents for them."""
    lab = person.lab
    view = PhoneView(person.clip, lab.intrinsics, lab.rotation, lab.translation)
    latent = torch.zeros(len(lab.image), 4)
    return view, FaceState(latent, lab.rotation, lab.translation), latent


def test_the_supervision_is_least_at_the_truth(person, decoder: Path, pretraining_settings) -> None:
    model = load_networks(decoder)[1]
    supervision = LabSupervision(person.statistics, pretraining_settings)
    view, state, latent = truth_of(person)
    batch = person.lab._replace(vertices=model.decode_vertices(latent))
    at_truth = supervision.losses(model, batch, view, state, latent)
    assert set(at_truth) == {"pose", "geometry", "latent"}
    assert all(abs(float(value.detach())) < 1e-2 for value in at_truth.values())
    away = FaceState(latent + 0.5, state.rotation, state.translation + 5.0)
    assert all(
        float(value.detach()) > float(at_truth[name].detach()) + 1e-3
        for name, value in supervision.losses(model, batch, view, away, latent).items()
    )


def test_lips_and_lids_weigh_more(person, pretraining_settings) -> None:
    supervision = LabSupervision(person.statistics, pretraining_settings)
    weight, regions = supervision.vertex_weight, person.statistics.regions
    torch.testing.assert_close(weight.mean(), torch.tensor(1.0))
    ratio = weight[torch.cat([regions["lips"], regions["lids"]])] / weight.min()
    torch.testing.assert_close(ratio, torch.full_like(ratio, pretraining_settings.detail_weight))


def test_the_point_loss_takes_the_views_camera(person, pretraining_settings) -> None:
    supervision = LabSupervision(person.statistics, pretraining_settings)
    view = truth_of(person)[0]
    points = person.statistics.vertex_mean[::700]
    place = project(transform(points.expand(len(view.image), -1, -1), view.rotation, view.translation), view.intrinsics)
    doubt, heat = torch.ones(place.shape[:2]), torch.zeros(*place.shape[:2], 16, 16)
    at_truth, aside = (
        float(supervision.point_loss(FoundPoints(place + step, doubt, heat), points, view)) for step in (0.0, 3.0)
    )
    assert at_truth < aside


def test_validation_is_the_same_every_time_and_remembers_the_residual(
    person, small_lab, source: Path, pretraining_settings, monkeypatch
) -> None:
    module = LabPretraining(pretraining_settings, str(source))
    trained = load_networks(source)[2]
    assert trained is not None
    module.encoder = trained
    monkeypatch.setattr(module, "log", lambda *_, **__: None)
    batch = next(iter(small_lab.val_dataloader()))
    with torch.no_grad():
        first, second = module.validation_step(batch, 0), module.validation_step(batch, 0)
    assert set(first) == {
        "vertices", "target_vertices", "rotation", "translation", "target_rotation", "target_translation"
    }  # fmt: skip
    assert all(torch.equal(first[name], second[name]) for name in first)
    residual = torch.cat(module._residuals)
    module.on_validation_epoch_end()
    assert not module._residuals
    expected = torch.stack([residual.mean(), residual.quantile(0.95)])
    torch.testing.assert_close(module.encoder.lab_residual, expected)


def test_candidates_face_the_cameras_and_part_by_motion(person) -> None:
    meshes, faces = person.lab.vertices, person.statistics.faces
    still, moving = point_candidates(meshes, faces, torch.tensor([0.0, 0.0, -1.0]))
    motion = meshes.std(0).norm(dim=-1)
    assert 100 < len(still) < meshes.shape[1] / 2
    assert float(motion[still].mean()) < 0.3 * float(motion[person.statistics.regions["lips"]].mean())
    assert float(motion[moving].min()) > float(motion[still].max())
    assert float(person.statistics.vertex_mean[still, 2].mean()) < float(person.statistics.vertex_mean[:, 2].mean())


@pytest.fixture(scope="module")
def i2znet_settings(pretraining_settings):
    """Six of eight steps train everything; the two before them the hourglass alone."""
    network = I2ZNetSettings(image_size=48, stacks=2, width=8, landmarks=10, hidden=16)
    return replace(pretraining_settings, steps=8, network="i2znet", view_consistency=0.5, i2znet=network)


def encoder_weights(path: Path) -> dict[str, Tensor]:
    content = torch.load(path, weights_only=True)["state_dict"]
    return {name: value for name, value in content.items() if name.startswith("encoder.")}


def test_i2znet_learns_landmarks_first_then_everything(
    person, decoder: Path, small_lab, run_stage, i2znet_settings, tmp_path: Path
) -> None:
    module = LabPretraining(i2znet_settings, str(decoder))
    begun = {name: value.clone() for name, value in module.encoder.named_parameters()}
    run_stage(module, small_lab, 2, tmp_path / "early.ckpt")
    moved = {name for name, value in module.encoder.named_parameters() if not torch.equal(value, begun[name])}
    assert moved and all(name.startswith("hourglass.") for name in moved)
    module = LabPretraining(i2znet_settings, str(decoder))
    run_stage(module, small_lab, 8, tmp_path / "late.ckpt", tmp_path / "early.ckpt")
    still = {name for name, value in module.encoder.named_parameters() if torch.equal(value, begun[name])}
    assert still and all(name.startswith("perceptual.parts.0.") for name in still)
    loaded = load_networks(tmp_path / "late.ckpt")[2]
    assert isinstance(loaded, I2ZNet) and len(loaded.landmarks.unique()) == 10


def test_resumed_i2znet_equals_the_unbroken_one(
    person, decoder: Path, small_lab, run_stage, i2znet_settings, tmp_path: Path
) -> None:
    """From a checkpoint of either part of the training, bit for bit."""
    every = ModelCheckpoint(tmp_path, filename="{step}", every_n_train_steps=1, save_top_k=-1)
    run_stage(LabPretraining(i2znet_settings, str(decoder)), small_lab, 4, tmp_path / "whole.ckpt", callbacks=[every])
    whole = encoder_weights(tmp_path / "whole.ckpt")
    for stop in (1, 3):
        module, last = LabPretraining(i2znet_settings, str(decoder)), tmp_path / f"last{stop}.ckpt"
        run_stage(module, small_lab, 4, last, tmp_path / f"step={stop}.ckpt")
        resumed = encoder_weights(last)
        assert whole.keys() == resumed.keys()
        assert [name for name, value in whole.items() if not torch.equal(value, resumed[name])] == [], stop


def losses_of(module: LabPretraining, batch) -> dict[str, Tensor]:
    """Of the whole encoder, for the same draws every time."""
    with drawing(0, "test"):
        return module._losses(batch, module.augment(batch))


def test_the_views_of_an_instant_are_pulled_together(person, decoder: Path, small_lab, i2znet_settings) -> None:
    module = LabPretraining(i2znet_settings, str(decoder))
    module.measure_lab(small_lab.instants())
    batch = small_lab._pick(torch.tensor([0, 1, 2]))
    apart = losses_of(module, batch)
    assert set(apart) == {"pose", "geometry", "latent", "points", "views"}
    together = losses_of(module, batch._replace(frame=torch.tensor([0, 0, 2])))
    assert float(together["views"].detach()) > float(apart["views"].detach()) == pytest.approx(0.0, abs=1e-6)
    module.settings = replace(i2znet_settings, view_consistency=0.0)
    assert "views" not in losses_of(module, batch)


def test_without_an_hourglass_there_is_no_loss_of_points(person, decoder: Path, small_lab, i2znet_settings) -> None:
    blind = replace(i2znet_settings, i2znet=replace(i2znet_settings.i2znet, hourglass=False))
    module = LabPretraining(blind, str(decoder))
    module.measure_lab(small_lab.instants())
    assert module.encoder.landmark_share == 0.0
    assert set(losses_of(module, small_lab._pick(torch.arange(2)))) == {"pose", "geometry", "latent", "views"}


def test_an_unknown_network_is_refused(decoder: Path, pretraining_settings) -> None:
    with pytest.raises(InputError, match=r"pretraining\.network: expected one of texture_space, i2znet"):
        LabPretraining(replace(pretraining_settings, network="i2z"), str(decoder))
