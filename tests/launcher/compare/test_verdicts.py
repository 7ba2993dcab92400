"""What is said of a run against another, and when nothing can be said."""

from __future__ import annotations

import shutil
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch

from launcher.compare.common_clips import common_clips
from launcher.compare.sides import Side, read_sides
from launcher.compare.verdicts import Judgement, Verdict, judge_clip, over_clips, scope_words

SEEDS = (0, 1, 2)


def judge(*words: str | Path, margin: float = 0.05) -> list[Judgement]:
    """Each side but the first against the first, over all clips."""
    sides = read_sides([str(word) for word in words])
    judged = [judge_clip(sides, clip, margin) for clip in common_clips(sides)]
    return [over_clips(of_side) for of_side in zip(*judged, strict=True)]


def rescore(side: Side, reprojection: torch.Tensor, vertex: torch.Tensor) -> None:
    """Give a side other scores, a value a seed."""
    (member,) = side.members
    row = member.run.summary["adapted_clip"][member.row]
    row["reprojection_error_px"], row["vertex_error_mm"] = reprojection.tolist(), vertex.tolist()


@pytest.fixture(scope="module")
def pair(studio: Any) -> list[Path]:
    """Two experiments of one setting under other seeds."""
    return [studio.experiment("first", SEEDS), studio.experiment("again", (3, 4, 5))]


def test_source_against_adapted_says_which_and_how_much(pair: list[Path]) -> None:
    (adapted,) = judge(f"{pair[0]}:source", f"{pair[0]}:adapted")
    assert adapted.verdict is Verdict.BETTER
    assert "lowers the reprojection error by" in adapted.why and "lowers the vertex error by" in adapted.why
    (source,) = judge(f"{pair[0]}:adapted", f"{pair[0]}:source")
    assert source.verdict is Verdict.WORSE and "raises the reprojection error by" in source.why


def test_seeds_of_one_setting_are_never_better(pair: list[Path], studio: Any) -> None:
    runs = [*pair, studio.experiment("once_more", (6, 7, 8))]
    for one, other in combinations(runs, 2):
        assert judge(one, other)[0].verdict in (Verdict.UNDECIDED, Verdict.EQUIVALENT)
    singles = [studio.experiment(f"seed_{seed}", (seed,)) for seed in (9, 10, 11)]
    for one, other in combinations(singles, 2):
        (judged,) = judge(one, other)
        assert judged.verdict is Verdict.UNDECIDED and "run with seeds=[0,1,2]" in judged.why


def test_one_seed_is_never_enough_whatever_it_shows(pair: list[Path], studio: Any) -> None:
    lucky = studio.experiment("lucky", (0,), error=0.1)
    for words in ([pair[0], lucky], [lucky, pair[0]], [f"{lucky}:source", lucky]):
        (judged,) = judge(*words)
        assert judged.verdict is Verdict.UNDECIDED and "lucky" in judged.why and "seen are" in judged.why


def test_rows_of_one_network_repeat_nothing(pair: list[Path]) -> None:
    (judged,) = judge(f"{pair[0]}:source", f"{pair[0]}:source_smoothed")
    assert judged.verdict is Verdict.UNDECIDED and "nothing is repeated" in judged.why
    (same,) = judge(f"{pair[0]}:source", f"{pair[1]}:source")
    assert same.verdict is Verdict.EQUIVALENT and same.why.endswith("the same networks with the same scores")


def test_another_source_network_needs_trainings_of_its_own(pair: list[Path], studio: Any) -> None:
    others = [studio.experiment(f"other_{seed}", SEEDS, error=0.3, source_seed=seed) for seed in (1, 2, 3)]
    (judged,) = judge(pair[0], others[0])
    assert judged.verdict is Verdict.UNDECIDED and "pretraining.seed=0, 1 and 2" in judged.why
    plain = [studio.experiment(f"plain_{seed}", SEEDS, error=2.0, source_seed=seed) for seed in (4, 5, 6)]
    joined = ["+".join(map(str, runs)) for runs in (plain, others)]
    assert judge(*joined)[0].verdict is Verdict.BETTER
    sources = ["+".join(f"{run}:{row}" for run in others) for row in ("source", "adapted")]
    assert judge(*sources)[0].verdict is Verdict.BETTER  # paired: each against its own source


