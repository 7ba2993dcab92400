"""The fragment rasteriser against a ray cast through every pixel at every triangle, and its corner cases."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from steadyface.geometry import rasterizer
from steadyface.geometry.rasterizer import (
    Fragments,
    depth_buffer,
    flat_nonzero,
    interpolate,
    rasterize,
    rasterize_covered,
)
from steadyface.geometry.screen_triangles import ScreenTriangles

HEIGHT, WIDTH = 19, 23
K = torch.tensor([[30.0, 0.5, 11.2], [0.0, 28.0, 8.7], [0.0, 0.0, 1.0]], dtype=torch.float64)


def random_mesh(seed: int, face_count: int = 25, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Triangles of all sizes and both orientations, some of them partly out of the picture."""
    generator = torch.Generator().manual_seed(seed)
    count = 3 * face_count
    middle = torch.rand(face_count, 1, 3, generator=generator) * torch.tensor([500.0, 420.0, 300.0])
    middle = middle - torch.tensor([250.0, 210.0, -350.0])
    spread = torch.randn(face_count, 3, 3, generator=generator) * 80
    faces = torch.randperm(count, generator=generator).view(-1, 3)
    vertices = torch.zeros(1, count, 3)
    vertices[0, faces] = middle + spread * torch.rand(face_count, 1, 1, generator=generator)
    return vertices.to(dtype), faces


def cast(vertices: Tensor, faces: Tensor, intrinsics: Tensor, height: int, width: int) -> Fragments:
    """One image by the obvious loop: intersect each pixel's ray with each triangle (Moeller-Trumbore)."""
    triangle = torch.full((1, height, width), -1)
    barycentric = torch.zeros(1, height, width, 3, dtype=torch.float64)
    depth = torch.zeros(1, height, width, dtype=torch.float64)
    inverse, corners = torch.linalg.inv(intrinsics), vertices[faces]
    one, two, three = corners.unbind(1)
    for row in range(height):
        for column in range(width):
            ray = inverse @ torch.tensor([column, row, 1.0], dtype=torch.float64)
            systems = torch.stack([one - three, two - three, -ray.expand_as(one)], dim=-1)
            hit = (torch.linalg.det(systems).abs() > 1e-9) & (corners[..., 2].amin(1) > 1)
            for index in torch.nonzero(hit).flatten().tolist():
                u, v, distance = torch.linalg.solve(systems[index], -three[index]).tolist()
                nearest = depth[0, row, column]
                nearer = nearest == 0 or distance < nearest * (1 - 1e-9)
                if min(u, v, 1 - u - v) >= -1e-9 and nearer:
                    triangle[0, row, column], depth[0, row, column] = index, distance
                    barycentric[0, row, column] = torch.tensor([u, v, 1 - u - v], dtype=torch.float64)
    return Fragments(triangle, barycentric, depth)


def rasterize_one(vertices: Tensor, faces: Tensor, height: int = HEIGHT, width: int = WIDTH) -> Fragments:
    return rasterize(vertices, faces, K.to(vertices.dtype)[None], height, width)


def assert_equal(one: Fragments, other: Fragments) -> None:
    for left, right in zip(one, other, strict=True):
        assert torch.equal(left, right)


@pytest.mark.parametrize("seed", [0, 1])
def test_agrees_with_a_ray_cast_at_every_triangle(seed: int) -> None:
    vertices, faces = random_mesh(seed)
    found, expected = rasterize_one(vertices, faces), cast(vertices[0], faces, K, HEIGHT, WIDTH)
    assert 0.2 < (expected.triangle >= 0).double().mean() < 0.95
    assert torch.equal(found.triangle, expected.triangle)
    torch.testing.assert_close(found.barycentric, expected.barycentric, rtol=0, atol=1e-9)
    torch.testing.assert_close(found.depth, expected.depth, rtol=1e-10, atol=0)


def test_float32_gives_float32_with_the_digits_of_float64() -> None:
    vertices, faces = random_mesh(2, dtype=torch.float32)
    single, double = rasterize_one(vertices, faces), rasterize_one(vertices.double(), faces)
    assert single.barycentric.dtype == single.depth.dtype == torch.float32
    same = single.triangle == double.triangle
    assert same.double().mean() > 0.99  # K is rounded to float32
    torch.testing.assert_close(single.barycentric[same].double(), double.barycentric[same], rtol=0, atol=1e-4)


def grid(tilted: bool) -> tuple[Tensor, Tensor]:
    """Squares of two triangles whose corners lie on pixel centres: every pixel is a tie."""
    rows, columns = torch.meshgrid(torch.arange(6) * 2.0, torch.arange(7) * 2.0, indexing="ij")
    pixels = torch.stack([columns, rows, torch.ones_like(rows)], dim=-1).view(-1, 3).double()
    depth = 1 / (0.002 + (pixels[:, 0] * 1e-4 - pixels[:, 1] * 7e-5 if tilted else 0 * pixels[:, 0]))
    corner = (torch.arange(5)[:, None] * 7 + torch.arange(6)).flatten()
    lower = torch.stack([corner, corner + 1, corner + 7], dim=1)
    upper = torch.stack([corner + 1, corner + 8, corner + 7], dim=1)
    faces = torch.cat([lower, upper])[torch.randperm(60, generator=torch.Generator().manual_seed(0))]
    return (pixels @ torch.linalg.inv(K).T * depth[:, None])[None], faces


