"""The registry of parts: each has a weight, and what it needs is known."""

from __future__ import annotations

from dataclasses import fields

import torch

from steadyface.losses.comparison import window_pairs
from steadyface.losses.parts import COLOUR, DETECTOR, LANDMARKS, PARTS, TRIPLES, WINDOWS
from steadyface.losses.self_supervision import SelfSupervisionWeights


def test_every_part_has_a_weight_and_every_weight_a_part() -> None:
    weights = {field.name for field in fields(SelfSupervisionWeights) if isinstance(field.default, float)}
    assert weights - {"premise_power"} == set(PARTS) == set(SelfSupervisionWeights().of_parts())


def test_what_parts_need_is_known() -> None:
    assert {need for part in PARTS.values() for need in part.needs} == {WINDOWS, TRIPLES, LANDMARKS, COLOUR, DETECTOR}
    assert {name for name, part in PARTS.items() if WINDOWS in part.needs} == {"cftc", "cftc_raw", "cftc_unguarded"}


def test_the_first_frame_is_paired_with_each_later_one() -> None:
    for count, length in ((1, 2), (3, 4), (2, 1)):
        expected = [(b * length, b * length + t) for b in range(count) for t in range(1, length)]
        first, later = window_pairs(torch.Size([count, length]), torch.device("cpu"))
        assert list(zip(first.tolist(), later.tolist(), strict=True)) == expected
