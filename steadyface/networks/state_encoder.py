"""One image and its camera -> face state: points of the head, then the expression in texture space.

A point network finds places of the head in the crop; pose and expression, to first order, are the
ones that put the lab's linear model there (``head_points``). The expression network then sees the
crop unwrapped, under that pose, onto the mean face, and contrast-normalised: every texel is at its
place whatever the pose, and light is gone. What it says is added to the expression.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from kornia.color import rgb_to_linear_rgb
from pytorch3d.transforms import so3_exp_map
from torch import Tensor, nn

from steadyface.capture.phone_augmentation import PhoneView
from steadyface.geometry.cameras import transform
from steadyface.geometry.contrast import normalise_contrast
from steadyface.geometry.normals import vertex_normals
from steadyface.geometry.state_from_points import PointState
from steadyface.geometry.texture_space import TexelMap, unwrap
from steadyface.networks.blocks import convolution_stack, parameters_of
from steadyface.networks.encoder import Encoder, Prediction
from steadyface.networks.head_points import HeadPoints
from steadyface.networks.point_network import FoundPoints, PointNetwork
from steadyface.networks.precision import convolve
from steadyface.types import FaceState, SubjectStatistics


@dataclass
class StateEncoderSettings:
    """Size of the encoder."""

    image_size: int = 128  # side of the crop it sees, pixels
    texture_size: int = 96  # side of the unwrapped texture it sees, texels
    point_width: int = 16  # channels of the point network's first layer
    still_points: int = 32  # points of the head that hardly move
    moving_points: int = 64  # points that expressions move most
    expression_width: int = 16  # channels of the expression network's first layer
    refined: bool = False  # a second expression network, which a clip taught, adds to the first


class ExpressionNetwork(nn.Module):
    """Contrast-normalised texture with its mask (B, 4, E, E) -> latent (B, Z)."""

    def __init__(self, settings: StateEncoderSettings, latent_size: int) -> None:
        super().__init__()
        width = settings.expression_width
        self.body = convolution_stack([4, width, 2 * width, 4 * width, 4 * width], residual_from=2)
        side = settings.texture_size // 16
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(4 * width * side * side, 256), nn.SiLU(), nn.Linear(256, latent_size)
        )
        with torch.no_grad():  # it starts from what the points say
            for part in self.head[-1].parameters():
                part.zero_()

    def forward(self, texture: Tensor) -> Tensor:
        return self.head(convolve(self.body, texture))


class StateEncoder(Encoder):
    """Image and camera -> FaceState, the expression from the unwrapped texture.

    Args:
        statistics: topology and mean mesh of the subject.
        settings: sizes.
        latent_size: numbers in the face model's z.
    """

    name = "texture_space"
    mean_mesh: Tensor
    mean_normals: Tensor

    def __init__(self, statistics: SubjectStatistics, settings: StateEncoderSettings, latent_size: int) -> None:
        super().__init__(settings, latent_size)
        count = settings.still_points + settings.moving_points
        self.point_network = PointNetwork(settings.point_width, count)
        self.head_points = HeadPoints(settings.still_points, settings.moving_points, latent_size)
        self.expression_network = ExpressionNetwork(settings, latent_size)
        self.refinement = ExpressionNetwork(settings, latent_size) if settings.refined else None
        self.register_buffer("mean_mesh", statistics.vertex_mean.clone(), persistent=False)
        normals = vertex_normals(statistics.vertex_mean[None], statistics.faces)[0]
        self.register_buffer("mean_normals", normals, persistent=False)
        self._texel_map = TexelMap.from_topology(
            statistics.faces, statistics.uv, statistics.uv_faces, settings.texture_size
        )

    def predict(self, image: Tensor, intrinsics: Tensor) -> Prediction:
        """As ``forward``, with the points that the state was solved from."""
        return self._predict(image, intrinsics, self.refinement)

    def predict_unrefined(self, image: Tensor, intrinsics: Tensor) -> Prediction:
        """What it said before its refinement learned anything."""
        return self._predict(image, intrinsics, None)

    def _predict(self, image: Tensor, intrinsics: Tensor, refinement: nn.Module | None) -> Prediction:
        found = self.point_network(image)
        first = self.head_points.solve(found, intrinsics)
        latent = self.predict_latent(
            first.coefficients, image, intrinsics, first.rotation.detach(), first.translation.detach(), refinement
        )
        return Prediction(FaceState(latent, first.rotation, first.translation), found)

    def solve_points(self, image: Tensor, intrinsics: Tensor) -> PointState:
        """The state that fits the points found in B crops."""
        return self.head_points.solve(self.point_network(image), intrinsics)

    def predict_in_lab(self, view: PhoneView, own_share: float) -> Prediction:
        """The texture is unwrapped under the own pose in a share of the views, else under the true one, disturbed."""
        found = self.point_network(view.image)
        first = self.head_points.solve(found, view.intrinsics)
        own = torch.rand(len(first.rotation), 1, device=view.image.device) < own_share
        shaken_rotation, shaken_translation = disturb_pose(view)
        rotation = torch.where(own.unsqueeze(-1), first.rotation.detach(), shaken_rotation)
        translation = torch.where(own, first.translation.detach(), shaken_translation)
        latent = self.predict_latent(
            first.coefficients, view.image, view.intrinsics, rotation, translation, self.refinement
        )
        return Prediction(FaceState(latent, first.rotation, first.translation), found)

    def find_points(self, image: Tensor) -> tuple[FoundPoints, ...]:
        """The points behind pose and expression."""
        return (self.point_network(image),)

    @property
    def landmark_vertices(self) -> Tensor:
        """The vertices behind pose and expression, (L,) long."""
        return self.head_points.vertices

    def trained_parameters(self, what: str) -> dict[str, list[nn.Parameter]]:
        """The layers that never learn, and the prior's weight, are in none of the groups."""
        points, head = self.point_network, self.expression_network.head
        if what == "heads":
            return {"points": parameters_of(points.to_heat, points.to_doubt), "expression": parameters_of(head[-1])}
        if what == "last_block":
            last = parameters_of(points.refine, points.to_heat, points.to_doubt)
            return {"points": last, "expression": parameters_of(head)}
        if what == "all":
            return {"points": points.learning_parameters(), "expression": parameters_of(self.expression_network)}
        raise ValueError(f"all, last_block or heads, not {what!r}")

    def start_from_imagenet(self) -> None:
        """Load the ImageNet weights of the point network's way down."""
        self.point_network.start_from_imagenet()

    def add_refinement(self) -> None:
        """A second expression network beside the first, which says nothing yet.

        The first has learned for so long that it learns little more (loss of plasticity; Ash and Adams 2020).
        Weights are drawn from torch's global generator; a refined encoder stays as it is.
        """
        if self.refinement is None:
            self.settings = replace(self.settings, refined=True)
            self.refinement = ExpressionNetwork(self.settings, len(self.latent_mean)).to(self.latent_mean.device)

    def renew_expression(self) -> None:
        """A new expression network for the old one, which says nothing yet. Draws from torch's global generator."""
        fresh = ExpressionNetwork(self.settings, len(self.latent_mean))
        self.expression_network.load_state_dict(fresh.state_dict())

    def choose(self, mean: Tensor, meshes: Tensor, whitened: Tensor, still: Tensor, moving: Tensor) -> None:
        """Pick the points and fit the linear model that ties them together."""
        self.head_points.choose(mean, meshes, whitened, still, moving)

    def predict_latent(
        self, coefficients: Tensor, image: Tensor, intrinsics: Tensor, rotation: Tensor, translation: Tensor,
        refinement: nn.Module | None = None,
    ) -> Tensor:
        """What the points say (B, Z), in deviations of the lab, and what the crop's texture adds under a
        head pose -> latent (B, Z)."""
        texture = self.unwrap_mean_face(image, intrinsics, rotation, translation)
        expression = coefficients + self.expression_network(texture)
        if refinement is not None:
            expression = expression + refinement(texture)
        return self.latent_mean + self.latent_std * expression

    def unwrap_mean_face(self, image: Tensor, intrinsics: Tensor, rotation: Tensor, translation: Tensor) -> Tensor:
        """What the expression network sees: (B, 4, E, E), normalised colours and the mask of front texels."""
        if self._texel_map.corners.device != image.device:
            self._texel_map = self._texel_map.to(image.device)
        count = len(image)
        vertices = transform(self.mean_mesh.expand(count, -1, -1), rotation, translation)
        seen = unwrap(rgb_to_linear_rgb(image), vertices, intrinsics, self._texel_map)
        normals = self.mean_normals.expand(count, -1, -1) @ rotation.transpose(-1, -2)
        towards = -nn.functional.normalize(vertices, dim=-1)
        facing = (normals * towards).sum(-1, keepdim=True)
        front = self._texel_map.scatter((self._texel_map.sample(facing) > 0.2).to(image.dtype))
        mask = front * seen.in_frame
        return torch.cat([normalise_contrast(seen.texture, mask, radius=6, floor=0.01), mask], dim=1)


def disturb_pose(view: PhoneView) -> tuple[Tensor, Tensor]:
    """The true pose with about 2 degrees, 1 % of depth and 1 % of the crop of noise: (B, 3, 3), (B, 3)."""
    count, device = len(view.rotation), view.rotation.device
    turn = so3_exp_map(0.035 * torch.randn(count, 3, device=device))
    depth = view.translation[:, 2:]
    lateral_mm = 0.01 * view.image.shape[-1] * depth / view.intrinsics[:, 0, 0].unsqueeze(1)
    noise = torch.randn(count, 3, device=device)
    shift = torch.cat([noise[:, :2] * lateral_mm, noise[:, 2:] * 0.01 * depth], dim=-1)
    return view.rotation @ turn, view.translation + shift
