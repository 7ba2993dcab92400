"""The colour model C: what takes the model's linear colours to the phone's, from nothing to local light.

The published one is a learned 1 x 1 convolution, which takes up white balance and exposure (Yoon et
al. 2019, Fig. 5); the others say what it buys, and what it lacks. Each is the identity at first,
``fit`` brings it near by masked least squares, and its parameters are learned from there. To add
one: a subclass of ``ColourModel``, and its name in ``COLOUR_MODELS``.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, softplus

from steadyface.errors import InputError
from steadyface.losses.colour_fit import fit_channels, fit_colour_matrix, fit_maps, fit_matrix

_SEGMENTS = 8  # of the tone curve, between 0 and 1
_CELLS = 8  # along each side of the gain and bias maps


class ColourModel(nn.Module):
    """C, and itself the one that changes nothing."""

    def forward(self, texture: Tensor) -> Tensor:
        """(B, 3, U, U) linear colours of the model -> of the phone."""
        return texture

    @torch.no_grad()
    def fit(self, model: Tensor, observed: Tensor, mask: Tensor) -> None:
        """Set C by masked least squares: model, observed (B, 3, U, U), mask (B, 1, U, U)."""


class ChannelColour(ColourModel):
    """A gain and, where asked for, a bias for each channel alone: exposure, white balance, black level."""

    def __init__(self, with_bias: bool) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(3))
        self.bias = nn.Parameter(torch.zeros(3)) if with_bias else None

    def forward(self, texture: Tensor) -> Tensor:
        coloured = texture * self.gain.view(3, 1, 1)
        return coloured if self.bias is None else coloured + self.bias.view(3, 1, 1)

    @torch.no_grad()
    def fit(self, model: Tensor, observed: Tensor, mask: Tensor) -> None:
        found = fit_channels(model, observed, mask, bias=self.bias is not None)
        self.gain.copy_(found[:, 0])
        if self.bias is not None:
            self.bias.copy_(found[:, 1])


class PlainMatrix(ColourModel):
    """A 3 x 3 matrix without a bias: black stays black."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.eye(3))

    def forward(self, texture: Tensor) -> Tensor:
        return conv2d(texture, self.matrix.view(3, 3, 1, 1))

    @torch.no_grad()
    def fit(self, model: Tensor, observed: Tensor, mask: Tensor) -> None:
        self.matrix.copy_(fit_matrix(model, observed, mask))


class ColourMatrix(ColourModel):
    """The published C, a 1 x 1 convolution: a 3 x 3 matrix and a bias."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.eye(3))
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, texture: Tensor) -> Tensor:
        return conv2d(texture, self.matrix.view(3, 3, 1, 1), self.bias)

    @torch.no_grad()
    def fit(self, model: Tensor, observed: Tensor, mask: Tensor) -> None:
        matrix = fit_colour_matrix(model, observed, mask)
        self.matrix.copy_(matrix[:, :3])
        self.bias.copy_(matrix[:, 3])


class ToneCurve(ColourModel):
    """The convolution, then a curve for each channel that only ever rises: a phone's tone mapping.

    Piecewise linear between 0 and 1, its first and last slope held beyond; 0 stays 0, since the
    convolution has the bias. ``fit`` sets the convolution, the curve is learned.
    """

    def __init__(self) -> None:
        super().__init__()
        self.convolution = ColourMatrix()
        flat = torch.log(torch.expm1(torch.ones(())))  # softplus of it is a slope of 1
        self.slope = nn.Parameter(flat.repeat(3, _SEGMENTS))

    def forward(self, texture: Tensor) -> Tensor:
        return self.curve(self.convolution(texture))

    def curve(self, texture: Tensor) -> Tensor:
        """The curves alone: (B, 3, U, U) -> (B, 3, U, U)."""
        width = 1.0 / _SEGMENTS
        slopes = softplus(self.slope)[..., None, None]
        below, above = texture.clamp(max=0.0), (texture - 1.0).clamp(min=0.0)
        result = slopes[:, 0] * below + slopes[:, -1] * above
        for segment in range(_SEGMENTS):
            result = result + slopes[:, segment] * (texture - segment * width).clamp(0.0, width)
        return result

    @torch.no_grad()
    def fit(self, model: Tensor, observed: Tensor, mask: Tensor) -> None:
        self.convolution.fit(model, observed, mask)


class ColourMaps(ColourModel):
    """The convolution, then a gain and a bias that change slowly over the texture: light from one side.

    A few cells along each side, between them bilinear.
    """

    def __init__(self) -> None:
        super().__init__()
        self.convolution = ColourMatrix()
        self.gain = nn.Parameter(torch.ones(1, 3, _CELLS, _CELLS))
        self.bias = nn.Parameter(torch.zeros(1, 3, _CELLS, _CELLS))

    def forward(self, texture: Tensor) -> Tensor:
        size = texture.shape[-1]
        return self.convolution(texture) * _upsample(self.gain, size) + _upsample(self.bias, size)

    @torch.no_grad()
    def fit(self, model: Tensor, observed: Tensor, mask: Tensor) -> None:
        self.convolution.fit(model, observed, mask)
        cells = torch.eye(_CELLS**2, device=model.device).view(-1, 1, _CELLS, _CELLS)
        upsampling = _upsample(cells, model.shape[-1]).flatten(1).t()
        gain, bias = fit_maps(self.convolution(model), observed, mask, upsampling)
        self.gain.copy_(gain.view_as(self.gain))
        self.bias.copy_(bias.view_as(self.bias))


def _upsample(cells: Tensor, size: int) -> Tensor:
    return interpolate(cells, size=(size, size), mode="bilinear", align_corners=False)


COLOUR_MODELS: dict[str, Callable[[], ColourModel]] = {
    "none": ColourModel,
    "gain": lambda: ChannelColour(with_bias=False),
    "gain_bias": lambda: ChannelColour(with_bias=True),
    "matrix": PlainMatrix,
    "convolution": ColourMatrix,
    "tone_curve": ToneCurve,
    "maps": ColourMaps,
}


def build_colour_model(name: str) -> ColourModel:
    """The colour model of that name, the identity at first.

    Raises:
        InputError: no colour model has that name.
    """
    if name not in COLOUR_MODELS:
        known = ", ".join(COLOUR_MODELS)
        raise InputError("adaptation.colour_model", f"one of {known}", name, "choose one of them")
    return COLOUR_MODELS[name]()
