"""I2ZNet: one image -> face state, by regression (Yoon et al. 2019, Fig. 2 and 11).

An image classifier's features of several depths are joined with those of a stacked hourglass that
was first taught to find landmarks; fully connected layers regress the latent, in deviations of the
lab, and the head pose, in the coordinates of the crop (``geometry.crop_rays``): K is never learned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from steadyface.errors import InputError
from steadyface.geometry.crop_rays import CropPose, from_crop_rays, rotation_from_numbers
from steadyface.networks.blocks import parameters_of
from steadyface.networks.encoder import Encoder, Prediction
from steadyface.networks.head_points import farthest_points
from steadyface.networks.hourglass import Seen, StackedHourglass
from steadyface.networks.perceptual import BACKBONES, PerceptualFeatures, pool, pooled_side
from steadyface.networks.point_network import STRIDE, FoundPoints
from steadyface.types import FaceState, SubjectStatistics

_POSE_NUMBERS = 9  # six of the rotation, the place in the crop, the depth


@dataclass
class I2ZNetSettings:
    """Size of I2ZNet, and what it joins."""

    image_size: int = 128  # side of the crop it sees, pixels
    backbone: str = "mobilenet_v2"  # perceptual features: vgg16, mobilenet_v2, or none
    levels: str = "multi"  # features of several depths of the backbone, or of the deepest alone: multi or single
    hourglass: bool = True  # a stacked hourglass for landmarks beside the backbone
    stacks: int = 2  # hourglasses in a row
    width: int = 32  # channels of the hourglass
    landmarks: int = 68  # points of the mesh that the hourglass finds
    hidden: int = 256  # width of the fully connected layers that regress latent and pose
    landmark_share: float = 0.25  # share of the steps that train the hourglass alone


def check_i2znet(settings: I2ZNetSettings, section: str = "pretraining.i2znet") -> list[InputError]:
    """The faults of what is joined, named under a section of the settings; sizes are the caller's to check."""
    known = {"backbone": [*BACKBONES, "none"], "levels": ["multi", "single"]}
    faults = [
        InputError(f"{section}.{name}", f"one of {', '.join(values)}", repr(getattr(settings, name)),
                   "choose one of them")
        for name, values in known.items()
        if getattr(settings, name) not in values
    ]
    if settings.backbone == "none" and not settings.hourglass:
        subject = f"{section}.backbone, {section}.hourglass"
        faults.append(InputError(subject, "a backbone, an hourglass, or both", "neither", "switch one of them on"))
    if not 0.0 <= settings.landmark_share < 1.0:
        share = str(settings.landmark_share)
        faults.append(InputError(f"{section}.landmark_share", "0 or more, below 1", share, "correct it"))
    return faults


