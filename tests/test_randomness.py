"""Draws that depend on their keys and on nothing else."""

from __future__ import annotations

import pytest
import torch

from steadyface.randomness import derive_seed, drawing


def test_the_global_generator_goes_on_as_if_nothing_was_drawn() -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    with drawing(0, "view", 1):
        torch.rand(100)
    torch.testing.assert_close(torch.rand(4), expected, rtol=0, atol=0)


def test_the_global_generator_survives_an_error_inside() -> None:
    before = torch.get_rng_state()
    with pytest.raises(ValueError, match="within"), drawing(0):
        torch.rand(1)
        raise ValueError("within")
    assert torch.equal(torch.get_rng_state(), before)


def test_draws_do_not_depend_on_what_was_drawn_before() -> None:
    with drawing(1, "latent", 7, 0):
        first = torch.randn(5)
    torch.rand(11)
    with drawing(1, "latent", 7, 0):
        second = torch.randn(5)
    assert torch.equal(first, second)


def test_every_key_counts() -> None:
    keys: list[tuple[int | str, ...]] = [("a", 1), ("a", 2), ("b", 1), ("a", 1, 0), ("a1",), ("a", "1")]
    seeds = {derive_seed(seed, *key) for seed in (0, 1) for key in keys}
    assert len(seeds) == 2 * len(keys)
    assert all(0 <= seed < 2**63 for seed in seeds)