def test_equal_within_the_margin_is_equivalent_and_opposite_findings_are_mixed(pair: list[Path]) -> None:
    sides = read_sides([str(run) for run in pair])
    (clip,) = common_clips(sides)
    steady = torch.tensor([1.0, 1.002, 0.998])
    rescore(sides[0], 2 * steady, steady)
    rescore(sides[1], 2.02 * steady, 1.01 * steady)
    (judged,) = judge_clip(sides, clip, 0.05)
    assert judged.verdict is Verdict.EQUIVALENT and "within the margin of 5 %" in judged.why
    (strict,) = judge_clip(sides, clip, 0.005)
    assert strict.verdict is Verdict.WORSE  # shown, and no longer within what would not matter
    rescore(sides[1], 1.0 * steady, 2 * steady)
    (mixed,) = judge_clip(sides, clip, 0.05)
    assert mixed.verdict is Verdict.UNDECIDED and mixed.why.startswith("mixed: it lowers the reprojection error")
    assert "it raises the vertex error" in mixed.why
    rescore(sides[1], 1.0 * steady, 1.01 * steady)
    (half,) = judge_clip(sides, clip, 0.05)
    assert half.verdict is Verdict.BETTER or "mixed" in half.why


@pytest.mark.parametrize("spread", [0.03, 0.3])
def test_two_sets_of_seeds_differ_in_at_most_one_pair_of_twenty(pair: list[Path], spread: float) -> None:
    draws, pairs = torch.Generator().manual_seed(5), 100
    sides = read_sides([str(run) for run in pair])
    (clip,) = common_clips(sides)
    found: Counter[Verdict] = Counter()
    for _ in range(pairs):
        for side in sides:
            luck = (spread * torch.randn(3, generator=draws)).exp()
            rescore(side, 2.5 * luck, 1.2 * luck)  # both endpoints see the same luck: the hardest case
        found[judge_clip(sides, clip, 0.05)[0].verdict] += 1
    assert found[Verdict.BETTER] + found[Verdict.WORSE] <= 0.05 * pairs


def test_a_real_difference_is_found(pair: list[Path]) -> None:
    draws, pairs = torch.Generator().manual_seed(6), 40
    sides = read_sides([str(run) for run in pair])
    (clip,) = common_clips(sides)
    found: Counter[Verdict] = Counter()
    for _ in range(pairs):
        for side, size in zip(sides, (1.0, 0.5), strict=True):
            luck, other = (0.08 * torch.randn(2, 3, generator=draws)).exp()
            rescore(side, 2.5 * size * luck, 1.2 * size * other)
        found[judge_clip(sides, clip, 0.05)[0].verdict] += 1
    assert found[Verdict.BETTER] >= 0.9 * pairs and not found[Verdict.WORSE]


def test_many_runs_are_corrected_for(pair: list[Path], studio: Any) -> None:
    sides = read_sides([str(run) for run in [*pair, studio.experiment("third", (12, 13, 14), error=1.0)]])
    (clip,) = common_clips(sides)
    alone = judge_clip([sides[0], sides[2]], clip, 0.05)[0].comparisons["vertex_error_mm"]
    among = judge_clip(sides, clip, 0.05)[1].comparisons["vertex_error_mm"]
    assert among.p == pytest.approx(2 * alone.p)


def test_the_clips_have_to_agree(studio: Any, film_clip: Any) -> None:
    clips = {**studio.clips, "held_out_clip": film_clip(studio.folder / "clips", "held.mp4", 3.0)}
    run = studio.experiment("both_clips", SEEDS, clips=clips)
    (judged,) = judge(f"{run}:source", f"{run}:adapted")
    assert judged.verdict is Verdict.BETTER and judged.why.count("lowers the vertex error") == 2
    sides = read_sides([f"{run}:source", f"{run}:adapted"])
    held_out = sides[1].members[0].run.summary["held_out_clip"]["adapted"]
    held_out["vertex_error_mm"] = [9.0, 0.1, 3.0]
    found = [judge_clip(sides, clip, 0.05)[0] for clip in common_clips(sides)]
    assert over_clips(found).verdict is Verdict.UNDECIDED and "the clips do not agree" in over_clips(found).why
    assert "not for people in general" in scope_words(sides, 2)


def test_a_clip_without_truth_decides_nothing(studio: Any) -> None:
    run = studio.experiment("no_truth", SEEDS, truth=False)
    (judged,) = judge(f"{run}:source", f"{run}:adapted")
    assert judged.verdict is Verdict.UNDECIDED and "needs the truth of the clip" in judged.why


def test_a_clip_is_found_by_its_content(pair: list[Path], studio: Any, film_clip: Any) -> None:
    filmed = studio.clips["adapted_clip"]
    copy = film_clip(studio.folder / "elsewhere", "renamed.mp4")
    shutil.copy(filmed.video, copy.video)
    other = film_clip(studio.folder / "elsewhere", "other.mp4", 2.0)
    run = studio.experiment("renamed", SEEDS, clips={"adapted_clip": other, "held_out_clip": copy})
    sides = read_sides([str(pair[0]), str(run)])
    (clip,) = common_clips(sides)
    assert [clip.name_in(side.members[0]) for side in sides] == ["adapted_clip", "held_out_clip"]
