"""The choice among an adaptation's weights, in real trainings: what is kept, rolled back, and known to a resume."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from callbacks.checkpoint_selection import CheckpointSelection
from lightning_modules.adaptation import WildAdaptation
from lightning_modules.adaptation_settings import AdaptationSettings
from steadyface.errors import InputError
from steadyface.networks.checkpoints import load_networks
from steadyface.tracking.adaptation_score import WatchedFrames
from steadyface.tracking.guards import GuardSettings

STEPS, HALFWAY = 7, 3
LOOSE: dict[str, Any] = dict(
    select=True, every_steps=2, least_coverage=0.0, least_gain=-9.0, most_latent=1e9, most_latent_growth=1e9,
    refuse_other_person=False, keep_candidates=True,
)  # fmt: skip


def watched(person) -> WatchedFrames:
    frame = torch.arange(len(person.clip))
    intrinsics = torch.tensor([[150.0, 0.0, 31.5], [0.0, 150.0, 31.5], [0.0, 0.0, 1.0]])
    return WatchedFrames(person.clip, intrinsics.repeat(len(frame), 1, 1), frame * 0, frame, frame % 3 == 1)


def settings() -> AdaptationSettings:
    return AdaptationSettings(STEPS, lab_batch=2)


@pytest.fixture(scope="module")
def learn(person, source: Path, small_clip, run_stage):
    """Adapt with a selection of some margin: the module, the callback, what each candidate was, the checkpoints."""

    def run(folder: Path, margin: float, resume: Path | None = None):
        kept: dict[int, dict[str, Any]] = {}
        reports: list[dict[str, Any]] = []

        def keep(step: int, module) -> None:
            kept[step] = {name: value.clone() for name, value in module.encoder.state_dict().items()}

        choice = CheckpointSelection(GuardSettings(margin=margin, **LOOSE), lambda: watched(person), "clip",
                                     reports.append, keep)  # fmt: skip
        halfway = ModelCheckpoint(dirpath=folder, filename="{step}", every_n_train_steps=HALFWAY, save_top_k=-1)
        module = WildAdaptation(settings(), str(source))
        run_stage(module, small_clip(person), STEPS, folder / "last.ckpt", resume=resume, callbacks=[choice, halfway])
        return module, choice, kept, reports

    return run


@pytest.fixture(scope="module")
def chosen(learn, tmp_path_factory):
    """A training whose best candidate is taken whatever its score."""
    folder = tmp_path_factory.mktemp("chosen")
    return folder, *learn(folder, margin=-100.0)


def same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    assert first and first.keys() == second.keys()
    return all(torch.equal(first[name], second[name]) for name in first)


def test_the_source_is_the_measure_of_all(chosen) -> None:
    _, _, choice, _, _ = chosen
    figures = choice.source
    assert figures.coverage == 1.0 and figures.motion_gain == pytest.approx(1.0) == figures.head_gain
    assert all(gain == pytest.approx(1.0) for gain in figures.region_gain.values()) and len(figures.region_gain) > 3
    assert figures.residual > 0 and figures.residual_held_out != figures.residual and figures.misfit_px > 0
    assert [candidate.step for candidate in choice.candidates] == [2, 4, 6, 7]


def test_the_chosen_weights_are_the_result_bit_for_bit(chosen) -> None:
    folder, module, choice, kept, _ = chosen
    best = min(choice.candidates, key=lambda candidate: (bool(candidate.verdict.faults), candidate.verdict.score))
    assert not best.verdict.faults or choice.choice.step == 0
    expected = kept[choice.choice.step] if choice.choice.step else kept[0]
    assert choice.choice.step in (0, best.step)
    assert same(module.encoder.state_dict(), expected)
    assert same(load_networks(folder / "last.ckpt")[2].state_dict(), expected)
    assert not same(kept[2], kept[7]) and not same(kept[0], kept[2])


def test_what_is_reported_is_what_was_decided(chosen) -> None:
    _, _, choice, _, reports = chosen
    last = json.loads(json.dumps(reports[-1]))
    assert last["chosen_step"] == choice.choice.step and last["reason"] == choice.choice.reason
    assert [row["step"] for row in last["candidates"]] == [0, 2, 4, 6, 7]
    assert last["candidates"][0]["figures"]["coverage"] == 1.0
    assert "chosen_step" not in reports[0]


def test_where_nothing_beats_the_source_it_is_the_result_and_its_file_is_untouched(
    learn, source: Path, tmp_path: Path
) -> None:
    before = hashlib.sha256(source.read_bytes()).hexdigest()
    module, choice, kept, _ = learn(tmp_path, margin=100.0)
    assert choice.choice.step == 0 and "rolled back" in choice.choice.reason
    original = load_networks(source)[2].state_dict()
    assert same(module.encoder.state_dict(), original)
    assert same(load_networks(tmp_path / "last.ckpt")[2].state_dict(), original)
    assert not same(kept[7], original), "the training itself did move"
    assert hashlib.sha256(source.read_bytes()).hexdigest() == before


def test_a_resume_decides_as_the_uninterrupted_run(chosen, learn, tmp_path: Path) -> None:
    folder, module, choice, _, reports = chosen
    torch.manual_seed(5)
    again, resumed, kept, more = learn(tmp_path, margin=-100.0, resume=folder / f"step={HALFWAY}.ckpt")
    assert sorted(kept) == [4, 6, 7], "the source and step 2 were measured before"
    assert more[-1] == reports[-1]
    states = [part.state_dict() for part in (choice, resumed)]
    best, best_again = (state.pop("best") for state in states)  # empty where the toy's candidates are all rejected
    assert best.keys() == best_again.keys() and all(torch.equal(best[name], best_again[name]) for name in best)
    assert states[0] == states[1]
    assert same(again.state_dict(), module.state_dict())


def test_watching_changes_nothing_of_what_is_learned(chosen, person, source, small_clip, run_stage, tmp_path) -> None:
    module = WildAdaptation(settings(), str(source))
    run_stage(module, small_clip(person), STEPS, tmp_path / "last.ckpt")
    assert same(module.learner.state_dict(), chosen[1].learner.state_dict())


def test_somebody_else_is_refused_before_the_first_step(person, source, small_clip, run_stage, tmp_path) -> None:
    module = WildAdaptation(settings(), str(source))
    module.source.lab_residual.copy_(torch.tensor([0.4, 0.5]))  # a network that knows its own lab well
    noise = torch.rand(person.clip.shape, generator=torch.Generator().manual_seed(1))
    strangers = watched(person)._replace(image=noise)
    guard = CheckpointSelection(GuardSettings(), lambda: strangers, "clip.mp4")
    with pytest.raises(InputError, match=r"clip\.mp4: expected a clip of the person .*refuse_other_person=false"):
        run_stage(module, small_clip(person), STEPS, tmp_path / "last.ckpt", callbacks=[guard])
    assert module.global_step == 0 and not (tmp_path / "last.ckpt").exists()
    allowed = CheckpointSelection(GuardSettings(refuse_other_person=False), lambda: strangers, "clip.mp4")
    run_stage(module, small_clip(person), 1, tmp_path / "last.ckpt", callbacks=[allowed])
    assert allowed.choice is None, "nothing is chosen where `select` is off"
