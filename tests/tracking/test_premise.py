"""The premise over a clip: kept pairs, a clip's figures, its worst stretch, and what a synthetic condition does."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from kornia.color import linear_rgb_to_rgb
from torch import Tensor
from torch.nn.functional import grid_sample

from steadyface.geometry import rasterizer
from steadyface.geometry.cameras import project, transform, view_direction
from steadyface.losses.comparison import window_pairs
from steadyface.losses.premise import PairPremise, pair_premise
from steadyface.networks.encoder import Prediction
from steadyface.studio.condition_kinds import Take
from steadyface.studio.conditions import Trial, disturb
from steadyface.tracking.clip_evidence import ClipEvidence, Remembered
from steadyface.tracking.premise import ClipPremise, PremiseMemory, join_pairs, look_by_source, no_pairs
from steadyface.types import FaceState

LIMIT, SIZE, FRAMES = 0.8, 160, 8
K = torch.tensor([[[380.0, 0.0, 79.5], [0.0, 380.0, 79.5], [0.0, 0.0, 1.0]]])


def states(count: int) -> FaceState:
    """A head that moves sideways by 2 mm a frame."""
    shift = torch.arange(count)[:, None] * torch.tensor([2.0, 0.0, 0.0]) + torch.tensor([-10.0, 0.0, 700.0])
    return FaceState(torch.zeros(count, 4), torch.eye(3).expand(count, 3, 3), shift)


@pytest.fixture(scope="module")
def take(tracked) -> Take:
    """The model's own head as an unlit clip over a grey wall, its truth known."""
    state, frames = states(FRAMES), []
    view = tracked.face_model.clamp_view(view_direction(state.rotation, state.translation))
    vertices, texture = tracked.face_model.decode(state.latent, view)
    placed = transform(vertices, state.rotation, state.translation)
    for one, colours in zip(placed.split(1), texture.split(1), strict=True):
        fragments = rasterizer.rasterize(one, tracked.statistics.faces, K, SIZE, SIZE)
        place = rasterizer.interpolate(fragments, tracked.statistics.uv[tracked.statistics.uv_faces])
        drawn = grid_sample(colours.clamp(0, 1), place * 2 - 1, align_corners=False)
        seen = (fragments.triangle >= 0).float().unsqueeze(1)
        image = linear_rgb_to_rgb(0.7 * drawn * seen + 0.2 * (1 - seen))
        frames.append((255 * image[0].permute(1, 2, 0)).round().to(torch.uint8).numpy())
    face = torch.cat(list(tracked.statistics.regions.values())).unique()[::7]
    return Take(frames, project(placed[:, face], K.expand(FRAMES, 3, 3)).numpy(), 30.0)


def crops(frames: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).float() / 255


def measured(tracked, images: Tensor, state: FaceState | None = None) -> PairPremise:
    count = len(images)
    look = look_by_source(
        tracked.face_model, tracked.statistics, images, K.expand(count, 3, 3), state or states(count), LIMIT
    )
    return pair_premise(look.at(slice(None, -1)), look.at(slice(1, None)), LIMIT)


def under(tracked, take: Take, condition: str, strength: float) -> PairPremise:
    shown = disturb(take, Trial(condition, strength, 3), FRAMES)
    return measured(tracked, crops(list(shown.frames)))


def test_a_clean_clip_holds_the_premise(tracked, take: Take) -> None:
    found = measured(tracked, crops(list(take.frames)))
    assert float(found.score.min()) > 0.8 and float(found.shared.min()) > 0.9


@pytest.mark.parametrize(
    ("condition", "strengths", "part"),
    [
        ("exposure", (-0.5, -1.5), "light"), ("white_balance", (0.5, 1.5), "light"),
        ("hand", (0.5, 1.2), "occlusion"), ("noise", (15.0, 50.0), ""), ("motion_blur", (0.06, 0.3), ""),
    ],
)  # fmt: skip
def test_a_condition_raises_its_part_most_and_more_of_it_more(
    tracked, take: Take, condition: str, strengths: tuple[float, float], part: str
) -> None:
    clean = measured(tracked, crops(list(take.frames)))
    weak, strong = (under(tracked, take, condition, strength) for strength in strengths)
    rises = {name: float((getattr(strong, name) - getattr(clean, name)).mean())
             for name in ("light", "motion", "occlusion", "floor")}  # fmt: skip
    if part:
        assert max(rises, key=lambda name: rises[name]) == part
        assert float(getattr(strong, part).mean()) > float(getattr(weak, part).mean())
    if part != "light":
        assert float(strong.score.mean()) < float(weak.score.mean()) < float(clean.score.mean()) + 1e-3


