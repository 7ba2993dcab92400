"""The premise study's tables, and the rows of gains that it takes."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from launcher.premise_study import FIGURES, gain_table, load_gains, rank_correlation, trials, with_clean, within
from steadyface.errors import InputError


def slow_spearman(one: list[float], other: list[float]) -> float:
    def ranks(values: list[float]) -> list[float]:
        return [sum(v < value for v in values) + (sum(v == value for v in values) - 1) / 2 for value in values]

    a, b = ranks(one), ranks(other)
    mean = (len(one) - 1) / 2
    product = sum((x - mean) * (y - mean) for x, y in zip(a, b, strict=True))
    return product / math.sqrt(sum((x - mean) ** 2 for x in a) * sum((y - mean) ** 2 for y in b))


def test_rank_correlation_against_a_slow_one() -> None:
    one, other = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0], [2.0, 7.0, 1.0, 8.0, 2.0, 8.0]
    assert rank_correlation(one, other) == pytest.approx(slow_spearman(one, other))
    assert rank_correlation([*one, math.nan], [*other, 1.0]) == pytest.approx(slow_spearman(one, other))
    assert math.isnan(rank_correlation([1.0, 2.0], [1.0, 2.0])) and math.isnan(rank_correlation([1.0] * 4, one[:4]))


def test_correlations_lie_within_the_groups() -> None:
    rows = [{"condition": name, "score": offset + step, "gain": sign * step}
            for name, offset, sign in (("a", 0.0, 1), ("b", 9.0, -1), ("c", 5.0, 1)) for step in range(4)]  # fmt: skip
    found = within(rows, "score", lambda row: row["gain"], ["condition"])
    assert found == pytest.approx({"a": 1.0, "b": -1.0, "c": 1.0, "mean": 1 / 3})
    table = gain_table([row | {name: row["score"] for name in FIGURES} for row in rows], ["condition"])
    assert "| b | -1.00" in table and "| mean | +0.33" in table


def test_the_clean_trial_stands_in_every_condition_once() -> None:
    listed = trials()
    assert listed[0] == ("clean", 0.0, 0) and len(listed) == len(set(listed))
    rows = [{"condition": name, "place": place} for name, _, place in listed]
    places = [row["place"] for row in with_clean(rows) if row["condition"] == "hand"]
    assert sorted(places) == [0, 1, 2, 3, 4, 5]


def test_gains_of_a_list_and_of_something_else(tmp_path: Path) -> None:
    row = {"clip": "a.mp4", "condition": "hand", "strength": 1, "source": "s.ckpt", "gain": 0.4}
    (tmp_path / "rows.json").write_text(json.dumps([row]))
    (read,) = load_gains(tmp_path / "rows.json", "", "")
    assert (read.clip, read.condition, read.strength, read.gain) == (Path("a.mp4"), "hand", 1.0, 0.4)
    for wrong in ("no json", "[{}]", "[1]"):
        (tmp_path / "rows.json").write_text(wrong)
        with pytest.raises(InputError, match="a JSON list of rows"):
            load_gains(tmp_path / "rows.json", "", "")
