"""Features of several depths: tapped where the paper says, still where ImageNet taught them, loaded with care."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models import mobilenet_v2, vgg16

from steadyface.errors import InputError
from steadyface.networks import imagenet
from steadyface.networks.perceptual import BACKBONES, PerceptualFeatures, pool, pooled_side

VGG_FILE = "vgg16-397923af.pth"


def test_the_taps_end_where_the_table_says() -> None:
    """Channels and strides by running the layers; VGG's levels end on a ReLU before a pooling."""
    for name, (classifier, levels) in BACKBONES.items():
        layers = classifier.build(levels.ends[-1])
        for end, channels, stride in zip(levels.ends, levels.channels, levels.strides, strict=True):
            assert layers[:end].eval()(torch.rand(1, 3, 64, 64)).shape == (1, channels, 64 // stride, 64 // stride)
            if name == "vgg16":
                assert isinstance(layers[end - 1], nn.ReLU) and end in (9, 16, 23, 30)


def test_vgg_has_torchvisions_layers_by_name() -> None:
    with torch.device("meta"):
        whole = vgg16(weights=None).features.state_dict()
    own = imagenet.vgg_layers(30).state_dict()
    assert {name: value.shape for name, value in own.items()} == {name: value.shape for name, value in whole.items()}


@pytest.mark.parametrize("backbone", list(BACKBONES))
@pytest.mark.parametrize("deepest_only", [False, True])
def test_the_size_is_what_comes_out(backbone: str, deepest_only: bool) -> None:
    for size in (48, 80):
        network = PerceptualFeatures(backbone, deepest_only, 8, size)
        assert network(torch.rand(2, 3, size, size)).shape == (2, network.size)
    assert (len(network.project) == 1) == deepest_only


def test_pooling_keeps_the_mean_and_a_grid_of_eight() -> None:
    features = torch.rand(1, 2, 32, 32)
    assert pool(features).shape == (1, 2, 8, 8) == (1, 2, pooled_side(32), pooled_side(32))
    torch.testing.assert_close(pool(features).mean(), features.mean())
    assert pool(features[..., :5, :5]).shape[-1] == pooled_side(5) == 5


def test_without_imagenet_every_level_learns_and_with_it_the_first_is_still() -> None:
    image = torch.rand(2, 3, 64, 64)
    for trained in (False, True):
        network = PerceptualFeatures("mobilenet_v2", False, 8, 64).train()
        if trained:
            network.start_from_imagenet()
        before = {name: value.clone() for name, value in network.state_dict().items()}
        network(image).sum().backward()
        assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
        assert all((part.grad is None) == trained for part in network.parts[0].parameters())
        learning = {id(part) for part in network.learning_parameters()}
        assert learning == {id(part) for part in network.parameters() if part.grad is not None}


def test_the_still_level_is_still_after_loading() -> None:
    """The file says it, not whoever builds the network."""
    network, again = (PerceptualFeatures("mobilenet_v2", True, 8, 64) for _ in range(2))
    network.start_from_imagenet()
    again.load_state_dict(network.state_dict())
    again(torch.rand(1, 3, 64, 64)).sum().backward()
    assert all(part.grad is None for part in again.parts[0].parameters())


def test_mobilenets_weights_reach_every_level() -> None:
    network = PerceptualFeatures("mobilenet_v2", False, 8, 64)
    network.start_from_imagenet()
    whole = mobilenet_v2(weights=None)
    whole.features[:18].load_state_dict(imagenet.imagenet_weights(18))
    image = torch.rand(1, 3, 64, 64)
    expected = features = image
    for part in network.parts:
        features = part(features)
    torch.testing.assert_close(features, whole.eval().features[:18](expected))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torchvision's, and no way out."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def test_without_vggs_file_it_says_how_to_get_it(cache: Path) -> None:
    network = PerceptualFeatures("vgg16", False, 8, 32)
    with pytest.raises(InputError, match=r"vgg16-397923af\.pth: .* no such file; run: python -c .*mobilenet_v2"):
        network.start_from_imagenet()
    assert list(cache.iterdir()) == []  # nothing was downloaded


def test_another_file_under_vggs_name_is_refused(cache: Path) -> None:
    torch.save({f"features.{name}": value for name, value in imagenet.vgg_layers(30).state_dict().items()},
               cache / VGG_FILE)
    with pytest.raises(InputError, match=r"the file of SHA-256 397923af"):
        PerceptualFeatures("vgg16", False, 8, 32).start_from_imagenet()


def test_vggs_file_is_used_where_its_hash_holds(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hash alone is switched off: the real file is half a gigabyte."""
    expected = imagenet.vgg_layers(30).state_dict()
    stored = {f"features.{name}": value for name, value in expected.items()} | {"classifier.0.weight": torch.ones(1)}
    torch.save(stored, cache / VGG_FILE)
    monkeypatch.setattr(imagenet, "check_hash", lambda *_: None)
    network = PerceptualFeatures("vgg16", True, 8, 32)
    network.start_from_imagenet()
    loaded = nn.Sequential(*(layer for part in network.parts for layer in part)).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in expected.items())