def test_a_source_that_jitters_is_motion_and_leaves_the_score(tracked, take: Take) -> None:
    images, state = crops(list(take.frames)), states(FRAMES)
    shaken = state.translation + torch.tensor([[1.5, 0.0, 0.0], [-1.5, 0.0, 0.0]]).repeat(FRAMES // 2, 1)
    still, moved = measured(tracked, images), measured(tracked, images, state._replace(translation=shaken))
    rises = {name: float((getattr(moved, name) - getattr(still, name)).mean())
             for name in ("light", "motion", "occlusion", "floor")}  # fmt: skip
    assert rises["motion"] > max(0.0, rises["occlusion"], rises["light"])
    assert float(moved.offset.mean()) > float(still.offset.mean())


def remembered_of(tracked, images: Tensor, evidence: ClipEvidence) -> Remembered:
    return evidence.remember(images, K.expand(len(images), 3, 3), Prediction(states(len(images)), None, ()))


def test_the_memory_says_what_a_fresh_look_says_whatever_else_is_in_the_batch(tracked, take: Take) -> None:
    images, evidence = crops(list(take.frames[:4])), ClipEvidence(tracked.statistics, tracked.face_model)
    remembered = remembered_of(tracked, images, evidence)
    keys = torch.tensor([[0, 7], [0, 8], [0, 8], [0, 9]])
    memory, windows = PremiseMemory(evidence, LIMIT), torch.Size([2, 2])
    rows = torch.tensor([0, 1, 1, 2])
    chosen = Remembered(*(part[rows] for part in remembered))
    found = memory.recall(keys, images[rows], chosen, windows)
    first, later = window_pairs(windows, images.device)
    # the memory's mask is eroded further than a fresh look's: the textures are the same, the borders are not
    fresh = measured(tracked, images[:3])
    torch.testing.assert_close(found.score, fresh.score, atol=0.03, rtol=0)
    alone = PremiseMemory(evidence, LIMIT).recall(
        keys[2:], images[rows][2:], Remembered(*(part[2:] for part in chosen)), torch.Size([1, 2])
    )
    for one, other in zip(found, alone, strict=True):
        assert torch.equal(one[1:], other)
    # another picture under the same name is not looked at
    again = memory.recall(keys, torch.rand_like(images), chosen, windows)
    assert all(torch.equal(one, other) for one, other in zip(found, again, strict=True))
    assert len(first) == len(later) == len(found.score) == 2


def test_looks_that_were_let_go_are_taken_again(tracked, take: Take, monkeypatch: pytest.MonkeyPatch) -> None:
    images, evidence = crops(list(take.frames[:4])), ClipEvidence(tracked.statistics, tracked.face_model)
    remembered, keys = remembered_of(tracked, images, evidence), torch.tensor([[0, 0], [0, 1], [0, 2], [0, 3]])
    enough = PremiseMemory(evidence, LIMIT).recall(keys, images, remembered, torch.Size([1, 4]))
    monkeypatch.setattr("steadyface.tracking.premise.KEPT_LOOKS", 1)
    scarce = PremiseMemory(evidence, LIMIT)
    for one, other in zip(enough, scarce.recall(keys, images, remembered, torch.Size([1, 4])), strict=True):
        assert torch.equal(one, other)
    assert len(scarce._looks) == 1


def test_windows_of_one_frame_have_no_pair(tracked, take: Take) -> None:
    images, evidence = crops(list(take.frames[:2])), ClipEvidence(tracked.statistics, tracked.face_model)
    remembered = remembered_of(tracked, images, evidence)
    keys = torch.tensor([[0, 0], [0, 1]])
    assert PremiseMemory(evidence, LIMIT).recall(keys, images, remembered, torch.Size([2, 1])).score.shape == (0,)


def pairs_of(score: Tensor, **parts: Tensor) -> PairPremise:
    zeros = torch.zeros_like(score)
    values = {name: zeros for name in PairPremise._fields} | {"score": score, "shared": zeros + 1} | parts
    return PairPremise(**values)


def slow_worst(score: list[float], start: list[float], end: list[float], seconds: float) -> tuple[float, float, float]:
    best = (math.inf, 0.0, 0.0)
    for first in start:
        held = [i for i in range(len(start)) if first <= start[i] < first + seconds]
        mean = sum(score[i] for i in held) / len(held)
        if mean < best[0]:
            best = (mean, first, max(end[i] for i in held))
    return best[1], best[2], best[0]


def test_the_worst_stretch_against_a_slow_search() -> None:
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        start = torch.rand(40, generator=generator).cumsum(0) / 10
        score = torch.rand(40, generator=generator)
        clip = ClipPremise(pairs_of(score), start, start + 1 / 30)
        expected = slow_worst(score.tolist(), start.tolist(), (start + 1 / 30).tolist(), 0.5)
        assert clip.worst() == pytest.approx(expected, abs=1e-5)


def test_figures_of_a_clip() -> None:
    score, offset = torch.tensor([0.5, 1.0, 0.0]), torch.tensor([0.01, 0.0, 0.03])
    pairs = pairs_of(score, offset=offset, occlusion=torch.tensor([0.2, 0.0, 9.0]), shared=torch.tensor([1.0, 1.0, 0]))
    clip = ClipPremise(pairs, torch.arange(3) / 30, torch.arange(1, 4) / 30)
    assert clip.score == pytest.approx(0.5)  # the pair that has nothing in common counts as none
    assert clip.part("occlusion") == pytest.approx(0.1)  # and has no parts
    assert clip.expected_gain == pytest.approx((0.5 * 0.5 + 0.0 + 0.0) / 3)
    assert set(clip.figures()) >= {"score", "light", "motion", "occlusion", "floor", "worst_score", "expected_gain"}


def test_a_clip_without_pairs_is_not_known() -> None:
    clip = ClipPremise(no_pairs(torch.empty(0)), torch.empty(0), torch.empty(0))
    assert all(math.isnan(value) for value in clip.figures().values())
    both = join_pairs([pairs_of(torch.ones(2)), pairs_of(torch.zeros(1))])
    assert both.score.tolist() == [1.0, 1.0, 0.0]
