"""The colour matrix: known matrices are found again."""

from __future__ import annotations

import torch

from steadyface.losses.colour import ColourMatrix, fit_colour_matrix

TRUE = torch.tensor([[0.8, 0.1, 0.02, 0.03], [0.05, 0.9, 0.0, -0.02], [0.0, 0.15, 0.6, 0.05]])


def test_a_new_matrix_changes_nothing() -> None:
    texture = torch.rand(2, 3, 4, 5)
    torch.testing.assert_close(ColourMatrix()(texture), texture)


def test_applying_is_a_matrix_and_a_bias_a_texel() -> None:
    colour, texture = ColourMatrix(), torch.rand(1, 3, 2, 2)
    with torch.no_grad():
        colour.matrix.copy_(TRUE[:, :3])
        colour.bias.copy_(TRUE[:, 3])
    for y in range(2):
        for x in range(2):
            torch.testing.assert_close(colour(texture)[0, :, y, x], TRUE[:, :3] @ texture[0, :, y, x] + TRUE[:, 3])


def test_a_known_matrix_is_found_again() -> None:
    model = torch.rand(2, 3, 24, 24)
    observed = (torch.einsum("ij,bjyx->biyx", TRUE[:, :3], model) + TRUE[:, 3].view(1, 3, 1, 1)).clone()
    mask = (torch.rand(2, 1, 24, 24) > 0.5).float()
    observed[mask.expand_as(observed) == 0] = 9.0  # what is hidden must not count
    exact = fit_colour_matrix(model, observed, mask, ridge=0.0)
    torch.testing.assert_close(exact, TRUE, rtol=0, atol=1e-5)
    colour = ColourMatrix()
    colour.fit(model, observed, mask)
    torch.testing.assert_close(colour(model) * mask, observed * mask, rtol=0, atol=0.02)


def test_grey_alone_leaves_what_it_cannot_tell_at_the_identity() -> None:
    """One colour everywhere says nothing of the other directions: the pull to the identity decides."""
    model = torch.full((1, 3, 8, 8), 0.4)
    found = fit_colour_matrix(model, 0.5 * model, torch.ones(1, 1, 8, 8))
    assert torch.isfinite(found).all()
    grey = found[:, :3] @ torch.full((3,), 0.4) + found[:, 3]
    torch.testing.assert_close(grey, torch.full((3,), 0.2), rtol=0, atol=5e-3)
    across = torch.tensor([1.0, -1.0, 0.0])
    torch.testing.assert_close(found[:, :3] @ across, across, rtol=0, atol=1e-3)


def test_nothing_seen_gives_the_identity() -> None:
    found = fit_colour_matrix(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8), torch.zeros(1, 1, 8, 8))
    torch.testing.assert_close(found, torch.eye(3, 4))
