"""What covers the face: correlation against a slow loop, and the share of a face that something was put over."""

from __future__ import annotations

import torch
from kornia.color import linear_rgb_to_rgb
from torch import Tensor
from torch.nn.functional import grid_sample

from steadyface.geometry import rasterizer
from steadyface.geometry.cameras import transform, view_direction
from steadyface.tracking.occlusion import local_correlation, unexplained_share
from steadyface.types import FaceState

SIZE = 160
K = torch.tensor([[[380.0, 0.0, 79.5], [0.0, 380.0, 79.5], [0.0, 0.0, 1.0]]])
FRONT = FaceState(torch.zeros(1, 4), torch.eye(3)[None], torch.tensor([[0.0, 0.0, 700.0]]))


def slow_correlation(seen: Tensor, expected: Tensor, mask: Tensor, radius: int, row: int, column: int) -> float:
    """At one texel; means of each texture are taken around each texel, as contrast is."""
    size = mask.shape[-1]

    def centred(texture: Tensor, r: int, c: int) -> Tensor:
        rows, columns = slice(max(r - radius, 0), r + radius + 1), slice(max(c - radius, 0), c + radius + 1)
        weight = mask[0, 0, rows, columns]
        return texture[0, :, r, c] - (texture[0, :, rows, columns] * weight).sum((1, 2)) / weight.sum()

    both = one = other = count = 0.0
    for r in range(max(row - radius, 0), min(row + radius + 1, size)):
        for c in range(max(column - radius, 0), min(column + radius + 1, size)):
            if mask[0, 0, r, c]:
                a, b = centred(seen, r, c), centred(expected, r, c)
                both, one, other = both + float(a @ b), one + float(a @ a), other + float(b @ b)
                count += 1
    return (both / count) / ((one / count + 1e-4) * (other / count + 1e-4)) ** 0.5


def test_correlation_against_a_slow_loop() -> None:
    seen, expected = torch.rand(2, 1, 3, 9, 9).unbind(0)
    mask = (torch.rand(1, 1, 9, 9) > 0.3).float()
    mask[0, 0, 4, 4] = mask[0, 0, 0, 8] = 1
    found, _ = local_correlation(seen, expected, mask, 2)
    for row, column in ((4, 4), (0, 8)):
        assert abs(float(found[0, 0, row, column]) - slow_correlation(seen, expected, mask, 2, row, column)) < 1e-4


def test_light_and_contrast_are_no_difference() -> None:
    texture, mask = torch.rand(1, 3, 16, 16), torch.ones(1, 1, 16, 16)
    same, deviation = local_correlation(0.5 * texture + 0.2, texture, mask, 3)
    assert float(same.min()) > 0.98 and float(deviation.min()) > 0.1
    assert float(local_correlation(1 - texture, texture, mask, 3)[0].max()) < -0.98


def picture(tracked) -> Tensor:
    """The model's own textured mesh, unlit, (1, 3, S, S) sRGB."""
    statistics = tracked.statistics
    view = tracked.face_model.clamp_view(view_direction(FRONT.rotation, FRONT.translation))
    vertices, texture = tracked.face_model.decode(FRONT.latent, view)
    placed = transform(vertices, FRONT.rotation, FRONT.translation)
    fragments = rasterizer.rasterize(placed, statistics.faces, K, SIZE, SIZE)
    place = rasterizer.interpolate(fragments, statistics.uv[statistics.uv_faces])
    return linear_rgb_to_rgb(grid_sample(texture.clamp(0, 1), place * 2 - 1, align_corners=False))


def test_a_flat_cover_over_half_the_face(tracked) -> None:
    own = picture(tracked)
    covered = own.clone()
    covered[..., : SIZE // 2] = 0.6

    def share(image: Tensor) -> float:
        return float(unexplained_share(tracked.face_model, tracked.statistics, image, K, FRONT))

    assert share(own) < 0.1
    assert 0.3 < share(covered) < 0.7
