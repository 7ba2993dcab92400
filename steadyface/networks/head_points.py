"""The points that the encoder looks for, and the state that follows from where it finds them.

Half of what they are for is the pose, half the expression: some hardly move with expressions, the
others move most. A linear model of the lab's meshes ties them together.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from steadyface.geometry.normal_equations import solve_normal_equations
from steadyface.geometry.pose_from_points import solve_pose
from steadyface.geometry.state_from_points import PointModel, PointState, solve_state
from steadyface.networks.point_network import FoundPoints

_RIDGE = 1e-3  # of the linear model's fit: coefficients have a variance of 1

_PRIOR = 2.0
"""Logarithm of the prior's weight before training. Well above 0: the errors of neighbouring points
are alike, so that all of them together say less than as many doubts would."""


class HeadPoints(nn.Module):
    """Places on the model, chosen once from the lab, then fixed.

    Args:
        still: number of points that hardly move.
        moving: number of points that move.
        latent_size: numbers in the face model's z.
    """

    vertices: Tensor
    mean: Tensor
    basis: Tensor

    def __init__(self, still: int, moving: int, latent_size: int) -> None:
        super().__init__()
        self.still_count = still
        count = still + moving
        self.register_buffer("vertices", torch.zeros(count, dtype=torch.long))
        # head frame, mm; the basis in mm a deviation of the lab's latent
        self.register_buffer("mean", torch.zeros(count, 3))
        self.register_buffer("basis", torch.zeros(count, 3, latent_size))
        self.prior_log_weight = nn.Parameter(torch.tensor(_PRIOR))

    @torch.no_grad()
    def choose(self, mean: Tensor, meshes: Tensor, whitened: Tensor, still: Tensor, moving: Tensor) -> None:
        """Pick the points and fit the linear model.

        Args:
            mean: (N, 3) mm, the mean mesh.
            meshes: (F, N, 3) mm, canonical, of the lab.
            whitened: (F, Z), the same frames' latents, of mean 0 and variance 1.
            still, moving: indices of the candidates of either kind.
        """
        motion = meshes[:, moving].std(0).norm(dim=-1)
        first = still[farthest_points(mean[still], self.still_count)]
        others = moving[farthest_points(mean[moving], len(self.vertices) - self.still_count, motion)]
        self.vertices.copy_(torch.cat([first, others]))
        places = meshes[:, self.vertices].flatten(1)
        terms = torch.cat([whitened, whitened.new_ones(len(whitened), 1)], dim=1)
        normal = terms.t() @ terms + _RIDGE * torch.eye(terms.shape[1], device=terms.device)
        fitted = solve_normal_equations(normal, terms.t() @ places)
        self.mean.copy_(fitted[-1].view(-1, 3))
        self.basis.copy_(fitted[:-1].t().reshape(len(self.vertices), 3, -1))

    def solve(self, found: FoundPoints, intrinsics: Tensor) -> PointState:
        """Pose, and expression in deviations of the lab's latent, of the points found in B crops."""
        # a doubt weighs, but the state must not teach the network to doubt
        weights = found.doubt_px.detach().reciprocal().square()
        still = self.still_count
        with torch.no_grad():
            pose = solve_pose(self.mean[:still], found.pixels[:, :still], weights[:, :still], intrinsics)
        start = PointState(found.pixels.new_zeros(len(weights), self.basis.shape[-1]), *pose)
        model = PointModel(self.mean, self.basis)
        return solve_state(model, found.pixels, weights, intrinsics, self.prior_log_weight.exp(), start)


def farthest_points(points: Tensor, count: int, importance: Tensor | None = None) -> Tensor:
    """Indices of ``count`` points, each the farthest from those before, times its importance.

    The first is the nearest to the viewer. Shapes: points (N, 3), N >= count; importance (N,), 1
    where not given -> (count,) long. The same points give the same choice.
    """
    chosen = [int(points[:, 2].argmin())]
    scale = torch.ones(len(points), device=points.device) if importance is None else importance
    nearest = (points - points[chosen[0]]).norm(dim=-1)
    while len(chosen) < count:
        chosen.append(int((nearest * scale).argmax()))
        nearest = nearest.minimum((points - points[chosen[-1]]).norm(dim=-1))
    return torch.tensor(chosen, device=points.device)
