"""Pose and expression of a linear face from points in a picture."""

from __future__ import annotations

from typing import NamedTuple

import torch
from pytorch3d.transforms import so3_exp_map, so3_log_map
from torch import Tensor

from steadyface.geometry.cameras import project, transform
from steadyface.geometry.state_from_points import PointModel, PointState, solve_state

COUNT, POINTS, SIZE = 3, 40, 4


class Scene(NamedTuple):
    """A model, the truth, and a start beside it; float64."""

    model: PointModel
    truth: PointState
    start: PointState
    weights: Tensor
    intrinsics: Tensor

    def pixels(self, state: PointState) -> Tensor:
        points = self.model.mean + torch.einsum("kiz,bz->bki", self.model.basis, state.coefficients)
        return project(transform(points, state.rotation, state.translation), self.intrinsics)

    def solve(self, pixels: Tensor, prior: float, iterations: int = 3) -> PointState:
        strength = torch.tensor(prior, dtype=torch.float64)
        return solve_state(self.model, pixels, self.weights, self.intrinsics, strength, self.start, iterations)


def scene(seed: int = 0) -> Scene:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    intrinsics = torch.tensor([[600.0, 3.0, 64.0], [0.0, 610.0, 60.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    model = PointModel(50 * draw(POINTS, 3), 4 * draw(POINTS, 3, SIZE))
    rotation, translation = so3_exp_map(0.3 * draw(COUNT, 3)), 15 * draw(COUNT, 3)
    translation = translation + torch.tensor([0.0, 0.0, 600.0], dtype=torch.float64)
    beside = so3_exp_map(0.1 * draw(COUNT, 3)) @ rotation
    start = PointState(torch.zeros(COUNT, SIZE, dtype=torch.float64), beside, translation + 10 * draw(COUNT, 3))
    truth = PointState(draw(COUNT, SIZE), rotation, translation)
    return Scene(model, truth, start, draw(COUNT, POINTS).exp(), intrinsics.expand(COUNT, 3, 3))


def test_exact_points_give_the_state() -> None:
    here = scene()
    found = here.solve(here.pixels(here.truth), 1e-9, iterations=6)
    torch.testing.assert_close(found.coefficients, here.truth.coefficients, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.rotation, here.truth.rotation, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.translation, here.truth.translation, atol=1e-2, rtol=0)
    # three steps, as the encoder takes, leave little
    near = here.solve(here.pixels(here.truth), 1e-9)
    assert (near.coefficients - here.truth.coefficients).abs().max() < 0.05


def test_it_is_the_minimum_of_the_stated_problem() -> None:
    """Against a slow, general minimiser of the same sum."""
    here = scene(1)
    noisy = here.pixels(here.truth) + 2.0
    free = torch.zeros(COUNT, 6 + SIZE, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([free], max_iter=3000, tolerance_grad=1e-13, tolerance_change=1e-16,
                               line_search_fn="strong_wolfe")

    def state() -> PointState:
        turn = so3_exp_map(0.01 * free[:, :3]) @ here.truth.rotation
        return PointState(free[:, 6:], turn, here.truth.translation + free[:, 3:6])

    def cost() -> Tensor:
        search.zero_grad()
        now = state()
        squares = (here.pixels(now) - noisy).square().sum(-1)
        total = (here.weights * squares).sum() + 3.0 * now.coefficients.square().sum()
        total.backward()
        return total

    search.step(cost)
    found, expected = here.solve(noisy, 3.0, iterations=12), state()
    torch.testing.assert_close(found.coefficients, expected.coefficients.detach(), atol=2e-4, rtol=0)
    torch.testing.assert_close(found.translation, expected.translation.detach(), atol=2e-2, rtol=0)


def test_a_shift_of_all_points_moves_the_head_and_not_the_face() -> None:
    here = scene(2)
    still = PointState(torch.zeros_like(here.truth.coefficients), here.truth.rotation, here.truth.translation)
    found = here.solve(here.pixels(still) + torch.tensor([4.0, -3.0], dtype=torch.float64), 1.0, iterations=6)
    assert found.coefficients.abs().max() < 0.02
    assert ((found.translation - still.translation)[:, :2].abs() > 1.0).all()


def test_without_evidence_the_prior_answers() -> None:
    here = scene(3)
    assert here.solve(here.pixels(here.truth), 1e12).coefficients.abs().max() < 1e-6


def test_gradient_of_one_step_is_exact() -> None:
    here = scene(4)
    pixels = (here.pixels(here.truth) + 1.0).requires_grad_()
    prior = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)

    def answer(pixels: Tensor, weights: Tensor, prior: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        found = solve_state(here.model, pixels, weights, here.intrinsics, prior, here.start, 1)
        return found.coefficients, so3_log_map(found.rotation @ here.start.rotation.mT), found.translation

    assert torch.autograd.gradcheck(answer, (pixels, here.weights.clone().requires_grad_(), prior))
