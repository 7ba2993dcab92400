"""Convolutions with the frozen batch norm behind them in one: the same numbers, a pass over the features less each.

A batch norm that keeps its statistics is a gain and a bias a channel; they go into the convolution's weights, which
are small, and gradients reach the norm's own parameters through them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d
from torchvision.models.mobilenetv2 import InvertedResidual


def run_folded(layers: nn.Module, features: Tensor) -> Tensor:
    """What layers say of features (B, C, H, W), up to rounding what they say when they are called.

    Args:
        layers: of MobileNetV2, or any others: only a convolution directly before a batch norm is treated apart.

    Raises:
        ValueError: a batch norm that gathers statistics.
    """
    if isinstance(layers, InvertedResidual):
        added = run_folded(layers.conv, features)
        return features + added if layers.use_res_connect else added
    if not isinstance(layers, nn.Sequential):
        return layers(features)
    parts = list(layers)
    while parts:
        layer = parts.pop(0)
        if isinstance(layer, nn.Conv2d) and parts and isinstance(parts[0], nn.BatchNorm2d):
            features = _convolve(layer, parts.pop(0), features)
        else:
            features = run_folded(layer, features)
    return features


def _convolve(convolution: nn.Conv2d, norm: nn.Module, features: Tensor) -> Tensor:
    assert isinstance(norm, nn.BatchNorm2d)
    if norm.training or norm.running_mean is None or norm.running_var is None or convolution.bias is not None:
        raise ValueError("a batch norm that gathers statistics, or behind a bias, cannot be folded")
    gain = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    return conv2d(
        features, convolution.weight * gain.view(-1, 1, 1, 1), norm.bias - norm.running_mean * gain,
        convolution.stride, convolution.padding, convolution.dilation, convolution.groups,
    )  # fmt: skip
