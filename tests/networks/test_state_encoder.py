"""The state encoder: shapes, what its expression network sees, and that its answer repeats."""

from __future__ import annotations

import torch
from kornia.color import linear_rgb_to_rgb, rgb_to_linear_rgb
from torch import Tensor

from steadyface.capture.phone_augmentation import PhoneView
from steadyface.geometry.cameras import transform
from steadyface.geometry.contrast import normalise_contrast
from steadyface.geometry.texture_space import TexelMap, unwrap
from steadyface.networks.state_encoder import StateEncoder, disturb_pose

K = torch.tensor([[[130.0, 0.0, 31.5], [0.0, 130.0, 31.5], [0.0, 0.0, 1.0]]])
STRAIGHT, HERE = torch.eye(3)[None], torch.tensor([[0.0, 0.0, 520.0]])


def crops(count: int) -> Tensor:
    return torch.nn.functional.interpolate(torch.rand(count, 3, 16, 16), 64, mode="bilinear")


def turned(angle: float) -> Tensor:
    """About the vertical axis, (1, 3, 3)."""
    cosine, sine = torch.cos(torch.tensor(angle)), torch.sin(torch.tensor(angle))
    return torch.tensor([[[cosine, 0.0, sine], [0.0, 1.0, 0.0], [-sine, 0.0, cosine]]])


def test_shapes(encoder: StateEncoder) -> None:
    state = encoder(crops(3), K.expand(3, 3, 3))
    assert state.latent.shape == (3, 5) and state.rotation.shape == (3, 3, 3) and state.translation.shape == (3, 3)
    identity = torch.eye(3).expand(3, 3, 3)
    torch.testing.assert_close(state.rotation @ state.rotation.transpose(-1, -2), identity, rtol=0, atol=1e-4)