@pytest.mark.parametrize("tilted", [False, True])
def test_on_shared_edges_the_lowest_index_wins(tilted: bool) -> None:
    vertices, faces = grid(tilted)
    found, expected = rasterize_one(vertices, faces, 12, 14), cast(vertices[0], faces, K, 12, 14)
    assert (found.triangle[:, :11, :13] >= 0).all()  # every pixel lies on an edge, and no edge leaks
    assert torch.equal(found.triangle, expected.triangle)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("chunk", [1, 37, 500, 1_000_000])
def test_of_coplanar_duplicates_the_lowest_index_wins(
    dtype: torch.dtype, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rasterizer, "FRAGMENTS_A_CHUNK", chunk)
    vertices, faces = random_mesh(3, dtype=dtype)
    turned = torch.cat([faces, faces.roll(1, 1), faces.flip(1)])
    assert_equal(rasterize_one(vertices, turned), rasterize_one(vertices, faces))
    first = rasterize_one(vertices, turned.flip(0)).triangle
    assert first.max() < len(faces), "the flipped list must win with its own first third"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_covered_pixels_and_the_depth_buffer_are_those_of_the_whole(dtype: torch.dtype) -> None:
    meshes = [random_mesh(seed, dtype=dtype) for seed in (7, 8)]
    vertices, faces = torch.cat([mesh[0] for mesh in meshes]), meshes[0][1]
    arguments = (vertices, faces, K.to(dtype).expand(2, 3, 3), HEIGHT, WIDTH)
    whole, covered, buffer = rasterize(*arguments), rasterize_covered(*arguments), depth_buffer(*arguments)
    assert torch.equal(covered.pixel, torch.nonzero(whole.triangle.flatten() >= 0)[:, 0])
    assert torch.equal(covered.triangle, whole.triangle.flatten()[covered.pixel])
    assert torch.equal(torch.stack(covered.barycentric, 1), whole.barycentric.view(-1, 3)[covered.pixel])
    assert torch.equal(covered.depth, whole.depth.flatten()[covered.pixel])
    assert buffer.dtype == dtype and torch.equal(buffer > 0, whole.depth > 0)
    torch.testing.assert_close(buffer, whole.depth, rtol=3e-7, atol=0)


def test_of_an_empty_picture_nothing_is_covered() -> None:
    vertices, faces = random_mesh(9)
    arguments = (-vertices, faces, K[None], HEIGHT, WIDTH)
    assert len(rasterize_covered(*arguments).pixel) == 0
    assert not depth_buffer(*arguments).any()


def test_flat_nonzero_is_nonzero() -> None:
    values = torch.tensor([0, 3, 0, -1, 2])
    assert flat_nonzero(values).tolist() == flat_nonzero(values != 0).tolist() == [1, 3, 4]
    assert len(flat_nonzero(values[:1])) == 0


