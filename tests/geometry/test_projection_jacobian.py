"""The closed form against automatic differentiation of the obvious projection."""

from __future__ import annotations

import torch
from pytorch3d.transforms import so3_exp_map

from steadyface.geometry.cameras import project, transform
from steadyface.geometry.projection_jacobian import move_pose, projection_jacobian

K = torch.tensor([[[300.0, 2.0, 64.0], [0.0, 310.0, 60.0], [0.0, 0.0, 1.0]]]).double()


def test_it_is_the_derivative_of_the_projection_under_a_moved_pose_and_shape() -> None:
    count, points, size = 2, 5, 3
    mean, basis = 60 * torch.randn(points, 3).double(), 4 * torch.randn(points, 3, size).double()
    rotation = so3_exp_map(0.3 * torch.randn(count, 3).double())
    translation = torch.tensor([[10.0, -20.0, 500.0], [0.0, 5.0, 650.0]]).double()
    intrinsics = K.expand(count, 3, 3)

    def pixels(change: torch.Tensor) -> torch.Tensor:
        turn, shift = move_pose(rotation, translation, change[:, :6])
        shape = mean + torch.einsum("kiz,bz->bki", basis, change[:, 6:])
        return project(transform(shape, turn, shift), intrinsics)

    nothing = torch.full((count, 6 + size), 1e-9).double()  # so3_exp_map has no derivative at 0 itself
    whole = torch.autograd.functional.jacobian(pixels, nothing)
    expected = torch.stack([whole[b, :, :, b] for b in range(count)])
    placed = transform(mean.expand(count, -1, -1), rotation, translation)
    found = projection_jacobian(placed, intrinsics, rotation, translation, basis)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_gradients_flow_through_it() -> None:
    rotation = so3_exp_map(torch.tensor([[0.1, -0.2, 0.3]]).double())
    translation = torch.tensor([[3.0, -4.0, 60.0]]).double()
    placed = torch.tensor([[[1.0, 2.0, 60.0], [-4.0, 1.0, 55.0]]]).double().requires_grad_()
    basis = torch.randn(2, 3, 2).double().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda p, b: projection_jacobian(p, K, rotation, translation, b) / 100, (placed, basis)
    )
