"""The coverage guard: 0 where the source stands, growing as the face leaves or turns away, differentiable."""

from __future__ import annotations

import math

import pytest
import torch
from pytorch3d.transforms import so3_exp_map
from torch import Tensor

from steadyface.geometry.cameras import transform
from steadyface.geometry.texture_space import TexelMap, unwrap, visibility
from steadyface.losses.coverage import LEAST_COSINE, coverage_loss, facing_cosine
from steadyface.studio.subject import Subject

SIZE, TEXELS = 64, 32
K = torch.tensor([[[150.0, 0.0, 31.5], [0.0, 150.0, 31.5], [0.0, 0.0, 1.0]]])


@pytest.fixture(scope="module")
def head() -> tuple[Tensor, TexelMap]:
    subject = Subject(0)
    mesh = subject.vertices(torch.zeros(1, len(subject.expression_names)))
    return mesh, TexelMap.from_topology(subject.faces, subject.uv, subject.uv_faces, TEXELS)


def observe(head: tuple[Tensor, TexelMap], turn: float, shift: float) -> tuple[Tensor, Tensor, Tensor]:
    """Under a pose: places (1, 2, U, U), cosines and visibility (1, 1, U, U)."""
    mesh, texel_map = head
    placed = transform(mesh, so3_exp_map(torch.tensor([[0.0, turn, 0.0]])), torch.tensor([[shift, 0.0, 650.0]]))
    seen = unwrap(torch.zeros(1, 3, SIZE, SIZE), placed, K, texel_map)
    mask = visibility(placed, K, texel_map, SIZE, SIZE)
    return texel_map.scatter(seen.pixels), facing_cosine(placed, texel_map), mask


def guard(head: tuple[Tensor, TexelMap], turn: float, shift: float, at: tuple[float, float] = (0.0, 0.0)) -> float:
    source, _, mask = observe(head, *at)
    pixels, cosine, _ = observe(head, turn, shift)
    return float(coverage_loss(pixels, source, cosine, mask, SIZE))


@pytest.mark.parametrize("at", [(0.0, 0.0), (0.6, 40.0), (-0.4, -150.0)])
def test_nothing_is_owed_at_the_source_itself(head: tuple[Tensor, TexelMap], at: tuple[float, float]) -> None:
    """Also where the source's face lies half outside the picture."""
    assert guard(head, *at, at=at) == 0.0


def test_turning_away_costs_more_and_more(head: tuple[Tensor, TexelMap]) -> None:
    costs = [guard(head, turn, 0.0) for turn in (0.0, 0.5, 1.0, 1.6, 2.4)]
    assert costs == sorted(costs) and costs[-1] > 1.0 > costs[1]


def test_leaving_costs_more_and_more(head: tuple[Tensor, TexelMap]) -> None:
    costs = [guard(head, 0.0, shift) for shift in (0.0, 150.0, 250.0, 400.0)]
    assert costs == sorted(costs) and costs[-1] > 1.0


def test_against_a_loop() -> None:
    pixels, source = 90 * torch.rand(2, 2, 4, 4) - 20, 90 * torch.rand(2, 2, 4, 4) - 20
    cosine, mask = 2 * torch.rand(2, 1, 4, 4) - 1, (torch.rand(2, 1, 4, 4) > 0.4).float()

    def beyond(place: Tensor, b: int, y: int, x: int) -> float:
        return sum(max(0.0, -0.5 - v, v - (SIZE - 0.5)) for v in place[b, :, y, x].tolist())

    total = 0.0
    for b in range(2):
        for y in range(4):
            for x in range(4):
                if mask[b, 0, y, x]:
                    total += max(0.0, beyond(pixels, b, y, x) - beyond(source, b, y, x)) / 10.0
                    total += max(0.0, 1.0 - float(cosine[b, 0, y, x]) / LEAST_COSINE)
    found = float(coverage_loss(pixels, source, cosine, mask, SIZE))
    assert math.isclose(found, total / float(mask.sum()), rel_tol=1e-5)


def test_the_gradient_holds_through_pose_and_normals(head: tuple[Tensor, TexelMap]) -> None:
    mesh, texel_map = head
    few = torch.zeros(TEXELS, TEXELS, dtype=torch.bool)
    few.view(-1)[texel_map.index[::40]] = True
    texel_map, mesh, intrinsics = texel_map.restrict(few), mesh.double(), K.double()
    source, mask = torch.full((1, 2, TEXELS, TEXELS), 30.0).double(), few.double().view(1, 1, TEXELS, TEXELS)

    def cost(turn: Tensor, shift: Tensor) -> Tensor:
        placed = transform(mesh, so3_exp_map(turn), shift)
        seen = unwrap(torch.zeros(1, 1, SIZE, SIZE).double(), placed, intrinsics, texel_map)
        cosine = facing_cosine(placed, texel_map)
        return coverage_loss(texel_map.scatter(seen.pixels), source, cosine, mask, SIZE)

    turn = torch.tensor([[0.1, 0.7, 0.05]], dtype=torch.float64, requires_grad=True)
    shift = torch.tensor([[120.0, 30.0, 650.0]], dtype=torch.float64, requires_grad=True)
    assert float(cost(turn, shift)) > 0.1
    assert torch.autograd.gradcheck(cost, (turn, shift), atol=1e-4)


def test_the_gradient_turns_the_face_back(head: tuple[Tensor, TexelMap]) -> None:
    mesh, texel_map = head
    source, _, mask = observe(head, 0.0, 0.0)
    turn = torch.tensor([[0.0, 1.4, 0.0]], requires_grad=True)
    placed = transform(mesh, so3_exp_map(turn), torch.tensor([[0.0, 0.0, 650.0]]))
    coverage_loss(source, source, facing_cosine(placed, texel_map), mask, SIZE).backward()
    assert turn.grad is not None and float(turn.grad[0, 1]) > 0.0
