"""The texture residual: near zero for the model's own picture, about 1.1 for noise, nan for nothing."""

from __future__ import annotations

import torch
from kornia.color import linear_rgb_to_rgb
from torch import Tensor
from torch.nn.functional import grid_sample

from steadyface.geometry import rasterizer
from steadyface.geometry.cameras import transform, view_direction
from steadyface.tracking.residual import texel_map_of, texture_residuals
from steadyface.types import FaceState

SIZE = 160
K = torch.tensor([[[380.0, 0.0, 79.5], [0.0, 380.0, 79.5], [0.0, 0.0, 1.0]]])


def front(count: int = 1) -> FaceState:
    return FaceState(torch.zeros(count, 4), torch.eye(3).expand(count, 3, 3), torch.tensor([[0.0, 0, 700]] * count))


def picture(tracked) -> Tensor:
    """The model's own textured mesh, unlit, (1, 3, S, S) sRGB."""
    state, statistics = front(), tracked.statistics
    view = tracked.face_model.clamp_view(view_direction(state.rotation, state.translation))
    vertices, texture = tracked.face_model.decode(state.latent, view)
    placed = transform(vertices, state.rotation, state.translation)
    fragments = rasterizer.rasterize(placed, statistics.faces, K, SIZE, SIZE)
    place = rasterizer.interpolate(fragments, statistics.uv[statistics.uv_faces])
    return linear_rgb_to_rgb(grid_sample(texture.clamp(0, 1), place * 2 - 1, align_corners=False))


def residual(tracked, image: Tensor, state: FaceState) -> Tensor:
    count = len(image)
    return texture_residuals(tracked.face_model, tracked.statistics, image, K.expand(count, 3, 3), state)


def test_the_own_picture_leaves_little_and_a_foreign_one_much(tracked) -> None:
    own = picture(tracked)
    found = residual(tracked, torch.cat([own, torch.rand_like(own)]), front(2))
    assert found.shape == (2,)
    assert float(found[0]) < 0.5 and 0.8 < float(found[1]) < 1.4


def test_light_is_no_doubt(tracked) -> None:
    own = picture(tracked)
    darker = residual(tracked, 0.8 * own, front())
    assert abs(float(darker) - float(residual(tracked, own, front()))) < 0.1


def test_a_wrong_pose_leaves_more(tracked) -> None:
    own, state = picture(tracked), front()
    aside = state._replace(translation=state.translation + torch.tensor([12.0, 0.0, 0.0]))
    assert float(residual(tracked, own, aside)) > 1.3 * float(residual(tracked, own, state))


def test_nothing_in_the_picture_is_nan(tracked) -> None:
    state = front(2)
    gone = state._replace(translation=torch.tensor([[0.0, 0.0, 700.0], [2000.0, 0.0, 700.0]]))
    found = residual(tracked, torch.rand(2, 3, SIZE, SIZE), gone)
    assert torch.isfinite(found[0]) and torch.isnan(found[1])


def test_the_texel_map_is_made_once_a_model(tracked) -> None:
    first = texel_map_of(tracked.face_model, tracked.statistics)
    residual(tracked, picture(tracked), front())
    assert texel_map_of(tracked.face_model, tracked.statistics) is first
    assert first.size == tracked.statistics.texture_size and torch.equal(first.faces, tracked.statistics.faces)
