"""Texel maps and unwrapping: known quads, a slow loop, and derivatives in float64."""

from __future__ import annotations

import math

import torch
from pytorch3d.transforms import so3_exp_map
from torch import Tensor

from steadyface.geometry.cameras import transform
from steadyface.geometry.texture_space import TexelMap, Unwrapped, sample_pixels, unwrap

SIZE = 12
"""Texels along a side."""
K = torch.tensor([[[40.0, 0.3, 15.0], [0.0, 42.0, 13.0], [0.0, 0.0, 1.0]]], dtype=torch.float64)
HEIGHT, WIDTH = 28, 32


def quad() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A square of 100 mm seen from the front: vertices (1, 4, 3), faces, uv, uv_faces.

    The uv corners are listed in another order than the vertices, as an OBJ file may do.
    """
    vertices = torch.tensor([[[-50.0, -50, 0], [50, -50, 0], [50, 50, 0], [-50, 50, 0]]], dtype=torch.float64)
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    uv = torch.tensor([[1.0, 1.0], [0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    return vertices, faces, uv, torch.tensor([[1, 2, 0], [1, 0, 3]])


def wavy_sheet(side: int = 6) -> tuple[Tensor, TexelMap]:
    """A curved grid of side x side vertices (1, N, 3) whose uv layout leaves a margin, and its texel map."""
    steps = torch.linspace(-1, 1, side, dtype=torch.float64)
    y, x = (axis.flatten() for axis in torch.meshgrid(steps, steps, indexing="ij"))
    vertices = torch.stack([60 * x, 60 * y, 15 * torch.cos(2 * x + y)], dim=-1)[None]
    corner = (torch.arange(side - 1)[:, None] * side + torch.arange(side - 1)).flatten()
    right, below, across = corner + 1, corner + side, corner + side + 1
    faces = torch.cat([torch.stack([corner, right, below], 1), torch.stack([right, across, below], 1)])
    uv = 0.5 + 0.42 * torch.stack([x, y], dim=-1)
    return vertices, TexelMap.from_topology(faces, uv, faces, SIZE)


def smooth_image(channels: int = 3) -> Tensor:
    """Low waves, (1, C, H, W) float64."""
    y, x = torch.meshgrid(torch.arange(HEIGHT).double(), torch.arange(WIDTH).double(), indexing="ij")
    waves = [torch.sin(0.21 * x + 0.4 * k) * torch.cos(0.17 * y - 0.3 * k) for k in range(channels)]
    return torch.stack(waves)[None]


def pose(turn: Tensor, shift: Tensor, vertices: Tensor) -> Tensor:
    """Head to camera about a fixed oblique pose; turn and shift are the so(3) and mm perturbations."""
    start = so3_exp_map(torch.tensor([[0.2, -0.35, 0.1]], dtype=torch.float64))
    return transform(vertices, so3_exp_map(turn) @ start, shift + shift.new_tensor([4.0, -3.0, 300.0]))


def still() -> tuple[Tensor, Tensor]:
    return torch.zeros(1, 3, dtype=torch.float64), torch.zeros(1, 3, dtype=torch.float64)


def test_texels_of_a_quad_lie_where_their_uv_says() -> None:
    vertices, *topology = quad()
    texel_map = TexelMap.from_topology(*topology, SIZE)
    assert texel_map.mask.shape == (1, 1, SIZE, SIZE)
    assert texel_map.mask.all()
    positions = texel_map.scatter(texel_map.sample(vertices))
    for row in range(SIZE):
        for column in range(SIZE):
            expected = torch.tensor([(column + 0.5) / SIZE, (row + 0.5) / SIZE, 0.5]) * 100 - 50
            torch.testing.assert_close(positions[0, :, row, column], expected.double(), rtol=0, atol=1e-4)


def test_texels_off_the_layout_are_off_the_mesh() -> None:
    vertices, faces, uv, uv_faces = quad()
    texel_map = TexelMap.from_topology(faces, uv * torch.tensor([0.5, 0.25]), uv_faces, 8)
    expected = torch.zeros(1, 1, 8, 8)
    expected[..., :2, :4] = 1
    assert torch.equal(texel_map.mask, expected)
    assert not texel_map.scatter(texel_map.sample(vertices))[:, :, 2:].any()


def test_a_marked_corner_comes_back_in_its_corner() -> None:
    """The first vertex, uv (0, 0), is seen at the top left of the image: row 0, column 0 of the texture."""
    vertices, *topology = quad()
    image = torch.zeros(1, 4, 40, 40, dtype=torch.float64)
    for channel, (rows, columns) in enumerate([(0, 0), (0, 20), (20, 20), (20, 0)]):
        image[0, channel, rows : rows + 20, columns : columns + 20] = 1
    intrinsics = torch.tensor([[[40.0, 0, 19.5], [0, 40, 19.5], [0, 0, 1]]], dtype=torch.float64)
    camera_frame = vertices + torch.tensor([0.0, 0, 110], dtype=torch.float64)
    texture = unwrap(image, camera_frame, intrinsics, TexelMap.from_topology(*topology, SIZE)).texture[0]
    for channel, (row, column) in enumerate([(0, 0), (0, -1), (-1, -1), (-1, 0)]):
        expected = torch.nn.functional.one_hot(torch.tensor(channel), 4).double()
        torch.testing.assert_close(texture[:, row, column], expected)


def bilinear(image: Tensor, x: float, y: float) -> Tensor:
    """(C, H, W) at one position; None of it is looked up outside the picture."""
    column, row = min(math.floor(x), image.shape[2] - 2), min(math.floor(y), image.shape[1] - 2)
    right, down = x - column, y - row
    upper = (1 - right) * image[:, row, column] + right * image[:, row, column + 1]
    lower = (1 - right) * image[:, row + 1, column] + right * image[:, row + 1, column + 1]
    return (1 - down) * upper + down * lower


def unwrap_slowly(image: Tensor, vertices: Tensor, intrinsics: Tensor, texel_map: TexelMap) -> Unwrapped:
    texture = torch.zeros(1, image.shape[1], SIZE, SIZE, dtype=image.dtype)
    in_frame = torch.zeros(1, 1, SIZE, SIZE, dtype=image.dtype)
    pixels = []
    for place, corners, weights in zip(texel_map.index, texel_map.corners, texel_map.barycentric, strict=True):
        point = sum(w * vertices[0, c] for w, c in zip(weights.double(), corners, strict=True))
        seen = intrinsics[0] @ point
        x, y = (seen[:2] / seen[2]).tolist()
        pixels.append([x, y])
        if 0 <= x <= image.shape[3] - 1 and 0 <= y <= image.shape[2] - 1:
            row, column = divmod(int(place), SIZE)
            texture[0, :, row, column] = bilinear(image[0], x, y)
            in_frame[0, :, row, column] = 1
    return Unwrapped(texture, in_frame, torch.tensor([pixels], dtype=torch.float64))


def test_unwrap_agrees_with_a_slow_loop() -> None:
    vertices, texel_map = wavy_sheet()
    camera_frame = pose(*still(), vertices)
    for shift in ((0.0, 0.0), (80.0, 0.0), (-80.0, 0.0), (0.0, 70.0), (0.0, -70.0)):  # out at each side
        moved = camera_frame + torch.tensor([*shift, 0])
        found = unwrap(smooth_image(), moved, K, texel_map)
        expected = unwrap_slowly(smooth_image(), moved, K, texel_map)
        for left, right in zip(found, expected, strict=True):
            torch.testing.assert_close(left, right, rtol=0, atol=1e-9)
        assert (found.in_frame.sum() < texel_map.mask.sum()) == any(shift)


def test_unwrap_of_a_batch_equals_its_images_one_by_one() -> None:
    vertices, texel_map = wavy_sheet()
    camera_frame = pose(*still(), torch.cat([vertices, 1.2 * vertices]))
    image = torch.cat([smooth_image(), smooth_image().flip(-1)])
    intrinsics = torch.cat([K, K * torch.tensor([1.1, 0.9, 1]).view(3, 1)])
    together = unwrap(image, camera_frame, intrinsics, texel_map)
    for index in range(2):
        part = slice(index, index + 1)
        alone = unwrap(image[part], camera_frame[part], intrinsics[part], texel_map)
        for left, right in zip(together, alone, strict=True):
            torch.testing.assert_close(left[part], right)


def test_sample_pixels_at_pixel_centres_is_the_image() -> None:
    image = smooth_image()
    y, x = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    pixels = torch.stack([x, y], dim=-1).view(1, -1, 2).double()
    torch.testing.assert_close(sample_pixels(image, pixels), image.flatten(2).transpose(1, 2))


def test_unwrap_passes_gradcheck_for_the_pose() -> None:
    vertices, texel_map = wavy_sheet()
    turn, shift = (value.requires_grad_() for value in still())

    def texture(turn: Tensor, shift: Tensor) -> Tensor:
        return unwrap(smooth_image(1), pose(turn, shift, vertices), K, texel_map).texture

    assert texture(turn, shift).abs().sum() > 1
    assert torch.autograd.gradcheck(texture, (turn, shift))


def test_unwrap_passes_gradcheck_for_the_latent_of_a_decoder() -> None:
    vertices, texel_map = wavy_sheet()
    basis = torch.randn(5, vertices.numel(), dtype=torch.float64)
    latent = torch.randn(1, 5, dtype=torch.float64, requires_grad=True)

    def texture(latent: Tensor) -> Tensor:
        decoded = vertices + torch.tanh(latent @ basis).view_as(vertices)
        return unwrap(smooth_image(2), pose(*still(), decoded), K, texel_map).texture

    assert torch.autograd.gradcheck(texture, (latent,))


def test_unwrap_passes_gradcheck_for_the_image() -> None:
    vertices, texel_map = wavy_sheet()
    image = smooth_image(1)[..., ::2, ::2].clone().requires_grad_()
    small = K * torch.tensor([0.5, 0.5, 1]).view(3, 1)
    camera_frame = pose(*still(), vertices)
    assert torch.autograd.gradcheck(lambda picture: unwrap(picture, camera_frame, small, texel_map).texture, (image,))


def test_the_gradient_finds_a_shifted_head_back() -> None:
    """What the derivatives are for: descent on the texture difference undoes a shift of the head."""
    vertices, texel_map = wavy_sheet()
    turn, shift = still()
    wanted = unwrap(smooth_image(), pose(turn, shift, vertices), K, texel_map).texture
    shift = torch.tensor([[3.0, -2.0, 6.0]], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([shift], lr=0.5, max_iter=60)

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = (unwrap(smooth_image(), pose(turn, shift, vertices), K, texel_map).texture - wanted).square().sum()
        value.backward()
        return value

    optimiser.step(loss)
    assert shift.detach().abs().max() < 0.05


def test_restrict_keeps_the_texels_of_the_mask() -> None:
    vertices, texel_map = wavy_sheet()
    mask = torch.rand(SIZE, SIZE) > 0.5
    kept = texel_map.restrict(mask)
    assert torch.equal(kept.mask, texel_map.mask * mask)
    whole = texel_map.scatter(texel_map.sample(vertices))
    assert torch.equal(kept.scatter(kept.sample(vertices)), whole * mask)
