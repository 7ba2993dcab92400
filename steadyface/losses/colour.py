"""The colour matrix C: a learned 1 x 1 convolution that takes the model's linear colours to the phone's.

It takes up white balance and exposure (Yoon et al. 2019, Fig. 5).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d


class ColourMatrix(nn.Module):
    """C: a 3 x 3 matrix and a bias, the identity at first."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.eye(3))
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, texture: Tensor) -> Tensor:
        """(B, 3, U, U) linear colours of the model -> of the phone."""
        return conv2d(texture, self.matrix.view(3, 3, 1, 1), self.bias)

    @torch.no_grad()
    def fit(self, model: Tensor, observed: Tensor, mask: Tensor) -> None:
        """Set C by masked least squares: model, observed (B, 3, U, U), mask (B, 1, U, U)."""
        matrix = fit_colour_matrix(model, observed, mask)
        self.matrix.copy_(matrix[:, :3])
        self.bias.copy_(matrix[:, 3])


def fit_colour_matrix(model: Tensor, observed: Tensor, mask: Tensor, ridge: float = 1e-3) -> Tensor:
    """Masked least squares for ``C [model; 1] = observed``, pulled slightly to the identity.

    Shapes: model, observed (B, 3, U, U), mask (B, 1, U, U) -> (3, 4).
    """
    chosen = mask.expand_as(model)[:, 0].flatten() > 0.5
    source = model.permute(0, 2, 3, 1).reshape(-1, 3)[chosen].double()
    target = observed.permute(0, 2, 3, 1).reshape(-1, 3)[chosen].double()
    design = torch.cat([source, torch.ones_like(source[:, :1])], dim=1)
    identity = torch.eye(4, dtype=design.dtype, device=design.device)
    pull = ridge * max(len(design), 1) * identity
    normal = design.t() @ design + pull
    return torch.linalg.solve(normal, design.t() @ target + pull[:, :3]).t().to(model.dtype)
