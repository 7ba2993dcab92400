"""Least squares by their normal equations: symmetric positive definite systems, solved by Cholesky.

Not ``torch.linalg.solve``: its batched LU, on a CPU with two threads or more, gives wrong pivots from
about 160 unknowns (torch 2.12 with MKL), and the latents of a full-size face model are 256.
"""

from __future__ import annotations

import torch
from torch import Tensor


def solve_normal_equations(matrix: Tensor, right: Tensor) -> Tensor:
    """The x of ``matrix x = right``.

    Args:
        matrix: (..., N, N), symmetric and positive definite.
        right: (..., N) or (..., N, C).

    Returns:
        as ``right``; nan where a matrix is not positive definite. Differentiable in both.
    """
    columns = right.unsqueeze(-1) if right.dim() < matrix.dim() else right
    factor, failed = torch.linalg.cholesky_ex(matrix)
    # without a check there would be numbers that mean nothing; nothing raises, as nothing does elsewhere for a nan
    factor = torch.where((failed > 0)[..., None, None], torch.nan, factor)
    found = torch.cholesky_solve(columns, factor)
    return found.squeeze(-1) if right.dim() < matrix.dim() else found
