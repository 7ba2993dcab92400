from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from steadyface.geometry.normal_equations import solve_normal_equations

MANY = """
import torch
from steadyface.geometry.normal_equations import solve_normal_equations
torch.set_num_threads(2)
torch.manual_seed(0)
for _ in range(5):
    slopes = torch.randn(2, 282, 262, dtype=torch.float64)
    matrix, right = slopes.mT @ slopes + torch.eye(262), torch.randn(2, 262, dtype=torch.float64)
    found = solve_normal_equations(matrix, right)
    assert (matrix @ found.unsqueeze(-1) - right.unsqueeze(-1)).abs().max() < 1e-9
"""


def system(*sizes: int) -> torch.Tensor:
    slopes = torch.randn(*sizes[:-1], sizes[-1] + 3, sizes[-1], dtype=torch.float64)
    return slopes.mT @ slopes + 0.1 * torch.eye(sizes[-1], dtype=torch.float64)


SIZES = [((5,), (5,)), ((5,), (5, 2)), ((3, 7), (3, 7)), ((2, 3, 4), (2, 3, 4, 1))]


@pytest.mark.parametrize(("sizes", "right"), SIZES)
def test_equals_the_inverse(sizes: tuple[int, ...], right: tuple[int, ...]) -> None:
    matrix, wanted = system(*sizes), torch.randn(*right, dtype=torch.float64)
    columns = wanted if wanted.dim() == matrix.dim() else wanted.unsqueeze(-1)
    slow = (torch.linalg.inv(matrix) @ columns).view(wanted.shape)
    torch.testing.assert_close(solve_normal_equations(matrix, wanted), slow)


def test_gradient() -> None:
    slopes = torch.randn(2, 6, 4, dtype=torch.float64, requires_grad=True)
    right = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s, r: solve_normal_equations(s.mT @ s, r), (slopes, right))


def test_what_has_no_solution_is_nan_and_leaves_the_others() -> None:
    matrix = torch.stack([torch.eye(3), -torch.eye(3), torch.full((3, 3), torch.nan)])
    found = solve_normal_equations(matrix, torch.ones(3, 3))
    assert torch.equal(found[0], torch.ones(3)) and found[1:].isnan().all()


def test_many_unknowns_on_two_threads() -> None:
    """As a full-size face model has them; torch's own solve fails here."""
    done = subprocess.run([sys.executable, "-c", MANY], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
