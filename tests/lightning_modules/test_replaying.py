"""Replay after the clip's own steps: where it begins, that it teaches the refinement alone, and a resume."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from launcher.plan import adaptation_settings
from lightning_modules.adaptation import WildAdaptation
from lightning_modules.adaptation_settings import AdaptationSettings
from lightning_modules.replaying import ReplaySettings, replay_schedule, vertex_weight
from steadyface.networks.checkpoints import load_networks

CLIP_STEPS, REPLAY_STEPS = 3, 5


def settings_of(**replay: int) -> AdaptationSettings:
    settings = ReplaySettings(**{"views": 4, "batch": 3, "beside": 2, **replay})
    return AdaptationSettings(CLIP_STEPS, lab_batch=2, replay=settings)


@pytest.fixture(scope="module")
def whole(person, source: Path, small_clip, run_stage, tmp_path_factory):
    """An uninterrupted run of both halves, and the checkpoints after 3 (the clip's steps), 5 and 8 steps."""
    folder = tmp_path_factory.mktemp("replay")
    kept = [ModelCheckpoint(folder, filename=f"after_{step}", every_n_train_steps=step, save_top_k=-1,
                            enable_version_counter=False) for step in (CLIP_STEPS, 5)]  # fmt: skip
    module = WildAdaptation(settings_of(steps=REPLAY_STEPS), str(source))
    # the last of each kind stays under its name: step 3 is written again at step 6
    kept[0].CHECKPOINT_EQUALS_CHAR = ""
    kept[0].filename = "after_{step}"
    run_stage(module, small_clip(person), CLIP_STEPS + REPLAY_STEPS, folder / "last.ckpt", callbacks=kept)
    return module, folder


def encoder_of(path: Path):
    return load_networks(path)[2]


def test_a_refinement_that_has_not_learned_says_nothing(person, source: Path) -> None:
    module = WildAdaptation(settings_of(steps=REPLAY_STEPS), str(source))
    assert module.encoder.refinement is not None and encoder_of(source).refinement is None
    image, intrinsics = person.clip[:3], person.lab.intrinsics[:3]
    with torch.no_grad():
        before, after = encoder_of(source)(image, intrinsics), module.encoder(image, intrinsics)
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_the_clip_teaches_all_but_the_refinement_and_the_replay_the_refinement_alone(whole) -> None:
    module, folder = whole
    (halfway,) = folder.glob("after_*3*.ckpt")
    first, last = encoder_of(halfway).state_dict(), encoder_of(folder / "last.ckpt").state_dict()
    fresh = WildAdaptation(module.settings, str_of_source(module, folder)).encoder.state_dict()
    changed = {name.split(".")[0] for name in last if not torch.equal(first[name], last[name])}
    assert changed == {"refinement"}
    before = {name.split(".")[0] for name in first if not torch.equal(fresh[name], first[name])}
    assert "refinement" not in before and {"point_network", "expression_network"} <= before
    moved = float((last["refinement.head.3.weight"] - first["refinement.head.3.weight"]).norm())
    assert moved > 0


def str_of_source(module: WildAdaptation, folder: Path) -> str:
    """A checkpoint of the frozen source, as it stands in the module."""
    path = folder / "source.ckpt"
    content = torch.load(folder / "last.ckpt", weights_only=True)
    weights = {name.replace("source.", "encoder.", 1): value for name, value in content["state_dict"].items()
               if name.startswith(("source.", "face_model."))}  # fmt: skip
    torch.save({"networks": content["networks"], "state_dict": weights}, path)
    return str(path)


@pytest.mark.parametrize("after", [3, 5])
def test_a_resume_gives_the_uninterrupted_run_bit_for_bit(
    whole, person, source: Path, small_clip, run_stage, tmp_path: Path, after: int
) -> None:
    (resume,) = whole[1].glob(f"after_*{after}*.ckpt")
    torch.manual_seed(12)  # what the process drew before must not matter
    module = WildAdaptation(settings_of(steps=REPLAY_STEPS), str(source))
    run_stage(module, small_clip(person), CLIP_STEPS + REPLAY_STEPS, tmp_path / "last.ckpt", resume=resume)
    one, other = (torch.load(folder / "last.ckpt", weights_only=True) for folder in (whole[1], tmp_path))
    for name, value in one["state_dict"].items():
        assert torch.equal(value, other["state_dict"][name]), name
    states = [content["optimizer_states"][0]["state"] for content in (one, other)]
    assert states[0].keys() == states[1].keys()
    for key, state in states[0].items():
        assert all(torch.equal(state[name], states[1][key][name]) for name in state)


def test_without_replay_the_settings_say_what_they_said_before() -> None:
    assert "replay" not in adaptation_settings(settings_of(beside=0))
    assert adaptation_settings(settings_of(steps=2))["replay"]["steps"] == 2
    assert adaptation_settings(settings_of())["replay"]["beside"] == 2


def test_views_beside_the_clip_teach_all_that_the_clip_teaches(person, source: Path, small_clip, run_stage, tmp_path):
    ends = {}
    for beside in (0, 2):
        module = WildAdaptation(settings_of(beside=beside), str(source))
        run_stage(module, small_clip(person), CLIP_STEPS, tmp_path / f"{beside}.ckpt")
        ends[beside] = module.encoder.state_dict()
    moved = {name.split(".")[0] for name in ends[0] if not torch.equal(ends[0][name], ends[2][name])}
    assert moved == {"point_network", "expression_network"}


def test_a_vertex_counts_by_how_little_it_moves(source: Path) -> None:
    statistics, face_model, _ = load_networks(source)
    deviation, weight = face_model.vertex_deviation(), vertex_weight(statistics, face_model, detail=1.0)
    assert float(weight.mean()) == pytest.approx(1.0)
    order = deviation.argsort()
    assert bool((weight[order].diff() <= 1e-6).all())
    lips = statistics.regions["lips"]
    more = vertex_weight(statistics, face_model, detail=4.0)
    others = torch.ones(len(weight), dtype=torch.bool)
    others[torch.cat([lips, statistics.regions["lids"]])] = False
    torch.testing.assert_close(more[lips] / weight[lips], 4 * (more[others] / weight[others])[0].expand(len(lips)))


def test_each_half_has_its_own_schedule() -> None:
    clip, replay = replay_schedule(100, 50)
    assert [clip(step) > 0 for step in (0, 99, 100, 149)] == [True, True, False, False]
    assert [replay(step) > 0 for step in (0, 99, 100, 149)] == [False, False, True, True]
    assert max(map(replay, range(150))) == 1.0
