"""Objectives that an experiment names: combined, at several frame gaps, with labels, refused where they cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from datamodules.batches import OrderedBatches
from datamodules.windows import find_windows
from lightning_modules.adaptation import WildAdaptation
from lightning_modules.adaptation_settings import AdaptationSettings
from lightning_modules.clip_labels import label_frames, spread_evenly
from steadyface.capture.clip_truth import ClipTruth
from steadyface.errors import InputError
from steadyface.geometry.contrast import normalise_contrast
from steadyface.losses.acceleration import SOFT_PX
from steadyface.losses.apertures import mesh_openings
from steadyface.losses.consistency import texture_difference
from steadyface.losses.landmarks import landmark_error
from steadyface.losses.parts import PARTS, RAW_SCALE
from steadyface.losses.self_supervision import SelfSupervisionWeights
from steadyface.networks.checkpoints import load_networks
from steadyface.tracking.openings import ClipOpenings, OpeningScale
from steadyface.types import ClipBatch

OFFSETS_S = [0.0, 0.0334, 0.1, 0.27]


def weighted(**weights: float) -> SelfSupervisionWeights:
    """These parts and no other."""
    return SelfSupervisionWeights(**{**dict.fromkeys(PARTS, 0.0), **weights})  # type: ignore[arg-type]


def settings_of(steps: int = 2, lab_weight: float = 0.0, **values: Any) -> AdaptationSettings:
    return AdaptationSettings(steps, lab_batch=2, lab_weight=lab_weight, **values)


def truth_of(person: Any) -> ClipTruth:
    lab, count = person.lab, len(person.clip)
    time_s = torch.arange(count).double() / 30
    return ClipTruth(lab.vertices, lab.rotation, lab.translation, lab.intrinsics, time_s)


@pytest.fixture(scope="module")
def whole_clip(person, small_clip):
    """The clip's data, whose validation shows every frame, as the launcher's does."""

    class WholeClip(small_clip):  # type: ignore[misc,valid-type]
        def _single(self, index: torch.Tensor) -> ClipBatch:
            return ClipBatch(*(part[:, :1] if part.ndim > 1 else part for part in self._window(index)))

        def val_dataloader(self) -> Any:
            return OrderedBatches(len(person.clip) - 1, 4, self._single)

    return lambda: WholeClip(person)


def first_batch(module: WildAdaptation, monkeypatch: pytest.MonkeyPatch, batch: ClipBatch) -> dict[str, torch.Tensor]:
    monkeypatch.setattr(module, "log_dict", lambda *_, **__: None)
    return module._clip_losses(batch)[0]


def gaps(person, small_clip) -> ClipBatch:
    """Every window of the clip at four offsets in seconds: frames 0, 1, 3 and 8."""
    frame = find_windows(torch.arange(len(person.clip)).double() / 30, OFFSETS_S)
    assert frame.tolist() == [[0, 1, 3, 8], [1, 2, 4, 9]]
    pair = small_clip(person)._window(frame[:, 0])
    intrinsics = pair.intrinsics[:, :1].expand(-1, 4, 3, 3)
    return ClipBatch(person.clip[frame], intrinsics, frame.double() / 30, pair.clip, frame)


@pytest.mark.parametrize("part", ["cftc", "cftc_raw"])
def test_frame_gaps_pair_the_first_frame_with_each_later_one(
    part: str, person, source: Path, small_clip, monkeypatch
) -> None:
    module = WildAdaptation(settings_of(weights=weighted(**{part: 1.0})), str(source))
    batch, seen = gaps(person, small_clip), []
    observe = module.evidence.observe
    monkeypatch.setattr(module.evidence, "observe", lambda *words: seen.append(observe(*words)) or seen[-1])
    loss = first_batch(module, monkeypatch, batch)[part]
    (one,) = seen
    texture = normalise_contrast(one.texture, one.mask * one.inside) if part == "cftc" else one.texture
    scale = 0.1 if part == "cftc" else RAW_SCALE
    cost = count = torch.zeros(())
    for first, later in ((0, 1), (0, 2), (0, 3), (4, 5), (4, 6), (4, 7)):
        mask = one.mask[[first]] * one.mask[[later]]
        inside = one.inside[[first]] * one.inside[[later]]
        pair = texture_difference(texture[[first]], texture[[later]], mask, inside, scale)
        cost, count = cost + pair * mask.sum(), count + mask.sum()
    torch.testing.assert_close(loss, cost / count)


def test_acceleration_is_that_of_the_rays_whatever_the_crops(person, source: Path, small_clip, monkeypatch) -> None:
    module = WildAdaptation(settings_of(weights=weighted(acceleration=1.0)), str(source))
    batch, seen = gaps(person, small_clip), []
    observe = module.evidence.observe
    monkeypatch.setattr(module.evidence, "observe", lambda *words: seen.append(observe(*words)) or seen[-1])
    loss = first_batch(module, monkeypatch, batch)["acceleration"]
    (one,) = seen
    places = one.pixels.flatten(2)[..., ::37].transpose(1, 2).unflatten(0, (2, 4))
    total = []
    for window in range(2):  # frames 0, 1 and 3 of each: an uneven triple
        first, second, third = (places[window, frame] for frame in range(3))
        bend = ((third - second) / 2 - (second - first)) * 1.5
        total.append(((bend.square().sum(-1) + SOFT_PX**2).sqrt() - SOFT_PX).mean())
    torch.testing.assert_close(loss, torch.stack(total).mean(), rtol=1e-4, atol=1e-4)
    zoom = torch.tensor([[1.3, 0.0, 4.0], [0.0, 1.3, -7.0], [0.0, 0.0, 1.0]])
    intrinsics = one.intrinsics.unflatten(0, (2, 4)).clone()
    intrinsics[:, 1] = zoom @ intrinsics[:, 1]  # the second frame of each window in another crop
    pixels = one.pixels.unflatten(0, (2, 4)).clone()
    pixels[:, 1] = 1.3 * pixels[:, 1] + torch.tensor([4.0, -7.0]).view(2, 1, 1)
    seen_again = one._replace(intrinsics=intrinsics.flatten(0, 1), pixels=pixels.flatten(0, 1))
    monkeypatch.setattr(module.evidence, "observe", lambda *_: seen_again)
    again = first_batch(module, monkeypatch, batch)["acceleration"]
    torch.testing.assert_close(again, loss, rtol=1e-3, atol=1e-4)


def test_an_acceleration_of_pairs_stops(person, source: Path, small_clip, monkeypatch) -> None:
    module = WildAdaptation(settings_of(weights=weighted(acceleration=1.0)), str(source))
    pair = small_clip(person)._window(torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="windows of three frames"):
        first_batch(module, monkeypatch, pair)


ABLATION = {
    "published": ({"cftc_raw": 1.0, "motc_raw": 1.0, "landmarks": 0.1}, "convolution"),
    "contrast": ({"cftc": 16.0, "motc": 1.0, "coverage": 1.0, "pose_pull": 0.01}, "none"),
    "tone": ({"motc_raw": 1.0, "colour": 1.0, "latent_pull": 0.3}, "tone_curve"),
}


@pytest.mark.parametrize("row", ABLATION)
def test_a_small_ablation(row: str, person, source: Path, small_clip, run_stage, tmp_path: Path) -> None:
    weights, colour = ABLATION[row]
    module = WildAdaptation(settings_of(weights=weighted(**weights), colour_model=colour), str(source))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    trainer = run_stage(module, small_clip(person), 2, tmp_path / "last.ckpt")
    logged = {name.removeprefix("train/") for name in trainer.logged_metrics}
    assert logged == {*weights, "texture_residual", "texture_coverage"}
    assert all(torch.isfinite(value) for value in trainer.logged_metrics.values())
    assert any(not torch.equal(value, before[name]) for name, value in module.state_dict().items()
               if name.startswith("encoder."))  # fmt: skip


def test_landmarks_are_those_of_the_frozen_source(person, source: Path, small_clip, monkeypatch) -> None:
    module = WildAdaptation(settings_of(weights=weighted(landmarks=1.0, coverage=1.0)), str(source))
    batch = next(iter(small_clip(person).train_dataloader()))[0]["clip"]
    images, intrinsics = batch.image.flatten(0, 1), batch.intrinsics.flatten(0, 1)
    losses = first_batch(module, monkeypatch, batch)
    state, found, _ = module.source.predict(images, intrinsics)
    mesh = module.face_model.decode_vertices(state.latent)[:, module.learner.landmark_vertices]
    placed = mesh @ state.rotation.mT + state.translation[:, None]
    pixels = torch.stack([(intrinsics @ placed.mT)[:, i] / placed[..., 2] for i in (0, 1)], dim=-1)
    expected = landmark_error(pixels, found.pixels, found.doubt_px)
    torch.testing.assert_close(losses["landmarks"], expected, rtol=1e-3, atol=1e-4)
    assert float(losses["coverage"]) == 0.0  # the learner still is the source


@pytest.mark.parametrize("what", ["heads", "last_block"])
def test_what_is_not_trained_stays_bit_for_bit(
    what: str, person, source: Path, small_clip, run_stage, tmp_path: Path
) -> None:
    module = WildAdaptation(settings_of(lab_weight=1.0, trained=what), str(source))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    run_stage(module, small_clip(person), 2, tmp_path / "last.ckpt")
    after = module.state_dict()
    trained = {name for name, part in module.learner.named_parameters() if part.requires_grad}
    whole = len(load_networks(source)[2].trained_parameters("all")["points"])
    assert 0 < len(module._trained["points"]) < whole
    moved = {name for name in after if not torch.equal(after[name], before[name])}
    assert moved >= {f"{part}.{name}" for part in ("learner", "encoder") for name in trained}
    assert moved <= {f"{part}.{name}" for part in ("learner", "encoder") for name in trained} | {
        "colour.matrix", "colour.bias"
    }  # fmt: skip


def test_labelled_frames_are_spread_over_the_clip() -> None:
    for length in (1, 7, 30):
        assert spread_evenly(length, -1).tolist() == spread_evenly(length, length).tolist() == list(range(length))
        for count in range(1, length + 1):
            chosen = spread_evenly(length, count)
            steps = chosen.diff()
            assert len(set(chosen.tolist())) == count and 0 <= int(chosen[0]) <= int(chosen[-1]) < length
            assert count == 1 or int(steps.max()) - int(steps.min()) <= 1
    with pytest.raises(InputError, match=r"labelled_frames: expected at most the clip's 3 frames, got 4"):
        spread_evenly(3, 4)


def test_labels_are_the_truth_of_their_frames(person, source: Path, whole_clip) -> None:
    statistics, model, _ = load_networks(source)
    truth, frames = truth_of(person), whole_clip().val_dataloader()
    labelled = label_frames([truth], 3, frames, statistics, model.requires_grad_(False))
    chosen = spread_evenly(len(person.clip), 3)
    torch.testing.assert_close(labelled.view.image, person.clip[chosen], rtol=0, atol=0.5 / 255 + 1e-6)
    here = labelled.vertices @ labelled.rotation.mT + labelled.translation[:, None]
    there = truth.vertices[chosen] @ truth.rotation[chosen].mT + truth.translation[chosen, None]
    torch.testing.assert_close(here, there, rtol=0, atol=2e-3)  # canonical: only the frame of the head differs
    mean = model.decode_vertices(model.latent_mean.expand(3, -1))
    fitted = (model.decode_vertices(labelled.latent) - labelled.vertices).norm(dim=-1).mean()
    assert float(fitted) < 0.7 * float((mean - labelled.vertices).norm(dim=-1).mean())
    assert torch.equal(labelled.draw(2, 0, 5, 0).image, labelled.draw(2, 0, 5, 0).image)
    draws = {tuple(labelled.draw(2, 0, step, 0).translation[:, 0].tolist()) for step in range(12)}
    assert len(draws) > 3
    with pytest.raises(InputError, match="not frame 0 of clip 0"):
        label_frames([], 3, frames, statistics, model)


def test_labels_alone_teach(person, source: Path, whole_clip, run_stage, tmp_path: Path) -> None:
    """The supervised rival: no self-supervision, no lab."""
    settings = settings_of(6, weights=weighted(), labelled_frames=4, label_batch=4, learning_rate=3e-3)
    module = WildAdaptation(settings, str(source), [truth_of(person)])
    first = WildAdaptation(settings, str(source), [truth_of(person)])
    trainer = run_stage(module, whole_clip(), 6, tmp_path / "last.ckpt")
    assert set(trainer.logged_metrics) == {"train/labels"}
    labelled = module._labelled
    assert labelled is not None and len(labelled.image) == 4
    with torch.no_grad():
        before, after = (float(one._supervised(labelled.view, labelled, labelled.latent)) for one in (first, module))
    assert after < 0.9 * before


def test_everything_survives_a_resume_bit_for_bit(
    person, source: Path, whole_clip, run_stage, tmp_path: Path
) -> None:
    settings = settings_of(
        4, lab_weight=1.0, weights=SelfSupervisionWeights(landmarks=0.5, coverage=1.0, motc_raw=0.5),
        colour_model="tone_curve", labelled_frames=3, label_batch=2, crop_shift=0.05,
    )  # fmt: skip
    modules = [WildAdaptation(settings, str(source), [truth_of(person)]) for _ in range(2)]
    halfway = ModelCheckpoint(dirpath=tmp_path, filename="halfway", every_n_train_steps=2, save_top_k=-1)
    run_stage(modules[0], whole_clip(), 4, tmp_path / "one.ckpt", callbacks=[halfway])
    torch.manual_seed(11)  # what the process drew before must not matter
    run_stage(modules[1], whole_clip(), 4, tmp_path / "two.ckpt", resume=tmp_path / "halfway.ckpt")
    one, two = (module.state_dict() for module in modules)
    assert {"colour.slope", "colour.convolution.bias"} <= set(one)
    assert not torch.equal(one["colour.slope"], WildAdaptation(settings, str(source), [truth_of(person)]).colour.slope)
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_openings_that_a_detector_saw_open_the_mouth(person, source: Path, small_clip, run_stage, tmp_path) -> None:
    """Everything else is left out: the mean opening of two vertices grows towards what is asked, and only then."""
    _, model, _ = load_networks(source)
    still, moving = model.vertex_deviation().argsort()[[0, -1]].tolist()
    pairs = torch.tensor([[[still, moving]]]).expand(3, 1, 2)
    one, frames = torch.ones(3), len(person.clip)
    scale = OpeningScale(one, torch.zeros(3), torch.tensor([1.0, 0.0, 0.0]), one)
    asked = ClipOpenings(pairs, scale, (torch.full((frames, 3), 300.0),))  # far beyond what it is
    meshes = {}
    for weight in (0.0, 1.0):
        settings = settings_of(6, 0.1, weights=weighted(apertures=weight), learning_rate=3e-3)
        module = WildAdaptation(settings, str(source), openings=asked)
        run_stage(module, small_clip(person), 6, tmp_path / f"{weight}.ckpt")
        state = module.learner(person.clip[:4], person.lab.intrinsics[:4])
        meshes[weight] = mesh_openings(module.face_model.decode_vertices(state.latent), pairs)[:, 0].mean()
    assert float(meshes[1.0]) > float(meshes[0.0]) + 1e-3
