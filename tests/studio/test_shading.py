"""The renderer's coverage, placement and colour."""

from __future__ import annotations

import torch
from torch import Tensor

from steadyface.geometry.cameras import transform
from steadyface.geometry.rasterizer import rasterize
from steadyface.geometry.texture_space import TexelMap, visibility
from steadyface.studio.lighting import Surface
from steadyface.studio.motion import rotation_from_angles
from steadyface.studio.scene import Scene
from steadyface.studio.shading import HeadRenderer, Layer, near_border

INTRINSICS = torch.tensor([[100.0, 0.0, 31.5], [0.0, 100.0, 23.5], [0.0, 0.0, 1.0]])


class FlatLight:
    """Shows the albedo as it is."""

    def key_share(self, vertices: Tensor, normals: Tensor, faces: Tensor) -> Tensor:
        return torch.ones_like(vertices[:, :1])

    def shade(self, surface: Surface) -> Tensor:
        return surface.albedo


def square(left: float, right: float) -> tuple[Tensor, Tensor]:
    """A square at depth 100 mm, so that a millimetre is a pixel."""
    corners = torch.tensor([[left, left, 100.0], [right, left, 100.0], [left, right, 100.0], [right, right, 100.0]])
    return corners, torch.tensor([[0, 2, 1], [1, 2, 3]])


def test_coverage_is_the_area_and_the_texture_lies_right() -> None:
    vertices, faces = square(-5.25, 6.0)
    uv = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    renderer = HeadRenderer(faces, uv, faces, torch.ones(4))
    texture = torch.zeros(4, 8, 8)
    texture[0, :, 4:], texture[1, 4:, :] = 1.0, 1.0  # red to the right, green below
    layer = renderer.render(vertices, -vertices, INTRINSICS, 48, 64, texture, FlatLight())
    picture = layer.over(torch.zeros(48, 64, 3))
    assert abs(float(layer.coverage.sum()) ** 0.5 - 11.25) <= 0.5  # two samples along a pixel
    assert picture[20, 36].tolist() == [1.0, 0.0, 0.0]
    assert picture[27, 27].tolist() == [0.0, 1.0, 0.0]
    row, column = torch.nonzero(picture.sum(2) > 0).double().mean(0)
    assert abs(float(column) - (31.5 + 0.375)) < 1.0 and abs(float(row) - (23.5 + 0.375)) < 1.0


def test_over_clips_to_the_picture() -> None:
    layer = Layer(torch.ones(4, 4, 3), torch.ones(4, 4, 1), left=-2, top=6)
    picture = layer.over(torch.zeros(8, 8, 3))
    assert picture.sum() == 3 * 2 * 2
    assert picture[6:, :2].min() == 1.0
    assert Layer(torch.ones(2, 2, 3), torch.ones(2, 2, 1), left=20, top=0).over(picture).equal(picture)


def test_sparing_unseen_triangles_changes_no_pixel(scene: Scene) -> None:
    weights = torch.zeros(1, len(scene.subject.expression_names))
    weights[0, list(scene.subject.expression_names).index("jawOpen")] = 0.9
    vertices = scene.subject.vertices(weights)
    for yaw, pitch in ((0.0, 0.0), (0.6, 0.3), (-0.9, -0.4)):
        angles = torch.tensor([[yaw], [pitch], [0.1]], dtype=torch.float64).numpy()
        rotation = torch.from_numpy(rotation_from_angles(*angles)).float()
        placed = transform(vertices, rotation, torch.tensor([[0.0, 0.0, 800.0]]))
        intrinsics = torch.tensor([[300.0, 0.0, 59.5], [0.0, 300.0, 59.5], [0.0, 0.0, 1.0]])
        texture = torch.ones(4, 8, 8)
        layer = scene.renderer.render(placed[0], scene.normals(placed[0]), intrinsics, 120, 120, texture, FlatLight())
        coverage = torch.zeros(120, 120)
        rows, columns = layer.coverage.shape[:2]
        coverage[layer.top : layer.top + rows, layer.left : layer.left + columns] = layer.coverage[..., 0]
        whole = rasterize(placed, scene.subject.faces, intrinsics[None], 120, 120).triangle[0] >= 0
        assert int((coverage[whole] < 0.2).sum()) <= 2
        assert int((coverage[~whole] > 0.8).sum()) <= 2


def test_sparing_unseen_triangles_changes_no_visible_texel(scene: Scene) -> None:
    """The depth buffer without them hides the same texels: mouth open, eyes half closed, from several sides."""
    subject, names = scene.subject, list(scene.subject.expression_names)
    weights = torch.zeros(1, len(names))
    for name in ("jawOpen", "eyeBlinkLeft"):
        weights[0, names.index(name)] = 0.6
    texels = TexelMap.from_topology(subject.faces, subject.uv, subject.uv_faces, 64)
    intrinsics = torch.tensor([[300.0, 0.0, 59.5], [0.0, 300.0, 59.5], [0.0, 0.0, 1.0]])
    for yaw, pitch in ((0.0, 0.0), (0.7, 0.3), (-1.0, -0.4)):
        angles = torch.tensor([[yaw], [pitch], [0.0]], dtype=torch.float64).numpy()
        rotation = torch.from_numpy(rotation_from_angles(*angles)).float()
        placed = transform(subject.vertices(weights), rotation, torch.tensor([[0.0, 0.0, 800.0]]))
        buffer = scene.renderer.depth(placed[0], intrinsics, 120, 120)[None]
        whole = visibility(placed, intrinsics[None], texels, 120, 120)
        assert whole.sum() > 500
        assert torch.equal(visibility(placed, intrinsics[None], texels, 120, 120, buffer=buffer), whole)


def test_near_border_grows_ring_by_ring() -> None:
    side = 21
    first = (torch.arange(side - 1)[:, None] * side + torch.arange(side - 1)).flatten()
    upper = torch.stack([first, first + 1, first + side], dim=1)
    lower = torch.stack([first + 1, first + side + 1, first + side], dim=1)
    faces = torch.cat([upper, lower])
    reached = near_border(faces, side * side, rings=2)
    middle = (faces // side - 10).abs().amax(1).maximum((faces % side - 10).abs().amax(1)) <= 5
    assert not reached[middle].any()
    assert near_border(faces, side * side, rings=12).all()
