"""I2ZNet: what it joins, how its pose is placed by K, and that it learns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from pytorch3d.transforms import matrix_to_rotation_6d, so3_exp_map
from torch import Tensor

from steadyface.errors import InputError
from steadyface.geometry.cameras import crop_intrinsics, project, transform
from steadyface.geometry.crop_rays import to_crop_rays
from steadyface.geometry.rasterizer import interpolate, rasterize
from steadyface.losses.supervised import latent_error, point_error, pose_error
from steadyface.networks.i2znet import I2ZNet, I2ZNetSettings, check_i2znet
from steadyface.networks.point_network import STRIDE

SIZE = 64
SMALL = I2ZNetSettings(image_size=SIZE, stacks=1, width=8, landmarks=12, hidden=32)
FRAME = torch.tensor([[[700.0, 0.0, 319.5], [0.0, 700.0, 239.5], [0.0, 0.0, 1.0]]])
K = crop_intrinsics(FRAME, torch.tensor([[160.0, 80.0, 320.0, 320.0]]), SIZE)


def build(dome: Any, **changes: Any) -> I2ZNet:
    """With its landmarks chosen on the dome."""
    torch.manual_seed(0)
    network = I2ZNet(dome.statistics, replace(SMALL, **changes), 5)
    statistics = dome.statistics
    moving = statistics.regions["lips"]
    network.choose(statistics.vertex_mean, dome.meshes, dome.whitened, statistics.rigid_vertices, moving)
    return network


@pytest.mark.parametrize(
    "changes",
    [{}, {"levels": "single"}, {"backbone": "none"}, {"hourglass": False}, {"backbone": "vgg16"}, {"stacks": 2}],
    ids=["whole", "single", "hourglass alone", "backbone alone", "vgg16", "two stacks"],
)
def test_every_part_may_be_left_out(changes: dict[str, Any], dome: Any) -> None:
    network = build(dome, **changes)
    state, points, earlier = network.predict(torch.rand(2, 3, SIZE, SIZE), K.expand(2, 3, 3))
    assert state.latent.shape == (2, 5) and state.rotation.shape == (2, 3, 3) and state.translation.shape == (2, 3)
    assert (points is None) == (not network.settings.hourglass) == (network.landmark_vertices is None)
    assert len(earlier) == network.settings.stacks - 1
    state.latent.sum().backward()
    learned = [name for name, part in network.to_latent.named_parameters() if part.grad is not None]
    assert len(learned) == 6


def test_faults_are_named() -> None:
    faults = check_i2znet(replace(SMALL, backbone="vgg19", levels="all", landmark_share=1.0))
    assert [fault.subject.rsplit(".")[-1] for fault in faults] == ["backbone", "levels", "landmark_share"]
    assert check_i2znet(SMALL) == []


def test_nothing_to_see_with_is_refused(dome: Any) -> None:
    with pytest.raises(InputError, match=r"i2znet\.backbone, pretraining\.i2znet\.hourglass: .* got neither"):
        build(dome, backbone="none", hourglass=False)


def test_the_deepest_level_alone_is_a_smaller_network(dome: Any) -> None:
    multi, single = (build(dome, levels=levels, hourglass=False) for levels in ("multi", "single"))
    assert single.to_pose[0].in_features < multi.to_pose[0].in_features / 3


def test_untrained_it_says_a_head_in_the_middle_of_the_crop(dome: Any) -> None:
    network = build(dome)
    pose = network.place_head(torch.zeros(1, 9), K)
    pixels = project(transform(dome.statistics.vertex_mean[None], *pose), K)[0]
    assert float(pixels.min()) > 0 and float(pixels.max()) < SIZE - 1
    assert float((pixels.amax(0) - pixels.amin(0)).max()) > 0.5 * SIZE


def numbers_of(network: I2ZNet, rotation: Tensor, translation: Tensor, intrinsics: Tensor) -> Tensor:
    """What a perfect head says of poses in crops, (B, 9)."""
    pose = to_crop_rays(rotation, translation, network.anchor, intrinsics, SIZE)
    six = matrix_to_rotation_6d(pose.rotation) - torch.tensor([1.0, 0, 0, 0, 1.0, 0])
    return torch.cat([six, pose.position, pose.log_depth[:, None] - network.first_log_depth], dim=1)


def test_displaced_crops_of_a_frame_give_one_pose(dome: Any) -> None:
    """A perfect head's numbers in one crop, moved by the crop's own displacement, say the same pose in another."""
    network = build(dome)
    rotation, translation = so3_exp_map(0.3 * torch.randn(4, 3)), torch.randn(4, 3) * 30 + torch.tensor([0, 0, 600.0])
    boxes = torch.tensor([[160.0, 80.0, 320.0, 320.0], [208.0, 48.0, 320.0, 320.0], [100.0, 60.0, 400.0, 400.0]])
    crops = [crop_intrinsics(FRAME.expand(4, 3, 3), box, SIZE) for box in boxes]
    first = numbers_of(network, rotation, translation, crops[0])
    shifted, zoomed = (numbers_of(network, rotation, translation, crop) for crop in crops[1:])
    # only what the pixels show has changed: the place, and the size in the crop
    torch.testing.assert_close(shifted, first + torch.tensor([0.0] * 6 + [-0.15, 0.1, 0.0]), rtol=0, atol=1e-4)
    torch.testing.assert_close(zoomed[:, :6], first[:, :6], rtol=0, atol=1e-4)
    torch.testing.assert_close(zoomed[:, 8] - first[:, 8], torch.full((4,), 1.25).log(), rtol=0, atol=1e-4)
    for numbers, crop in zip((first, shifted, zoomed), crops, strict=True):
        again = network.place_head(numbers, crop)
        torch.testing.assert_close(again[0], rotation, rtol=0, atol=1e-4)
        torch.testing.assert_close(again[1], translation, rtol=1e-4, atol=0.05)


def test_the_latent_is_in_deviations_of_the_lab(dome: Any) -> None:
    network, image = build(dome), torch.rand(1, 3, SIZE, SIZE)
    plain = network(image, K).latent
    network.latent_mean.fill_(3.0)
    network.latent_std.fill_(0.5)
    torch.testing.assert_close(network(image, K).latent, 3.0 + 0.5 * plain)


def test_landmarks_are_spread_and_some_move(dome: Any) -> None:
    chosen = build(dome).landmark_vertices
    assert chosen is not None and len(chosen.unique()) == 12
    lips, places = set(dome.statistics.regions["lips"].tolist()), dome.statistics.vertex_mean[chosen]
    assert sum(int(vertex) in lips for vertex in chosen) == 6
    nearest = torch.cdist(places, places).fill_diagonal_(float("inf")).amin(0)
    assert float(nearest.min()) > 8.0


def rendered(dome: Any, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Views (B, 3, S, S) of the dome, coloured by place, and their poses."""
    generator = torch.Generator().manual_seed(1)
    rotation = so3_exp_map(0.25 * torch.randn(count, 3, generator=generator))
    shift = torch.randn(count, 3, generator=generator) * torch.tensor([25.0, 25.0, 40.0])
    translation = shift + torch.tensor([0.0, 0.0, 620.0])
    statistics = dome.statistics
    placed = transform(dome.meshes[:count], rotation, translation)
    fragments = rasterize(placed, statistics.faces, K.expand(count, 3, 3), SIZE, SIZE)
    place = interpolate(fragments, statistics.uv[statistics.uv_faces]).permute(0, 3, 1, 2)
    colour = 0.5 + 0.4 * torch.sin(torch.cat([9 * place, 14 * place[:, :1]], dim=1))
    return colour * (fragments.triangle >= 0).unsqueeze(1), rotation, translation


def test_it_learns_a_handful_of_views(dome: Any) -> None:
    """Landmarks, pose and latent, all three, on four rendered views."""
    network, count = build(dome).train(), 4
    image, rotation, translation = rendered(dome, count)
    intrinsics, points = K.expand(count, 3, 3), dome.statistics.vertex_mean[::9]
    truth = project(transform(dome.meshes[:count, network.landmarks], rotation, translation), intrinsics)
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3)
    history = []
    for _ in range(20):
        state, found, _ = network.predict(image, intrinsics)
        assert found is not None
        losses = torch.stack([
            pose_error(state.rotation, state.translation, rotation, translation, points, intrinsics, SIZE),
            latent_error(state.latent, dome.whitened[:count]),
            point_error(found, truth, STRIDE),
        ])  # fmt: skip
        history.append(losses.detach())
        optimizer.zero_grad()
        losses.sum().backward()
        optimizer.step()
    first, last = history[0], history[-1]
    assert (last < torch.tensor([0.35, 0.6, 0.75]) * first).all(), (first, last)
