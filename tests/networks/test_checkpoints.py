"""Networks to a file and back, and files that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from steadyface.errors import InputError
from steadyface.networks.checkpoints import describe_networks, load_networks
from steadyface.networks.encoders import Encoder, build_encoder
from steadyface.networks.face_model import FaceModel
from steadyface.networks.i2znet import I2ZNet, I2ZNetSettings

K = torch.tensor([[[130.0, 0.0, 31.5], [0.0, 130.0, 31.5], [0.0, 0.0, 1.0]]])


def write(path: Path, dome, face_model: FaceModel, encoder: Encoder | None) -> Path:
    """A stage's checkpoint, as Lightning lays it out."""
    weights: dict[str, Any] = {f"face_model.{name}": value for name, value in face_model.state_dict().items()}
    if encoder is not None:
        weights |= {f"encoder.{name}": value for name, value in encoder.state_dict().items()}
        weights |= {f"learner.{name}": value + 1 for name, value in encoder.state_dict().items()}
    networks = describe_networks(dome.statistics, face_model, encoder)
    torch.save({"networks": networks, "state_dict": weights}, path)
    return path


def test_loaded_networks_answer_as_before(dome, face_model, encoder, tmp_path: Path) -> None:
    face_model.latent_mean.normal_()
    face_model.view_cosine.fill_(0.8)
    encoder.latent_std.uniform_(0.5, 2.0)
    encoder.lab_residual.copy_(torch.tensor([0.4, 0.6]))
    path = write(tmp_path / "source.ckpt", dome, face_model, encoder)
    torch.load(path, weights_only=True)  # no code in it
    statistics, loaded_model, loaded_encoder = load_networks(str(path))
    image, latent, view = torch.rand(1, 3, 64, 64), torch.randn(1, 5), torch.tensor([[0.3, 0.2, -0.9]])
    assert loaded_encoder is not None
    for before, after in zip(encoder(image, K), loaded_encoder(image, K), strict=True):
        assert torch.equal(before, after)
    for before, after in zip(face_model.decode(latent, view), loaded_model.decode(latent, view), strict=True):
        assert torch.equal(before, after)
    assert torch.equal(loaded_model.clamp_view(view), face_model.clamp_view(view))
    assert torch.equal(loaded_model.whiten(latent), face_model.whiten(latent))
    assert torch.equal(loaded_encoder.lab_residual, encoder.lab_residual)
    assert statistics.cameras == dome.statistics.cameras
    assert torch.equal(statistics.regions["lips"], dome.statistics.regions["lips"])


def test_the_file_names_the_encoder(dome, face_model, tmp_path: Path) -> None:
    settings = I2ZNetSettings(image_size=64, levels="single", stacks=1, width=8, landmarks=6, hidden=16)
    encoder = build_encoder("i2znet", dome.statistics, settings, 5)
    encoder.landmarks.random_(0, 300)
    encoder.start_from_imagenet()
    loaded = load_networks(write(tmp_path / "source.ckpt", dome, face_model, encoder))[2]
    assert isinstance(loaded, I2ZNet) and loaded.settings == settings
    assert torch.equal(loaded.landmarks, encoder.landmarks)
    image = torch.rand(1, 3, 64, 64)
    for before, after in zip(encoder(image, K), loaded(image, K), strict=True):
        assert torch.equal(before, after)


def test_a_decoder_alone_has_no_encoder(dome, face_model, tmp_path: Path) -> None:
    statistics, loaded, encoder = load_networks(write(tmp_path / "decoder.ckpt", dome, face_model, None))
    assert encoder is None and torch.equal(statistics.faces, dome.statistics.faces)
    assert torch.equal(loaded.texture_bias, face_model.texture_bias)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.ckpt"):
        load_networks(tmp_path / "nothing.ckpt")


def test_a_folder_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        load_networks(tmp_path)


def test_a_broken_file_is_refused(dome, face_model, encoder, tmp_path: Path) -> None:
    whole = write(tmp_path / "source.ckpt", dome, face_model, encoder).read_bytes()
    for name, content in {"half": whole[: len(whole) // 2], "none": b"", "text": b"not a checkpoint"}.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(InputError, match="unreadable"):
            load_networks(path)


class Foreign:
    """A class that a checkpoint of another program may hold."""


@pytest.mark.parametrize(
    "content",
    [{"state_dict": {}}, {"epoch": 1}, [1, 2], torch.zeros(2), 7],
    ids=["dict", "other", "list", "tensor", "int"],
)
def test_a_foreign_checkpoint_is_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "foreign.ckpt")
    with pytest.raises(InputError, match="another program"):
        load_networks(tmp_path / "foreign.ckpt")


def test_code_in_a_checkpoint_is_never_run(tmp_path: Path) -> None:
    torch.save({"networks": Foreign()}, tmp_path / "foreign.ckpt")
    with pytest.raises(InputError, match="unreadable"):
        load_networks(tmp_path / "foreign.ckpt")


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("state_dict"),
        lambda content: content["networks"].pop("encoder_settings"),
        lambda content: content["networks"].pop("encoder"),
        lambda content: content["networks"].update(encoder="another"),
        lambda content: content["networks"]["encoder_settings"].update(pose_layers=3),
        lambda content: content["networks"]["statistics"].pop("uv"),
        lambda content: content["state_dict"].pop("face_model.texture_bias"),
        lambda content: content["state_dict"].update({"face_model.latent_mean": torch.zeros(99)}),
        lambda content: content.update(networks=[1]),
    ],
    ids=[
        "no weights", "no settings", "no name", "other name", "other setting", "other statistics", "lost weight",
        "other size", "no mapping",
    ],
)
def test_another_versions_checkpoint_is_refused(change, dome, face_model, encoder, tmp_path: Path) -> None:
    path = write(tmp_path / "source.ckpt", dome, face_model, encoder)
    content = torch.load(path, weights_only=True)
    change(content)
    torch.save(content, path)
    with pytest.raises(InputError, match="this version of steadyface, got another version's") as caught:
        load_networks(path)
    assert "\n" not in str(caught.value)
