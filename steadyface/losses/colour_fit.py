"""Least squares between the model's colours and the phone's, over the texels of a mask.

Every fit is pulled slightly to what changes nothing: a clip of one grey says nothing of colours.
"""

from __future__ import annotations

import torch
from torch import Tensor

from steadyface.geometry.normal_equations import solve_normal_equations

_RIDGE = 1e-3  # weight of that pull, as a share of the texels


def masked_colours(model: Tensor, observed: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """The colours of the texels where the mask is above one half, in double precision.

    Shapes: model, observed (B, 3, U, U), mask (B, 1, U, U) -> (P, 3), (P, 3).
    """
    chosen = mask.expand_as(model)[:, 0].flatten() > 0.5
    source = model.permute(0, 2, 3, 1).reshape(-1, 3)[chosen].double()
    target = observed.permute(0, 2, 3, 1).reshape(-1, 3)[chosen].double()
    return source, target


def pulled_least_squares(design: Tensor, target: Tensor, start: Tensor, ridge: float = _RIDGE) -> Tensor:
    """The ``x`` of the least ``|design x - target|^2 + ridge P |x - start|^2``.

    Shapes: design (..., P, K), target (..., P, C), start (K, C) -> (..., K, C).
    """
    identity = torch.eye(design.shape[-1], dtype=design.dtype, device=design.device)
    pull = ridge * max(design.shape[-2], 1) * identity
    normal = design.mT @ design + pull
    return solve_normal_equations(normal, design.mT @ target + pull @ start.to(design))


def fit_colour_matrix(model: Tensor, observed: Tensor, mask: Tensor, ridge: float = _RIDGE) -> Tensor:
    """Masked least squares for ``C [model; 1] = observed``, pulled slightly to the identity.

    Shapes: model, observed (B, 3, U, U), mask (B, 1, U, U) -> (3, 4).
    """
    source, target = masked_colours(model, observed, mask)
    design = torch.cat([source, torch.ones_like(source[:, :1])], dim=1)
    return pulled_least_squares(design, target, torch.eye(4, 3), ridge).t().to(model.dtype)


def fit_matrix(model: Tensor, observed: Tensor, mask: Tensor) -> Tensor:
    """As ``fit_colour_matrix`` without a bias -> (3, 3)."""
    source, target = masked_colours(model, observed, mask)
    return pulled_least_squares(source, target, torch.eye(3)).t().to(model.dtype)


def fit_channels(model: Tensor, observed: Tensor, mask: Tensor, bias: bool) -> Tensor:
    """Gain and, where asked for, bias of each channel alone -> (3, 1) or (3, 2)."""
    source, target = (colours.t().unsqueeze(-1) for colours in masked_colours(model, observed, mask))
    design = torch.cat([source, torch.ones_like(source)], dim=-1) if bias else source
    start = torch.eye(design.shape[-1], 1)
    return pulled_least_squares(design, target, start).squeeze(-1).to(model.dtype)


def fit_maps(model: Tensor, observed: Tensor, mask: Tensor, upsampling: Tensor) -> tuple[Tensor, Tensor]:
    """Gain and bias maps of few cells whose upsampled values bring the model nearest to the observation.

    The upsampling is the same in every frame, so frames enter by their sums over a texel only.

    Args:
        model, observed, mask: (B, 3, U, U) twice and (B, 1, U, U).
        upsampling: (U * U, L), what each of L cells gives to each texel.

    Returns:
        gain (3, L), pulled slightly to 1, and bias (3, L), pulled to 0.
    """
    spread, chosen = upsampling.double(), (mask > 0.5).double()
    source, target = model.double(), observed.double()

    def sums(values: Tensor) -> Tensor:
        """(B, 3, U, U) -> (3, U * U, 1), over the frames that see the texel."""
        return (values * chosen).sum(0).flatten(1).unsqueeze(-1)

    def gram(weights: Tensor) -> Tensor:
        return spread.t() @ (weights * spread)

    seen, linear = sums(torch.ones_like(source)), sums(source)
    upper = torch.cat([gram(sums(source.square())), gram(linear)], dim=-1)
    lower = torch.cat([gram(linear), gram(seen)], dim=-1)
    right = torch.cat([spread.t() @ sums(source * target), spread.t() @ sums(target)], dim=-2)
    cells = spread.shape[1]
    # a cell gets its share of the texels, and of the pull
    pull = _RIDGE * max(float(chosen.sum()), 1.0) / cells
    start = torch.cat([right.new_ones(cells, 1), right.new_zeros(cells, 1)])
    normal = torch.cat([upper, lower], dim=-2) + pull * torch.eye(2 * cells, dtype=right.dtype, device=right.device)
    gain, bias = solve_normal_equations(normal, right + pull * start).squeeze(-1).to(model.dtype).chunk(2, dim=-1)
    return gain, bias