@pytest.mark.parametrize("chunk", [1, 10, 333])
def test_the_chunking_changes_nothing(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    meshes = [random_mesh(seed, dtype=torch.float32) for seed in (4, 5)]
    vertices, faces = torch.cat([mesh[0] for mesh in meshes]), meshes[0][1]
    intrinsics = K.float().expand(2, 3, 3)
    whole = rasterize(vertices, faces, intrinsics, HEIGHT, WIDTH)
    monkeypatch.setattr(rasterizer, "FRAGMENTS_A_CHUNK", chunk)
    assert_equal(rasterize(vertices, faces, intrinsics, HEIGHT, WIDTH), whole)


def test_a_chunk_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    vertices, faces = random_mesh(6, face_count=200)
    listed, scatter = [], rasterizer._scatter

    def counting(keys: Tensor, triangles: ScreenTriangles, index: Tensor, *rest: int) -> None:
        listed.append(int((triangles.width * triangles.height)[index].sum()))
        scatter(keys, triangles, index, *rest)

    monkeypatch.setattr(rasterizer, "_scatter", counting)
    monkeypatch.setattr(rasterizer, "FRAGMENTS_A_CHUNK", HEIGHT * WIDTH)
    rasterize_one(vertices, faces)
    assert sum(listed) > 5 * HEIGHT * WIDTH
    assert max(listed) <= HEIGHT * WIDTH


def test_a_batch_equals_its_images_one_by_one() -> None:
    vertices = torch.cat([random_mesh(seed)[0] for seed in range(4)])
    faces = random_mesh(0)[1]
    intrinsics = K.expand(4, 3, 3) * torch.tensor([1.0, 0.9, 1.1, 1.0], dtype=torch.float64).view(4, 1, 1)
    intrinsics[:, 2, 2] = 1
    together = rasterize(vertices, faces, intrinsics, HEIGHT, WIDTH)
    for image in range(4):
        part = slice(image, image + 1)
        alone = rasterize(vertices[part], faces, intrinsics[part], HEIGHT, WIDTH)
        assert_equal(Fragments(*(values[part] for values in together)), alone)


BROKEN = {
    "behind the camera": [[0.0, 0, -400], [50, 0, -400], [0, 50, -400]],
    "across the camera": [[0.0, 0, -50], [50, 0, 400], [0, 50, 400]],
    "nearer than a millimetre": [[0.0, 0, 0.5], [5, 0, 0.5], [0, 5, 0.5]],
    "a repeated corner": [[0.0, 0, 200], [0, 0, 200], [50, 50, 200]],
    "edge-on": [[0.0, 0, 200], [0, 0, 300], [0, 0, 400]],
    "not a number": [[float("nan"), 0, 200], [50, 0, 200], [0, 50, 200]],
    "a depth that is not a number": [[0, 0, float("nan")], [50, 0, 200], [0, 50, 200]],
    "infinitely far": [[0, 0, float("inf")], [50, 0, 200], [0, 50, 200]],
    "infinitely wide": [[float("-inf"), 0, 200], [50, 0, 200], [0, 50, 200]],
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_broken_triangle_is_left_out_and_harms_no_other(name: str, dtype: torch.dtype) -> None:
    vertices, faces = random_mesh(7, dtype=dtype)
    broken = torch.tensor([BROKEN[name]], dtype=dtype)
    more = torch.cat([vertices, broken], dim=1)
    last = torch.arange(vertices.shape[1], more.shape[1])[None]
    assert_equal(rasterize_one(more, torch.cat([faces, last])), rasterize_one(vertices, faces))


def test_a_triangle_much_larger_than_the_picture_covers_it() -> None:
    vertices = torch.tensor([[[-1e6, -1e6, 300.0], [3e6, -1e6, 300.0], [-1e6, 3e6, 300.0]]])
    found = rasterize_one(vertices, torch.tensor([[0, 1, 2]]))
    assert (found.triangle == 0).all()
    torch.testing.assert_close(found.depth, torch.full((1, HEIGHT, WIDTH), 300.0))


@pytest.mark.parametrize("case", ["no faces", "out of the picture"])
def test_an_empty_picture(case: str) -> None:
    vertices, faces = random_mesh(8)
    faces = faces[:0] if case == "no faces" else faces
    found = rasterize_one(vertices + torch.tensor([5000.0, 0, 0]), faces)
    assert (found.triangle == -1).all()
    assert not found.barycentric.any() and not found.depth.any()
    if len(faces):
        assert not interpolate(found, torch.ones(len(faces), 3, 2)).any()


@pytest.mark.parametrize("shared", [True, False])
def test_interpolate_blends_the_corners(shared: bool) -> None:
    meshes = [random_mesh(seed) for seed in (9, 10)]
    vertices, faces = torch.cat([mesh[0] for mesh in meshes]), meshes[0][1]
    found = rasterize(vertices, faces, K.expand(2, 3, 3), HEIGHT, WIDTH)
    attributes = torch.randn(2, len(faces), 3, 4, dtype=torch.float64)
    blended = interpolate(found, attributes[0] if shared else attributes)
    for image, row, column in torch.nonzero(found.triangle >= -1).tolist():
        triangle = found.triangle[image, row, column]
        corners = attributes[0 if shared else image, triangle] * (triangle >= 0)
        expected = found.barycentric[image, row, column] @ corners
        torch.testing.assert_close(blended[image, row, column], expected)
    positions = interpolate(found, vertices[:, faces])
    torch.testing.assert_close(positions[..., 2], found.depth)


def test_interpolate_passes_gradcheck() -> None:
    vertices, faces = random_mesh(11, face_count=4)
    found = rasterize_one(vertices, faces, 6, 6)
    attributes = torch.randn(4, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda values: interpolate(found, values), (attributes,))


@pytest.mark.parametrize(
    ("vertices", "faces", "intrinsics"),
    [((5, 3), (2, 3), (1, 3, 3)), ((1, 5, 3), (2, 4), (1, 3, 3)), ((2, 5, 3), (2, 3), (1, 3, 3))],
)
def test_wrong_shapes_are_named(
    vertices: tuple[int, ...], faces: tuple[int, ...], intrinsics: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="must be"):
        rasterize(torch.ones(vertices), torch.zeros(faces, dtype=torch.long), torch.ones(intrinsics), 4, 4)


@pytest.mark.gpu
def test_cuda_equals_cpu() -> None:
    vertices, faces = random_mesh(12, face_count=200, dtype=torch.float32)
    here = rasterize_one(vertices, faces)
    there = rasterize(vertices.cuda(), faces.cuda(), K.float().cuda()[None], HEIGHT, WIDTH)
    assert torch.equal(there.triangle.cpu(), here.triangle)
    torch.testing.assert_close(there.barycentric.cpu(), here.barycentric, rtol=0, atol=1e-6)
