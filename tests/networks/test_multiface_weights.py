"""The released networks in ours: the same answers as the public classes gave, and files that are none.

No weights are stored: they follow from a tensor's name, by integer arithmetic. ``tensors.txt`` lists
what the public classes hold (name, shape, the cases that have it); ``answers.npz`` holds what they
answered with these weights, sampled.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from steadyface.errors import InputError
from steadyface.networks.face_model import FaceModel, Posterior
from steadyface.networks.face_models import build_face_model
from steadyface.networks.multiface_model import MultifaceModel
from steadyface.networks.multiface_weights import Detected, check_weights, detect, load_public
from steadyface.types import SubjectStatistics

FOLDER = Path(__file__).with_name("multiface")
LATENT, VERTICES, CAMERAS = 4, 20, 3
CASES = ("base", "res", "non", "bilinear", "warp", "warp_1024")
"""512 texels, or as the name says."""
CAMERA = 2
TEXELS = 7
"""Every so many-th number of a texture is stored, times itself: a line across rows, columns and colours."""


def pattern(name: str, shape: tuple[int, ...]) -> Tensor:
    """Numbers in [-0.5, 0.5) by integer arithmetic alone: the same everywhere."""
    count = int(torch.tensor(shape).prod())
    index = torch.arange(count, dtype=torch.int64)
    return ((((index * 7919 + zlib.crc32(name.encode()) + index**2 % 613) % 1009).float() / 1009) - 0.5).view(shape)


def tensor(name: str, shape: tuple[int, ...]) -> Tensor:
    """The weight of a name, of a size that keeps the signal alive through the network."""
    values = pattern(name, shape)
    if name == "warp.normal_grid":
        side = torch.linspace(-1.0, 1.0, shape[-1], dtype=torch.float64).float()
        return torch.stack([side.expand(shape[-1], -1), side.view(-1, 1).expand(-1, shape[-1])])[None]
    if name.endswith("_anchor"):
        return torch.full(shape, float("weight" in name))
    if name == "cc.weight":
        return 1.0 + 0.4 * values
    if name.endswith(".g"):
        return shape[0] ** 0.5 * (1.2 + 0.4 * values)
    if name.startswith("warp.upsample.5."):
        return 10.0 * values  # moves by several texels
    return 0.4 * values if name.endswith(".bias") else values


def table(case: str) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every tensor of a case."""
    lines = [line.split() for line in (FOLDER / "tensors.txt").read_text(encoding="ascii").splitlines()]
    return {
        name: tuple(int(side) for side in shape.split("x")) for name, shape, cases in lines if case in cases.split(",")
    }


def state_dict(case: str) -> dict[str, Tensor]:
    """The public state dict of a case."""
    return {name: tensor(name, shape) for name, shape in table(case).items()}


def texture_size(case: str) -> int:
    return int(case.partition("_")[2] or 512)


