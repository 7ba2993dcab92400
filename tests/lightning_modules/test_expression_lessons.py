"""The expression's own half of a pretraining: when it begins, what it teaches, a resume, and that it learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from launcher.plan import network_settings
from lightning_modules.expression_lessons import ExpressionLessons, ExpressionSettings, check_expression
from lightning_modules.pretraining import LabPretraining, PretrainingSettings
from steadyface.capture.phone_augmentation import PhoneAugmentation
from steadyface.networks.checkpoints import load_networks
from steadyface.tracking.lab_replay import LabReplayer

POINT_STEPS, EXPRESSION_STEPS = 2, 4


@pytest.fixture(scope="module")
def settings(pretraining_settings) -> PretrainingSettings:
    expression = ExpressionSettings(steps=EXPRESSION_STEPS, batch=3, views=18)
    return replace(pretraining_settings, steps=POINT_STEPS, expression=expression)


@pytest.fixture(scope="module")
def whole(decoder: Path, small_lab, run_stage, settings, tmp_path_factory) -> Path:
    """A folder with the checkpoint after every step of an uninterrupted run, and the last one."""
    folder = tmp_path_factory.mktemp("lessons")
    every = ModelCheckpoint(folder, filename="{step}", every_n_train_steps=1, save_top_k=-1)
    module = LabPretraining(settings, str(decoder))
    run_stage(module, small_lab, settings.all_steps, folder / "whole.ckpt", callbacks=[every])
    return folder


def weights(path: Path) -> dict[str, torch.Tensor]:
    content = torch.load(path, weights_only=True)["state_dict"]
    return {name: value for name, value in content.items() if name.startswith("encoder.")}


def changed(one: Path, other: Path) -> set[str]:
    first, second = weights(one), weights(other)
    return {name.split(".")[1] for name in first if not torch.equal(first[name], second[name])}


def test_first_everything_then_the_expression_alone(whole: Path) -> None:
    halfway, last = whole / f"step={POINT_STEPS}.ckpt", whole / f"step={POINT_STEPS + EXPRESSION_STEPS}.ckpt"
    assert changed(whole / "step=1.ckpt", halfway) >= {"point_network", "expression_network"}
    assert changed(halfway, last) - {"lab_residual"} == {"expression_network"}


def test_the_first_half_is_that_of_a_pretraining_without_the_second(
    decoder: Path, small_lab, run_stage, settings, whole: Path, tmp_path: Path
) -> None:
    without = replace(settings, expression=replace(settings.expression, steps=0))
    run_stage(LabPretraining(without, str(decoder)), small_lab, without.all_steps, tmp_path / "without.ckpt")
    assert changed(tmp_path / "without.ckpt", whole / f"step={POINT_STEPS}.ckpt") - {"lab_residual"} == set()


def test_the_expression_begins_anew(whole: Path) -> None:
    """Nothing is left of the old network: one step at most moves each weight away from where a new one starts."""
    first = weights(whole / f"step={POINT_STEPS + 1}.ckpt")["encoder.expression_network.head.3.weight"]
    assert float(first.abs().max()) < 1e-3 < float(
        weights(whole / f"step={POINT_STEPS}.ckpt")["encoder.expression_network.head.3.weight"].abs().max()
    )


def test_resumed_equals_the_unbroken_one(decoder: Path, small_lab, run_stage, settings, whole: Path, tmp_path) -> None:
    """From a checkpoint of either half, bit for bit."""
    for stop in (1, 2, 4):
        last = tmp_path / f"last{stop}.ckpt"
        module = LabPretraining(settings, str(decoder))
        run_stage(module, small_lab, settings.all_steps, last, whole / f"step={stop}.ckpt")
        assert changed(whole / "whole.ckpt", last) == set(), stop


@pytest.fixture
def lessons(person, small_lab, source: Path, settings):
    """Lessons beside the network that they teach: twelve views, about half of them of other expressions."""
    encoder, model = (load_networks(source)[place] for place in (2, 1))
    latents = model.encode(person.lab.vertices, person.lab.average_texture, person.lab.average_mask).mean.detach()
    replayer = LabReplayer(person.statistics, model.requires_grad_(False), latents)
    expression = replace(settings.expression, steps=60, batch=8, views=12, replayed=0.5, noise=0.0)
    augment = PhoneAugmentation(encoder.image_size)

    def make() -> ExpressionLessons:
        return ExpressionLessons(expression, 3, small_lab, replayer, augment)

    return make, encoder


def test_a_view_is_the_same_whenever_it_is_drawn(lessons) -> None:
    make, encoder = lessons
    torch.manual_seed(1)
    forth = make()
    first = [forth._lesson(encoder, number) for number in (0, 5, 11)]
    torch.manual_seed(2)
    back = make()
    second = [back._lesson(encoder, number) for number in (11, 5, 0)][::-1]
    for one, other in zip(first, second, strict=True):
        assert all(torch.equal(part, again) for part, again in zip(one, other, strict=True))
    with torch.no_grad():
        assert float(forth.loss(encoder, 5, 0)) == float(back.loss(encoder, 5, 0)) != float(back.loss(encoder, 6, 0))
        assert float(back.loss(encoder, 5, 1)) != float(back.loss(encoder, 5, 0))


def test_the_network_learns_from_its_lessons(lessons) -> None:
    make, encoder = lessons
    taught, network = make(), encoder.expression_network.requires_grad_(True)
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3)
    losses = []
    for step in range(60):
        loss = taught.loss(encoder, step, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])
    others = [parameter for name, parameter in encoder.named_parameters() if not name.startswith("expression_network")]
    assert all(parameter.grad is None for parameter in others)


def test_without_such_steps_nothing_is_hashed(settings) -> None:
    without = replace(settings, expression=replace(settings.expression, steps=0))
    assert "expression" in network_settings(settings)
    assert "expression" not in network_settings(without)


def test_bad_settings_are_named() -> None:
    faults = check_expression(ExpressionSettings(views=0, noise=-1.0, replayed=1.5), "pretraining.expression")
    assert [fault.subject.rsplit(".")[-1] for fault in faults] == ["views", "noise", "replayed"]
