"""Layers whose weight is a direction and a length: the length is one number an output channel.

The norm is taken over the WHOLE weight tensor, not over each output channel as in Salimans and
Kingma 2016: that is how the public Multiface networks were trained, and their weights mean nothing
under another rule.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

SLOPE = 0.2
"""Of every leaky ReLU between these layers."""


def with_length(weight: Tensor, gain: Tensor, axis: int) -> Tensor:
    """``weight`` over its norm, times ``gain`` (C,) along the axis of the output channels.

    >>> with_length(torch.tensor([[3.0], [4.0]]), torch.tensor([5.0, 10.0]), axis=0).tolist()
    [[3.0], [8.0]]
    """
    shape = [1] * weight.dim()
    shape[axis] = -1
    return weight * gain.view(shape) / weight.square().sum().sqrt()


class NormalisedLinear(nn.Linear):
    """Fully connected: (B, channels_in) -> (B, channels_out)."""

    def __init__(self, channels_in: int, channels_out: int, slope: float = SLOPE) -> None:
        super().__init__(channels_in, channels_out)
        self.gain = nn.Parameter(torch.empty(channels_out))
        start(self, channels_in + channels_out, slope)

    def forward(self, features: Tensor) -> Tensor:
        return functional.linear(features, with_length(self.weight, self.gain, 0), self.bias)


class NormalisedConvolution(nn.Conv2d):
    """Convolution: (B, channels_in, H, W) -> (B, channels_out, H / stride, W / stride) with the paddings used here."""

    def __init__(self, channels_in: int, channels_out: int, size: int, stride: int = 1) -> None:
        super().__init__(channels_in, channels_out, size, stride, padding=1)
        self.gain = nn.Parameter(torch.empty(channels_out))
        start(self, (channels_in + channels_out) * size**2, SLOPE)

    def forward(self, features: Tensor) -> Tensor:
        weight = with_length(self.weight, self.gain, 0)
        return functional.conv2d(features, weight, self.bias, self.stride, self.padding)


class NormalisedTransposed(nn.ConvTranspose2d):
    """Transposed 4 x 4 convolution of stride 2: (B, channels_in, H, W) -> (B, channels_out, 2 H, 2 W)."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in, channels_out, 4, stride=2, padding=1)
        self.gain = nn.Parameter(torch.empty(channels_out))
        # each output pixel is reached by a quarter of the kernel
        start(self, (channels_in + channels_out) * 4, SLOPE)

    def forward(self, features: Tensor, output_size: list[int] | None = None) -> Tensor:
        weight = with_length(self.weight, self.gain, 1)
        return functional.conv_transpose2d(features, weight, self.bias, stride=2, padding=1)


@torch.no_grad()
def start(layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d, fan: int, slope: float) -> None:
    """Glorot's uniform draw for a leaky ReLU of ``slope`` (1 = no activation), bias 0, every gain the weight's norm.

    Args:
        fan: inputs and outputs of a unit, together.
    """
    deviation = math.sqrt(2.0 / (1.0 + slope**2)) * math.sqrt(2.0 / fan)
    layer.weight.uniform_(-deviation * math.sqrt(3.0), deviation * math.sqrt(3.0))
    if isinstance(layer, nn.ConvTranspose2d):
        # one weight for the four pixels that a pixel becomes: no chequerboard at the start
        corner = layer.weight[:, :, 0::2, 0::2].clone()
        layer.weight.copy_(corner.repeat_interleave(2, 2).repeat_interleave(2, 3))
    if layer.bias is not None:
        layer.bias.zero_()
    gain = getattr(layer, "gain", None)
    if gain is not None:
        gain.fill_(float(layer.weight.norm()))