def test_the_same_crop_gives_the_same_state(encoder: StateEncoder) -> None:
    images = crops(2)
    first, second = (encoder(images, K.expand(2, 3, 3)) for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


def test_a_frame_does_not_depend_on_its_neighbours(encoder: StateEncoder) -> None:
    images = crops(3)
    texture = encoder.unwrap_mean_face(images, K.expand(3, 3, 3), STRAIGHT.expand(3, 3, 3), HERE.expand(3, 3))
    alone = encoder.unwrap_mean_face(images[1:2], K, STRAIGHT, HERE)
    torch.testing.assert_close(texture[1:2], alone)


def test_the_unwrapped_mean_face_against_unwrap(dome, encoder: StateEncoder) -> None:
    image, statistics = crops(1), dome.statistics
    seen = encoder.unwrap_mean_face(image, K, STRAIGHT, HERE)
    assert seen.shape == (1, 4, 32, 32)
    texel_map = TexelMap.from_topology(statistics.faces, statistics.uv, statistics.uv_faces, 32)
    mesh = transform(statistics.vertex_mean[None], STRAIGHT, HERE)
    expected = unwrap(rgb_to_linear_rgb(image), mesh, K, texel_map)
    mask = seen[:, 3:]
    assert set(mask.unique().tolist()) <= {0.0, 1.0} and float(mask.mean()) > 0.5
    assert float((mask * (1 - expected.in_frame)).sum()) == 0.0
    normalised = normalise_contrast(expected.texture, mask, radius=6, floor=0.01)
    torch.testing.assert_close(seen[:, :3], normalised)


def test_texels_turned_away_are_not_shown(encoder: StateEncoder) -> None:
    """Turned to one side, the far side of the face goes out of the mask, and the near side stays."""
    left, right = (
        encoder.unwrap_mean_face(crops(1), K, turned(angle), HERE)[0, 3] for angle in (-0.9, 0.9)
    )
    shares = [float(mask.mean()) for mask in (left[:, :8], left[:, -8:], right[:, :8], right[:, -8:])]
    assert max(shares[1], shares[2]) < 0.2 and min(shares[0], shares[3]) > 0.9, shares
    behind = encoder.unwrap_mean_face(crops(1), K, turned(torch.pi), HERE)
    assert float(behind[:, 3].sum()) == 0.0


def test_beyond_the_picture_is_not_shown(encoder: StateEncoder) -> None:
    aside = HERE + torch.tensor([[125.0, 0.0, 0.0]])
    mask = encoder.unwrap_mean_face(crops(1), K, STRAIGHT, aside)[0, 3]
    assert float(mask[:, :8].mean()) > 0.5 and float(mask[:, -8:].sum()) == 0.0


def test_light_is_gone_from_what_the_expression_network_sees(encoder: StateEncoder) -> None:
    linear = 0.2 + 0.3 * crops(1)
    bright, dark = (
        encoder.unwrap_mean_face(linear_rgb_to_rgb(gain * linear), K, STRAIGHT, HERE)[:, :3] for gain in (1.5, 0.75)
    )
    assert float((bright - dark).abs().mean()) < 0.1 * float(bright.abs().mean())


def test_the_latent_is_in_deviations_of_the_lab(encoder: StateEncoder) -> None:
    intrinsics = K.expand(2, 3, 3)
    arguments = (torch.randn(2, 5), crops(2), intrinsics, STRAIGHT.expand(2, 3, 3), HERE.expand(2, 3))
    plain = encoder.predict_latent(*arguments)
    encoder.latent_mean.fill_(4.0)
    encoder.latent_std.fill_(0.5)
    torch.testing.assert_close(encoder.predict_latent(*arguments), 4.0 + 0.5 * plain)


def test_the_expression_network_starts_from_what_the_points_say(encoder: StateEncoder) -> None:
    images = crops(1)
    points = encoder.head_points.solve(encoder.point_network(images), K)
    torch.testing.assert_close(encoder(images, K).latent, points.coefficients)
    torch.nn.init.ones_(encoder.expression_network.head[-1].bias)
    torch.testing.assert_close(encoder(images, K).latent, points.coefficients + 1.0)


def test_the_latent_teaches_the_points_and_the_expression_network(encoder: StateEncoder) -> None:
    encoder(crops(1), K).latent.sum().backward()
    by_point = encoder.point_network.to_heat.weight.grad.flatten(1).abs().sum(1)
    assert float(by_point.min()) > 0.0
    assert all(parameter.grad is not None for parameter in encoder.expression_network.parameters())


def true_views(count: int) -> PhoneView:
    return PhoneView(crops(count), K.expand(count, 3, 3), turned(0.3).expand(count, 3, 3), HERE.expand(count, 3))


def test_the_disturbed_pose_is_a_pose_nearby() -> None:
    view = true_views(16)
    rotation, translation = disturb_pose(view)
    identity = torch.eye(3).expand(16, 3, 3)
    torch.testing.assert_close(rotation @ rotation.transpose(-1, -2), identity, rtol=0, atol=1e-5)
    shift = (translation - view.translation).abs()
    assert 0.0 < float(shift[:, :2].max()) < 12.0 and 0.0 < float(shift[:, 2].max()) < 0.05 * 520
    assert 0.0 < float((rotation - view.rotation).flatten(1).norm(dim=-1).max()) < 0.4


def test_in_the_lab_the_texture_is_first_unwrapped_under_the_true_pose(encoder: StateEncoder) -> None:
    """The pose that is said stays the network's own; what the expression network sees does not."""
    seen: list[Tensor] = []
    encoder.expression_network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    view = true_views(3)
    early, late = (encoder.predict_in_lab(view, share) for share in (0.0, 1.0))
    assert torch.equal(early.state.rotation, late.state.rotation)
    own = encoder.unwrap_mean_face(view.image, view.intrinsics, *late.state[1:])
    true = encoder.unwrap_mean_face(view.image, view.intrinsics, view.rotation, view.translation)
    assert torch.equal(seen[1], own)
    assert float((seen[0][:, 3] - true[:, 3]).abs().mean()) < 0.1 < float((own[:, 3] - true[:, 3]).abs().mean())
