"""Features of several depths of an image classifier, side by side (Yoon et al. 2019, Fig. 2)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from steadyface.networks.blocks import FrozenBatchNorm, parameters_of
from steadyface.networks.imagenet import MOBILENET, VGG16, Classifier
from steadyface.networks.precision import in_network_precision

GRID = 8
"""Cells a side, about, of what a level hands on."""


class Levels(NamedTuple):
    """Where a backbone is tapped.

    ``ends``: the layer after which each level ends; ``channels`` and ``strides`` there; ``still``:
    levels, from the first, that keep ImageNet's weights.
    """

    ends: tuple[int, ...]
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    still: int


class Backbone(NamedTuple):
    """A classifier's layers and weights, and where it is tapped."""

    classifier: Classifier
    levels: Levels


BACKBONES = {
    # after relu2_2, relu3_3, relu4_3 and relu5_3
    "vgg16": Backbone(VGG16, Levels((9, 16, 23, 30), (128, 256, 512, 512), (2, 4, 8, 16), 1)),
    "mobilenet_v2": Backbone(MOBILENET, Levels((4, 7, 14, 18), (24, 32, 96, 320), (4, 8, 16, 32), 1)),
}
"""Name -> backbone; to add one, say how it is built and tapped."""


class PerceptualFeatures(FrozenBatchNorm):
    """Standardised crop (B, 3, S, S) -> features (B, F) of several depths of a classifier.

    The first level keeps ImageNet's weights once they are loaded: its edges and colours serve any
    face, and without their backward pass a step is much cheaper on a CPU. No batch norm
    ever gathers statistics.

    Args:
        backbone: one of ``BACKBONES``.
        deepest_only: hand on the deepest level alone.
        width: channels of what a level hands on, a multiple of 8.
        image_size: S.
    """

    first_is_still: Tensor

    def __init__(self, backbone: str, deepest_only: bool, width: int, image_size: int) -> None:
        super().__init__()
        self.classifier, levels = BACKBONES[backbone]
        layers = self.classifier.build(levels.ends[-1])
        starts = (0, *levels.ends[:-1])
        self.parts = nn.ModuleList(layers[start:end] for start, end in zip(starts, levels.ends, strict=True))
        self.first_tapped = len(self.parts) - 1 if deepest_only else 0
        tapped = levels.channels[self.first_tapped:]
        self.project = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, width, 1, bias=False), nn.GroupNorm(8, width), nn.SiLU())
            for channels in tapped
        )
        sides = [pooled_side(-(-image_size // stride)) for stride in levels.strides[self.first_tapped:]]
        self.size = width * sum(side**2 for side in sides)
        self.register_buffer("first_is_still", torch.tensor(False))
        self.train()

    def start_from_imagenet(self) -> None:
        """Load ImageNet's weights. Raises InputError where they cannot be had."""
        layers = nn.Sequential(*(layer for part in self.parts for layer in part.children()))
        layers.load_state_dict(self.classifier.weights(len(layers)))
        self.first_is_still.fill_(True)

    def learning_parameters(self) -> list[nn.Parameter]:
        """All but those that stay as they were loaded."""
        return parameters_of(*self.parts[int(self.first_is_still):], self.project)

    @in_network_precision
    def forward(self, image: Tensor) -> Tensor:
        features, seen = image, []
        for index, part in enumerate(self.parts):
            if index == 0 and self.first_is_still:
                with torch.no_grad():
                    features = part(features)
            else:
                features = part(features)
            if index >= self.first_tapped:
                projected = self.project[index - self.first_tapped](pool(features))
                seen.append(projected.flatten(1))
        return torch.cat(seen, dim=1)


def pooled_side(side: int) -> int:
    """Cells a side that ``pool`` leaves of a side."""
    return side // max(1, side // GRID)


def pool(features: Tensor) -> Tensor:
    """Average features (B, C, H, H) over equal cells, ``GRID`` a side or somewhat more."""
    # not adaptive pooling, whose gradient is not deterministic on a GPU
    return avg_pool2d(features, max(1, features.shape[-1] // GRID))
