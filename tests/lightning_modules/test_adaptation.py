"""The adaptation stage on a small clip: what moves, what never does, and that a resume loses nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from lightning_modules.adaptation import WildAdaptation
from lightning_modules.adaptation_settings import AdaptationSettings
from steadyface.losses.self_supervision import SelfSupervisionWeights
from steadyface.networks.checkpoints import load_networks

STEPS, HALFWAY = 7, 3  # of four clip batches and five of the lab a pass


def settings_of(lab_weight: float = 1.0, **weights: float) -> AdaptationSettings:
    parts = SelfSupervisionWeights(**weights)  # type: ignore[arg-type]
    return AdaptationSettings(STEPS, lab_batch=2, lab_weight=lab_weight, weights=parts)


def weights_of(module: torch.nn.Module, prefix: str) -> dict[str, Any]:
    return {name: value for name, value in module.state_dict().items() if name.startswith(prefix)}


def same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    assert first and first.keys() == second.keys()
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture(scope="module")
def whole(person, source: Path, small_clip, run_stage, tmp_path_factory):
    """An uninterrupted run: the module before and after, its last checkpoint and the one halfway."""
    folder = tmp_path_factory.mktemp("whole")
    halfway = ModelCheckpoint(dirpath=folder, filename="halfway", every_n_train_steps=HALFWAY, save_top_k=-1)
    before = WildAdaptation(settings_of(), str(source))
    module = WildAdaptation(settings_of(), str(source))
    run_stage(module, small_clip(person), STEPS, folder / "last.ckpt", callbacks=[halfway])
    return before, module, folder / "last.ckpt", folder / "halfway.ckpt"


def test_the_source_and_the_decoder_never_change(whole) -> None:
    before, after = whole[:2]
    for part in ("source.", "face_model."):
        assert same(weights_of(before, part), weights_of(after, part))
    frozen = (*after.source.parameters(), *after.face_model.parameters())
    assert not any(parameter.requires_grad for parameter in frozen)


def test_the_learner_moves_and_the_running_mean_follows(whole) -> None:
    before, after = whole[:2]
    start, learner, mean = before.learner.state_dict(), after.learner.state_dict(), after.encoder.state_dict()
    moved = [name for name, _ in after.learner.named_parameters() if not torch.equal(start[name], learner[name])]
    assert any(name.startswith("point_network") for name in moved)
    assert any(name.startswith("expression_network") for name in moved)
    path = sum(float((learner[name] - start[name]).norm()) for name in moved)
    behind = sum(float((learner[name] - mean[name]).norm()) for name in moved)
    assert 0.0 < behind < path
    assert not same(weights_of(before, "colour."), weights_of(after, "colour."))


def test_the_points_of_the_head_stay(whole) -> None:
    before, after = whole[:2]
    assert torch.equal(before.learner.head_points.mean, after.encoder.head_points.mean)


def test_a_resume_halfway_gives_the_uninterrupted_run_bit_for_bit(
    whole, person, source: Path, small_clip, run_stage, tmp_path: Path
) -> None:
    torch.manual_seed(11)  # what the process drew before must not matter
    module = WildAdaptation(settings_of(), str(source))
    run_stage(module, small_clip(person), STEPS, tmp_path / "last.ckpt", resume=whole[3])
    for part in ("learner.", "colour.", "encoder."):
        assert same(weights_of(whole[1], part), weights_of(module, part)), part
    states = [torch.load(path, weights_only=True)["optimizer_states"][0]["state"] for path in
              (whole[2], tmp_path / "last.ckpt")]  # fmt: skip
    assert states[0].keys() == states[1].keys()
    for one, other in zip(states[0].values(), states[1].values(), strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_checkpoint_holds_the_running_mean(whole, person) -> None:
    statistics, model, encoder = load_networks(whole[2])
    assert encoder is not None and torch.equal(statistics.faces, person.statistics.faces)
    assert same(encoder.state_dict(), whole[1].encoder.state_dict())
    assert same(model.state_dict(), whole[1].face_model.state_dict())


@pytest.mark.parametrize(
    "weights",
    [{"cftc_unguarded": 1.0, "cftc": 0.0}, {"motc_raw": 1.0, "motc": 0.0}, {"latent_prior": 1.0}, {"landmarks": 1.0},
     {"cftc_raw": 1.0, "cftc": 0.0}],
    ids=["cftc_unguarded", "motc_raw", "latent_prior", "landmarks", "cftc_raw"],
)  # fmt: skip
def test_other_objectives_run(
    weights: dict[str, float], person, source: Path, small_clip, monkeypatch
) -> None:
    module = WildAdaptation(settings_of(**weights), str(source))
    monkeypatch.setattr(module, "log_dict", lambda *_, **__: None)
    batch = next(iter(small_clip(person).train_dataloader()))[0]["clip"]
    losses = module._clip_losses(batch)[0]
    assert set(losses) >= {name for name, weight in weights.items() if weight > 0}
    assert not set(losses) & {name for name, weight in weights.items() if weight == 0}
    name = next(iter(weights))
    losses[name].backward()
    gradients = [parameter.grad for parameter in module.learner.parameters() if parameter.grad is not None]
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    assert sum(float(gradient.abs().sum()) for gradient in gradients) > 0.0
    assert all(parameter.grad is None for parameter in module.face_model.parameters())


def test_every_part_of_the_default_objective_is_finite_and_teaches(
    person, source: Path, small_clip, monkeypatch
) -> None:
    module = WildAdaptation(settings_of(), str(source))
    monkeypatch.setattr(module, "log_dict", lambda *_, **__: None)
    batch = next(iter(small_clip(person).train_dataloader()))[0]
    module.training_step(batch, 0).backward()
    taught = {name: part for name, part in module.learner.named_parameters() if part.requires_grad}
    for name, parameter in taught.items():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
    frozen = {name for name, _ in module.learner.named_parameters()} - set(taught)
    assert all(name.startswith(("point_network.to_quarter.", "head_points.")) for name in frozen)
    assert "head_points.prior_log_weight" in frozen and len(frozen) > 1


def test_new_crops_change_what_is_seen_and_the_draw_repeats(
    person, source: Path, small_clip, monkeypatch
) -> None:
    losses = []
    for shift in (0.0, 0.1, 0.1):
        settings = settings_of()
        settings.crop_shift = shift
        module = WildAdaptation(settings, str(source))
        monkeypatch.setattr(module, "log_dict", lambda *_, **__: None)
        batch = next(iter(small_clip(person).train_dataloader()))[0]
        losses.append(module.training_step(batch, 0).detach())
    assert torch.isfinite(torch.stack(losses)).all()
    assert losses[0] != losses[1] and torch.equal(losses[1], losses[2])


def test_the_colour_matrix_is_fitted_at_the_first_step(
    person, source: Path, small_clip, monkeypatch
) -> None:
    module = WildAdaptation(settings_of(), str(source))
    monkeypatch.setattr(module, "log_dict", lambda *_, **__: None)
    assert torch.equal(module.colour.matrix, torch.eye(3))
    module._clip_losses(next(iter(small_clip(person).train_dataloader()))[0]["clip"])
    assert not torch.equal(module.colour.matrix, torch.eye(3))


def test_the_source_is_asked_once_a_frame(person, source: Path, small_clip) -> None:
    module = WildAdaptation(settings_of(), str(source))
    clip = next(iter(small_clip(person).train_dataloader()))[0]["clip"]
    keys = torch.stack([clip.clip[:, None].expand_as(clip.frame), clip.frame], dim=-1).flatten(0, 1)
    images, intrinsics = clip.image.flatten(0, 1), clip.intrinsics.flatten(0, 1)
    first = module.memory.recall(keys, images, intrinsics)
    again = module.memory.recall(keys.flip(0), torch.zeros_like(images), intrinsics)  # the picture is not looked at
    assert all(torch.equal(one, other.flip(0)) for one, other in zip(first, again, strict=True))
    elsewhere = module.memory.recall(keys + torch.tensor([1, 0]), images.flip(0), intrinsics)
    assert not torch.equal(first.latent, elsewhere.latent)
    assert float(first.mask.mean()) > 0.05


def test_a_validation_step_tells_the_frames_without_truth(
    person, source: Path, small_clip
) -> None:
    module = WildAdaptation(settings_of(), str(source))
    batch = next(iter(small_clip(person).val_dataloader()))
    answer = module.validation_step(batch, 0)
    assert set(answer) == {"vertices", "rotation", "translation", "intrinsics", "time_s", "frame", "clip"}
    assert {len(value) for value in answer.values()} == {4}
    assert answer["frame"].tolist() == [0, 1, 1, 2] and answer["clip"].tolist() == [0, 0, 0, 0]
    torch.testing.assert_close(answer["time_s"], answer["frame"].double() / 30)


def test_a_face_model_alone_cannot_be_adapted(decoder: Path) -> None:
    with pytest.raises(ValueError, match="pretraining"):
        WildAdaptation(settings_of(), str(decoder))