def inputs(size: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Texture (1, 3, U, U) and mesh (1, N, 3) in deviations, unit view (1, 3), and noise (1, Z)."""
    view = torch.tensor([[0.48, -0.36, -0.8]])
    return (
        4.0 * pattern("texture", (1, 3, size, size)), 4.0 * pattern("mesh", (1, VERTICES, 3)), view,
        3.0 * pattern("noise", (1, LATENT)),
    )  # fmt: skip


def sampled(texture: Tensor) -> Tensor:
    """A few hundred numbers of a texture."""
    count = int((texture.numel() - 1) ** 0.5) // TEXELS
    return texture.flatten()[(torch.arange(1, count) * TEXELS) ** 2]


def person(found: Detected) -> SubjectStatistics:
    """Statistics that are not the unit ones, so that a normalisation left out is seen."""
    faces, size = torch.zeros(1, 3, dtype=torch.long), found.texture_size
    mean = 20.0 * pattern("vertex_mean", (found.vertex_count, 3))
    texture = 0.4 + 0.2 * pattern("texture_mean", (3, size, size))
    cameras = tuple("abcdefgh"[: found.camera_count])
    return SubjectStatistics(faces, torch.zeros(3, 2), faces, mean, 2.0, texture, 0.125, faces[0], {}, cameras)


def imported(weights: dict[str, Tensor]) -> FaceModel:
    found = detect(weights)
    model = build_face_model(person(found), found.settings)
    check_weights(weights, model, found, "best_model.pth")
    load_public(model, weights, range(found.camera_count))
    return model.requires_grad_(False)


@pytest.mark.parametrize("case", CASES)
def test_the_answers_are_those_of_the_public_class(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the noise injected; in deviations, where single precision leaves about 1e-6."""
    texture, mesh, view, noise = inputs(texture_size(case))
    model = imported(state_dict(case))
    seen = torch.ones(1, 1, *texture.shape[-2:])
    posterior = model.encode(
        mesh * model.vertex_std + model.vertex_mean, texture * model.texture_std + model.texture_mean, seen
    )
    monkeypatch.setattr(torch, "randn_like", lambda like: noise)
    vertices, decoded = model.decode(posterior.sample(), view)
    decoded = model.correct_camera(decoded, torch.tensor([CAMERA]))
    decoded = (decoded - model.texture_mean) / model.texture_std
    got = {
        "mean": posterior.mean / 0.1, "log_deviation": posterior.log_variance / 0.02,
        "mesh": (vertices - model.vertex_mean) / model.vertex_std, "texture": sampled(decoded),
        "spread": torch.stack([decoded.mean(), decoded.std()]),
    }  # fmt: skip
    answers = np.load(FOLDER / "answers.npz")
    for name, value in got.items():
        expected = torch.from_numpy(answers[f"{case}.{name}"])
        assert float(expected.abs().max()) > 0.1, "an answer that says nothing"
        torch.testing.assert_close(value.flatten(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_variant_and_sizes_are_found_in_names_and_shapes(case: str) -> None:
    found = detect({name: torch.empty(shape) for name, shape in table(case).items()})
    assert found.settings.architecture == case.partition("_")[0]
    assert (found.settings.latent_size, found.settings.hidden, found.settings.texture_width) == (LATENT, 256, 16)
    assert found[1:] == (texture_size(case), VERTICES, CAMERAS)


def test_every_fault_of_a_file_is_told_at_once() -> None:
    weights = state_dict("base")
    found = detect(weights)
    model = build_face_model(person(found), found.settings)
    del weights["dec.view_fc.g"]
    weights["enc.texture_fc.bias"] = weights["enc.texture_fc.bias"][:-1]
    weights["enc.more.weight"] = torch.zeros(2)
    weights["cc.bias"][1, 0] = torch.nan
    with pytest.raises(InputError) as caught:
        check_weights(weights, model, found, "best_model.pth")
    told = str(caught.value)
    assert "best_model.pth: expected the 7" not in told and "tensors of a 'base' network" in told
    for fault in (
        "dec.view_fc.g is missing", "enc.texture_fc.bias is 255 where 256 belongs", "enc.more.weight is unknown",
        "cc.bias is not finite",
    ):  # fmt: skip
        assert fault in told


def test_a_wrong_variant_is_told_by_its_tensors() -> None:
    weights = state_dict("base")
    found = detect(weights, "res")
    model = build_face_model(person(found), found.settings)
    with pytest.raises(InputError, match=r"downsample\.0\.res1\.weight is missing.*--variant"):
        check_weights(weights, model, found, "best_model.pth")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda weights: weights.pop("enc.fc.weight"), "enc.fc.weight: expected a tensor of 2 dimensions"),
        (lambda weights: weights.update({"cc.weight": torch.zeros(2, 3)}), "cc.weight: .* got one of 2 x 3"),
        (lambda weights: weights.update({"enc.texture_fc.weight": torch.zeros(256, 5000)}), "got 5000"),
    ],
)
def test_another_networks_file_is_refused(change: Callable[[dict[str, Tensor]], object], fault: str) -> None:
    weights = state_dict("base")
    change(weights)
    with pytest.raises(InputError, match=fault):
        detect(weights)


def test_cameras_are_taken_by_their_number_in_theirs() -> None:
    weights = state_dict("base")
    found = detect(weights)
    model = build_face_model(person(found._replace(camera_count=4)), found.settings)
    assert isinstance(model, MultifaceModel)
    load_public(model, weights, [2, 0, 7, 1])  # theirs has three
    assert model.camera_free.flatten().tolist() == [True, False, True, True]
    torch.testing.assert_close(model.camera_gain[0], weights["cc.weight"][1].flatten())
    torch.testing.assert_close(model.camera_bias[3], weights["cc.bias"][0].flatten())
    assert model.camera_gain[2].tolist() == [1, 1, 1] and model.camera_bias[2].tolist() == [0, 0, 0]
    assert model.camera_gain[1].tolist() == [1, 1, 1] and model.camera_bias[1].tolist() == [0, 0, 0]


def test_the_noise_of_an_imported_posterior_is_near_one() -> None:
    model = imported(state_dict("base"))
    texture, mesh, _, _ = inputs(512)
    posterior = model.encode(mesh * 2.0, texture * 0.125, torch.ones(1, 1, 512, 512))
    assert isinstance(posterior, Posterior)
    assert float((0.5 * posterior.log_variance).exp().sub(1).abs().max()) < 0.1