class I2ZNet(Encoder):
    """Image and camera -> FaceState, by regression.

    Args:
        statistics: of the subject; the head's anchor and size.
        settings: sizes, and what is joined.
        latent_size: numbers in the face model's z.

    Raises:
        InputError: neither a backbone nor an hourglass, or a name that is none.
    """

    name = "i2znet"
    settings: I2ZNetSettings
    landmarks: Tensor
    anchor: Tensor
    image_mean: Tensor
    image_std: Tensor

    def __init__(self, statistics: SubjectStatistics, settings: I2ZNetSettings, latent_size: int) -> None:
        super().__init__(settings, latent_size)
        faults = check_i2znet(settings)
        if faults:
            raise faults[0]
        size, width = settings.image_size, settings.width
        self.perceptual, self.hourglass, joined = None, None, 0
        if settings.backbone != "none":
            self.perceptual = PerceptualFeatures(settings.backbone, settings.levels == "single", width, size)
            joined += self.perceptual.size
        if settings.hourglass:
            self.hourglass = StackedHourglass(size, settings.stacks, width, settings.landmarks)
            joined += width * pooled_side(size // STRIDE) ** 2 + 3 * settings.landmarks
        self.to_pose = regressor(joined, settings.hidden, _POSE_NUMBERS)
        self.to_latent = regressor(joined, settings.hidden, latent_size)
        self.register_buffer("landmarks", torch.zeros(settings.landmarks, dtype=torch.long))
        mean = statistics.vertex_mean
        # turned about the middle of the face, place and depth in the crop stay what they are
        self.register_buffer("anchor", mean.mean(0), persistent=False)
        # untrained, it says: a head that fills two thirds of the crop's side, from the front
        self.first_log_depth = math.log(1.5 * float((mean.amax(0) - mean.amin(0)).max()))
        self.register_buffer("image_mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), persistent=False)
        self.register_buffer("image_std", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1), persistent=False)

    @property
    def landmark_share(self) -> float:
        """Share of the pretraining that trains the hourglass alone."""
        return self.settings.landmark_share if self.hourglass is not None else 0.0

    @property
    def landmark_vertices(self) -> Tensor | None:
        """The vertices that the hourglass finds, (L,) long; None without one."""
        return self.landmarks if self.hourglass is not None else None

    def predict(self, image: Tensor, intrinsics: Tensor) -> Prediction:
        """As ``forward``, with the landmarks of the last hourglass, and of those before it."""
        image = self._standardise(image)
        joined, found = [], ()
        if self.perceptual is not None:
            joined.append(self.perceptual(image))
        if self.hourglass is not None:
            seen = self.hourglass(image)
            joined.append(describe_landmarks(seen, self.image_size))
            found = seen.found
        features = torch.cat(joined, dim=1)
        latent = self.latent_mean + self.latent_std * self.to_latent(features)
        rotation, translation = self.place_head(self.to_pose(features), intrinsics)
        points = found[-1] if found else None
        return Prediction(FaceState(latent, rotation, translation), points, found[:-1])

    def place_head(self, numbers: Tensor, intrinsics: Tensor) -> tuple[Tensor, Tensor]:
        """Nine regressed numbers (B, 9) and K (B, 3, 3) of the crop -> head pose (B, 3, 3), (B, 3) mm."""
        # the exponential of depth must stay finite whatever an untrained network says
        log_depth = self.first_log_depth + numbers[:, 8].clamp(-3.0, 3.0)
        pose = CropPose(rotation_from_numbers(numbers[:, :6]), numbers[:, 6:8], log_depth)
        return from_crop_rays(pose, self.anchor, intrinsics, self.image_size)

    def find_points(self, image: Tensor) -> tuple[FoundPoints, ...]:
        """The landmarks that every hourglass found, without the rest of the network."""
        return self.hourglass(self._standardise(image)).found if self.hourglass is not None else ()

    def _standardise(self, image: Tensor) -> Tensor:
        return (image - self.image_mean) / self.image_std

    def start_from_imagenet(self) -> None:
        """Load the backbone's ImageNet weights. Raises InputError where they cannot be had."""
        if self.perceptual is not None:
            self.perceptual.start_from_imagenet()

    @torch.no_grad()
    def choose(self, mean: Tensor, meshes: Tensor, whitened: Tensor, still: Tensor, moving: Tensor) -> None:
        """Pick the landmarks: far from one another, half among the vertices that move most."""
        motion = meshes[:, moving].std(0).norm(dim=-1)
        count = len(self.landmarks) // 2
        first = still[farthest_points(mean[still], len(self.landmarks) - count)]
        others = moving[farthest_points(mean[moving], count, motion)] if count else moving[:0]
        self.landmarks.copy_(torch.cat([first, others]))

    def trained_parameters(self, what: str) -> dict[str, list[nn.Parameter]]:
        """The expression's side are the layers that regress the latent; all else is the pose's."""
        if what not in {"all", "last_block", "heads"}:
            raise ValueError(f"all, last_block or heads, not {what!r}")
        first = {"heads": -1, "last_block": -3, "all": 0}[what]
        points = parameters_of(*list(self.to_pose)[first:])
        if self.hourglass is not None:
            points += parameters_of(self.hourglass) if what == "all" else self.hourglass.last_parameters(what)
        if self.perceptual is not None and what == "all":
            points += self.perceptual.learning_parameters()
        return {"points": points, "expression": parameters_of(*list(self.to_latent)[first:])}


def regressor(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Three fully connected layers, (B, inputs) -> (B, outputs), near 0 before training."""
    layers = nn.Sequential(
        nn.Linear(inputs, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, outputs)
    )
    with torch.no_grad():
        for part in layers[-1].parameters():
            part.mul_(0.1)
    return layers


def describe_landmarks(seen: Seen, image_size: int) -> Tensor:
    """An hourglass's features, pooled, with where its landmarks lie and how surely: (B, F)."""
    found = seen.found[-1]
    places = (found.pixels + 0.5) * (2.0 / image_size) - 1.0
    doubts = torch.log(found.doubt_px * (100.0 / image_size))
    return torch.cat([pool(seen.features).flatten(1), places.flatten(1), doubts], dim=1)
