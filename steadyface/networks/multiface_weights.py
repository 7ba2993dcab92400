"""The weights of the public Multiface networks in ours: which tensor is which, and what a file must hold.

Their files are state dicts of ``DeepAppearanceVAE`` or ``WarpFieldVAE``, the names often behind
``module.``. Nothing is guessed: a file holds exactly the tensors of one variant, or it is refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from steadyface.errors import InputError
from steadyface.networks.face_model import FaceModel, FaceModelSettings
from steadyface.networks.texture_blocks import TextureShape

Weights = Mapping[str, Tensor]

MODULES = {
    "warp.latent_features.": "warp.mlp.",
    "warp.enlarge.": "warp.upsample.",
    "encode_texture.": "enc.texture_encoder.downsample.",
    "texture_features.": "enc.texture_fc.",
    "mesh_features.": "enc.mesh_fc.",
    "to_posterior.": "enc.fc.",
    "view_features.": "dec.view_fc.",
    "latent_features.": "dec.z_fc.",
    "to_mesh.": "dec.mesh_fc.",
    "to_grid.": "dec.texture_fc.",
    "decode_texture.": "dec.texture_decoder.upsample.",
}
"""Our module -> theirs; of two that fit, the earlier holds."""

PARTS = {
    ".first_residual.": ".res1.",
    ".second_residual.": ".res2.",
    ".first.": ".conv1.",
    ".second.": ".conv2.",
    ".convolution.": ".deconv.",
    ".texel_bias": ".bias",
    ".gain": ".g",
}
"""Inside a module: our part -> theirs."""

CAMERAS = ("cc.weight_anchor", "cc.weight", "cc.bias_anchor", "cc.bias")
"""Gain and bias of the first camera, which are fixed, and of the others."""

IDENTITY = "warp.normal_grid"
"""Follows from the texture's size."""


class Detected(NamedTuple):
    """What a file's names and shapes say of its network."""

    settings: FaceModelSettings
    texture_size: int
    vertex_count: int
    camera_count: int


def public_name(name: str, blocks: int) -> str:
    """Our parameter's name -> theirs.

    >>> public_name("decode_texture.3.second.convolution.gain", blocks=4)
    'dec.texture_decoder.upsample.3.conv2.deconv.g'
    """
    # theirs is one sequence: blocks, the resizing, and then the layer that gives the field
    name = name.replace("warp.to_field.", f"warp.enlarge.{blocks + 1}.")
    for ours, theirs in MODULES.items():
        if name.startswith(ours):
            name = theirs + name.removeprefix(ours)
            break
    for ours, theirs in PARTS.items():
        name = name.replace(ours, theirs)
    return name


def detect(weights: Weights, variant: str | None = None) -> Detected:
    """Variant and sizes of a public network.

    Args:
        weights: its state dict, the names without ``module.``.
        variant: what it is said to be; None: found by what tells the variants apart.

    Raises:
        InputError: a tensor that says a size is missing or has another number of dimensions.
    """
    latent, _ = _shape(weights, "enc.fc.weight", 2)
    hidden, mesh_size = _shape(weights, "enc.mesh_fc.weight", 2)
    width = _shape(weights, "enc.texture_encoder.downsample.0.conv1.weight", 4)[0]
    features = _shape(weights, "enc.texture_fc.weight", 2)[1]
    cameras = _shape(weights, "cc.weight", 4)[0]
    kernel = _shape(weights, "dec.texture_decoder.upsample.0.conv1.deconv.weight", 4)[-1]
    bias = _shape(weights, "dec.texture_decoder.upsample.0.conv1.bias", 4)[-1]
    blocks = sum(name.startswith("enc.texture_encoder.downsample.") and name.endswith(".conv1.weight")
                 for name in weights)
    texture_size = math.isqrt(features // (width * 2 ** (blocks - 1))) * 4**blocks
    if texture_size < 16 or TextureShape.of(texture_size) != (texture_size // 4**blocks, blocks):
        raise InputError("enc.texture_fc.weight", f"as many columns as {blocks} blocks of textures of 1024 or 512 "
                         "texels give", str(features), "give a checkpoint of the public training")
    if variant is None:
        signs = {
            "warp": any(name.startswith("warp.") for name in weights),
            "res": any(".res1." in name for name in weights),
            "bilinear": kernel == 3,
            "non": bias == 1,
        }
        variant = next((name for name, found in signs.items() if found), "base")
    settings = FaceModelSettings(variant, latent // 2, hidden, width)
    return Detected(settings, texture_size, mesh_size // 3, cameras + 1)


def check_weights(weights: Weights, model: FaceModel, found: Detected, subject: str) -> None:
    """That a file holds the tensors of the variant, each once, of its shape, and finite.

    Args:
        model: ours, of the settings in ``found``.
        subject: the file, for the message.

    Raises:
        InputError: one, with every tensor that is missing, unknown, of another shape or not finite.
    """
    expected = {theirs: model.get_parameter(ours).shape for ours, theirs in _names(model).items()}
    for name in CAMERAS:
        rows = 1 if name.endswith("_anchor") else found.camera_count - 1
        expected[name] = torch.Size((rows, 3, 1, 1))
    if found.settings.architecture == "warp":
        expected[IDENTITY] = torch.Size((1, 2, found.texture_size, found.texture_size))
    faults = [f"{name} is missing" for name in expected if name not in weights]
    faults += [f"{name} is unknown" for name in weights if name not in expected]
    for name in expected.keys() & weights.keys():
        if weights[name].shape != expected[name]:
            faults.append(f"{name} is {_sides(weights[name].shape)} where {_sides(expected[name])} belongs")
        elif not torch.isfinite(weights[name]).all():
            faults.append(f"{name} is not finite")
    if faults:
        raise InputError(
            subject, f"the {len(expected)} tensors of a {found.settings.architecture!r} network",
            "; ".join(sorted(faults)), "give a checkpoint of the public training, or another --variant",
        )


@torch.no_grad()
def load_public(model: FaceModel, weights: Weights, cameras: Sequence[int]) -> None:
    """Give our model the weights of a public one, checked before.

    Args:
        cameras: of each of the model's cameras, which of theirs it is; a number that theirs does not
            have leaves gain 1 and bias 0.
    """
    for ours, theirs in _names(model).items():
        model.get_parameter(ours).copy_(weights[theirs])
    gain = torch.cat([weights["cc.weight_anchor"], weights["cc.weight"]]).flatten(1)
    bias = torch.cat([weights["cc.bias_anchor"], weights["cc.bias"]]).flatten(1)
    free = model.get_buffer("camera_free").fill_(True)
    for own, number in enumerate(cameras):
        if number < len(gain):
            model.camera_gain[own], model.camera_bias[own] = gain[number], bias[number]
            free[own] = number > 0


def _names(model: FaceModel) -> dict[str, str]:
    """Our parameters but the cameras' -> theirs."""
    own = [name for name, _ in model.named_parameters() if not name.startswith("camera_")]
    blocks = 1 + max(int(name.split(".")[1]) for name in own if name.startswith("encode_texture."))
    return {name: public_name(name, blocks) for name in own}


def _shape(weights: Weights, name: str, dimensions: int) -> torch.Size:
    tensor = weights.get(name)
    if tensor is None or tensor.dim() != dimensions or 0 in tensor.shape:
        got = "none" if tensor is None else f"one of {_sides(tensor.shape)}"
        raise InputError(name, f"a tensor of {dimensions} dimensions, as in a public Multiface network", got,
                         "give a checkpoint of the public training")
    return tensor.shape


def _sides(shape: torch.Size) -> str:
    return " x ".join(map(str, shape)) or "one number"
