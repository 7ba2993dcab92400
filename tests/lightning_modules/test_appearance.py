"""The appearance stage on a small lab: it learns, and leaves a decoder behind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lightning_modules.appearance import AppearanceTraining
from steadyface.networks.checkpoints import load_networks


def test_the_loss_falls(person, decoder: Path, appearance_settings) -> None:
    untrained = AppearanceTraining(appearance_settings, person.statistics)
    untrained.face_model.start_from_lab(person.lab.vertices)
    trained = load_networks(decoder)[1]
    errors = []
    for model in (untrained.face_model, trained):
        untrained.face_model = model
        latent = model.encode(person.lab.vertices, person.lab.average_texture, person.lab.average_mask).mean
        with torch.no_grad():
            errors.append([float(part) for part in untrained._errors(person.lab, latent)])
    assert errors[1][0] < errors[0][0] and errors[1][1] < 0.7 * errors[0][1], errors


def test_hidden_texels_cost_nothing(person, appearance_settings) -> None:
    module = AppearanceTraining(appearance_settings, person.statistics)
    latent = torch.zeros(len(person.lab.vertices), 4)
    hidden = person.lab._replace(texture=torch.where(person.lab.texture_mask > 0, person.lab.texture, 7.0))
    for first, second in zip(module._errors(person.lab, latent), module._errors(hidden, latent), strict=True):
        torch.testing.assert_close(first, second)


def test_the_same_seed_gives_the_same_decoder_and_another_another(
    person, small_lab, appearance_settings, run_stage, tmp_path: Path
) -> None:
    weights = []
    for number, seed in enumerate((0, 0, 1)):
        settings = type(appearance_settings)(**{**vars(appearance_settings), "steps": 3, "seed": seed})
        torch.manual_seed(number)  # what the process drew before must not matter
        module = AppearanceTraining(settings, person.statistics)
        run_stage(module, type(small_lab)(person), 3, tmp_path / f"{number}.ckpt")
        weights.append(module.face_model.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not torch.equal(weights[0]["to_grid.weight"], weights[2]["to_grid.weight"])


def test_a_validation_step_tells_meshes_and_poses(person, small_lab, appearance_settings, monkeypatch) -> None:
    module = AppearanceTraining(appearance_settings, person.statistics)
    logged: dict[str, torch.Tensor] = {}
    monkeypatch.setattr(module, "log", lambda name, value, **_: logged.update({name: value}))
    batch = next(iter(small_lab.val_dataloader()))
    answer = module.validation_step(batch, 0)
    assert set(answer) == {
        "vertices", "target_vertices", "rotation", "translation", "target_rotation", "target_translation"
    }  # fmt: skip
    assert answer["vertices"].shape == batch.vertices.shape
    module.on_validation_epoch_end()
    assert set(logged) == {"val/geometry", "val/texture"}
    assert all(torch.isfinite(value) for value in logged.values())


def test_the_checkpoint_is_a_decoder(person, decoder: Path) -> None:
    statistics, model, encoder = load_networks(decoder)
    assert encoder is None and torch.equal(statistics.vertex_mean, person.statistics.vertex_mean)
    weights = torch.load(decoder, weights_only=True)["state_dict"]
    assert torch.equal(weights["face_model.to_mesh.weight"], model.to_mesh.weight)


@pytest.mark.parametrize("architecture", ["base", "res", "non", "bilinear", "warp"])
def test_a_published_architecture_learns_and_is_a_decoder(
    architecture: str, person, small_lab, appearance_settings, run_stage, tmp_path: Path
) -> None:
    sizes = replace(appearance_settings.model, architecture=architecture)
    module = AppearanceTraining(replace(appearance_settings, steps=2, model=sizes), person.statistics)
    before = {name: value.clone() for name, value in module.face_model.state_dict().items()}
    run_stage(module, type(small_lab)(person), 2, tmp_path / "it.ckpt")
    _, model, _ = load_networks(tmp_path / "it.ckpt")
    assert model.settings == sizes and type(model) is type(module.face_model)
    after = model.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    still = {"latent_mean", "latent_std", "view_centre", "view_cosine", "camera_free"}  # measured or fixed elsewhere
    assert changed == before.keys() - still
