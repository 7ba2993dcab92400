"""The pretraining stage on a small lab: it learns, the decoder does not."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from lightning_modules.pretraining import LabPretraining, LabSupervision, disturb_pose, point_candidates
from steadyface.capture.phone_augmentation import PhoneView
from steadyface.geometry.cameras import project, transform
from steadyface.networks.checkpoints import load_networks
from steadyface.networks.point_network import FoundPoints
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


def test_the_disturbed_pose_is_a_pose_nearby(person) -> None:
    view = truth_of(person)[0]
    rotation, translation = disturb_pose(view)
    identity = torch.eye(3).expand(len(rotation), 3, 3)
    torch.testing.assert_close(rotation @ rotation.transpose(-1, -2), identity, rtol=0, atol=1e-5)
    shift = (translation - view.translation).abs()
    assert 0.0 < float(shift[:, :2].max()) < 15.0 and float(shift[:, 2].max()) < 0.05 * 700
    assert 0.0 < float((rotation - view.rotation).flatten(1).norm(dim=-1).max()) < 0.4


def test_candidates_face_the_cameras_and_part_by_motion(person) -> None:
    meshes, faces = person.lab.vertices, person.statistics.faces
    still, moving = point_candidates(meshes, faces, torch.tensor([0.0, 0.0, -1.0]))
    motion = meshes.std(0).norm(dim=-1)
    assert 100 < len(still) < meshes.shape[1] / 2
    assert float(motion[still].mean()) < 0.3 * float(motion[person.statistics.regions["lips"]].mean())
    assert float(motion[moving].min()) > float(motion[still].max())
    assert float(person.statistics.vertex_mean[still, 2].mean()) < float(person.statistics.vertex_mean[:, 2].mean())
