"""What turns a lab view into something a phone might have taken: another background, another camera.

The head, in a lab lit evenly from all around, is relit by the normals of its tracked mesh: a
coloured key light and ambient light, without cast shadows. It is cut out by the mesh's silhouette
and set before a random background;
a virtual camera rolls, shifts and scales the crop, and K and pose follow exactly; then colour,
gamma, blur and noise (kornia), in the order in which a phone applies them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import kornia.augmentation as augmentation
import torch
from kornia.color import linear_rgb_to_rgb
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample, interpolate

from steadyface.types import LabBatch


class PhoneView(NamedTuple):
    """An augmented lab view: image (B, 3, S, S) sRGB; intrinsics (B, 3, 3), rotation (B, 3, 3) and
    translation (B, 3) mm of the virtual camera that took it."""

    image: Tensor
    intrinsics: Tensor
    rotation: Tensor
    translation: Tensor


class PhoneAugmentation(nn.Module):
    """Lab batch -> phone-like views of ``image_size`` pixels. Draws from torch's global generator.

    Args:
        image_size: side of the views, pixels.
        relit: share of the views that get a key light.
    """

    def __init__(self, image_size: int, relit: float = 0.0) -> None:
        super().__init__()
        self.image_size, self.relit = image_size, relit
        self.colour = nn.Sequential(
            augmentation.RandomContrast((0.75, 1.3), p=0.9),
            augmentation.RandomSaturation((0.7, 1.3), p=0.5),
            augmentation.RandomGamma((0.75, 1.4), (0.95, 1.05), p=0.8),
        )
        self.blur = nn.Sequential(
            augmentation.RandomGaussianBlur((5, 5), (0.3, 1.2), p=0.5),
            augmentation.RandomMotionBlur(5, 180.0, 0.0, p=0.3),
        )
        self.noise = augmentation.RandomGaussianNoise(0.0, 0.02, p=0.7)

    @torch.no_grad()
    def forward(self, batch: LabBatch) -> PhoneView:
        """One random phone view of each lab view."""
        count, device = len(batch.image), batch.image.device
        to_crop, roll = self._virtual_camera(count, batch.image.shape[-1], device)
        head = batch.image * batch.silhouette
        if self.relit > 0:
            head = head * random_light(batch.normal, self.relit)
        cut_out = torch.cat([head, batch.silhouette], dim=1)
        warped = warp_affine(cut_out, to_crop, self.image_size)
        face, cover = warped[:, :3], warped[:, 3:]
        gain = torch.exp(torch.empty(count, 1, 1, 1, device=device).uniform_(-0.5, 0.6))
        balance = torch.exp(0.15 * torch.randn(count, 3, 1, 1, device=device))
        background = random_backgrounds(count, self.image_size, device)
        linear = face * gain * balance + (1.0 - cover) * background
        image = self.colour(self.blur(linear_rgb_to_rgb(linear.clamp(0.0, 1.0))))
        image = self.noise(image.clamp(0.0, 1.0)).clamp(0.0, 1.0)
        return PhoneView(image, *roll_camera(batch, to_crop, roll))

    def _virtual_camera(self, count: int, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Affine maps (B, 3, 3) from the lab crop's pixels to the phone crop's, and the rolls (B,) rad."""
        roll = (torch.randn(count, device=device) * math.radians(8.0)).clamp(-0.4, 0.4)
        zoom = torch.exp(torch.empty(count, device=device).uniform_(math.log(0.72), math.log(1.25)))
        scale = zoom * self.image_size / size
        shift = torch.empty(count, 2, device=device).uniform_(-0.14, 0.14) * self.image_size
        to_crop = torch.zeros(count, 3, 3, device=device)
        cosine, sine = torch.cos(roll) * scale, torch.sin(roll) * scale
        to_crop[:, 0, 0], to_crop[:, 0, 1] = cosine, -sine
        to_crop[:, 1, 0], to_crop[:, 1, 1] = sine, cosine
        centre = to_crop.new_full((count, 2, 1), (size - 1) / 2)
        to_crop[:, :2, 2] = (self.image_size - 1) / 2 + shift - (to_crop[:, :2, :2] @ centre).squeeze(-1)
        to_crop[:, 2, 2] = 1.0
        return to_crop, roll


def roll_camera(batch: LabBatch, to_crop: Tensor, roll: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """K, rotation and translation of a camera that is rolled about its axis and whose crop is mapped.

    Exact for any K: the roll is a rotation of the camera, what is left of the map goes into K.
    Shapes: to_crop (B, 3, 3), roll (B,) rad -> (B, 3, 3), (B, 3, 3), (B, 3).
    """
    turn = torch.zeros_like(to_crop)
    turn[:, 0, 0], turn[:, 1, 1] = torch.cos(roll), torch.cos(roll)
    turn[:, 0, 1], turn[:, 1, 0], turn[:, 2, 2] = -torch.sin(roll), torch.sin(roll), 1.0
    intrinsics = to_crop @ batch.intrinsics @ turn.transpose(-1, -2)
    return intrinsics, turn @ batch.rotation, (turn @ batch.translation.unsqueeze(-1)).squeeze(-1)


def warp_affine(image: Tensor, to_crop: Tensor, size: int, padding: str = "zeros") -> Tensor:
    """Resample images by affine pixel maps: (B, C, H, W), (B, 3, 3) source -> target -> (B, C, size, size).

    Beyond the source lies what ``padding`` says, as ``torch.nn.functional.grid_sample`` has it.
    """
    source = image.shape[-1]

    def normalise(side: int) -> Tensor:  # pixels -> [-1, 1], corners at pixel centres
        return image.new_tensor([[2 / (side - 1), 0, -1], [0, 2 / (side - 1), -1], [0, 0, 1]])

    back = normalise(source) @ torch.linalg.inv(to_crop) @ torch.linalg.inv(normalise(size))
    grid = affine_grid(back[:, :2], [len(image), 1, size, size], align_corners=True)
    return grid_sample(image, grid, align_corners=True, padding_mode=padding)


def random_light(normal: Tensor, share: float) -> Tensor:
    """Irradiance of random rooms on surfaces seen by cameras, of the order of 1; 1 where not relit.

    A key light from anywhere before or beside the head and ambient light from above and below,
    each of its own colour. Shapes: normal (B, 3, H, W), camera frame -> (B, 3, H, W).
    """
    count, device = len(normal), normal.device
    towards = torch.randn(count, 3, device=device) * normal.new_tensor([1.2, 0.8, 1.0])
    towards[:, 2] = 0.2 - towards[:, 2].abs()  # a few from behind
    towards = nn.functional.normalize(towards, dim=-1)
    up = normal.new_tensor([0.0, -1.0, 0.0]) + 0.3 * torch.randn(count, 3, device=device)
    up = nn.functional.normalize(up, dim=-1)
    incidence = (normal * towards[..., None, None]).sum(1, keepdim=True)
    upward = 0.5 + 0.5 * (normal * up[..., None, None]).sum(1, keepdim=True)
    key, above, below = torch.exp(0.2 * torch.randn(3, count, 3, 1, 1, device=device))
    key = key * torch.empty(count, 1, 1, 1, device=device).uniform_(0.3, 1.4)
    ambient = torch.empty(2, count, 1, 1, 1, device=device).uniform_(0.1, 0.7)
    light = key * ((incidence + 0.1) / 1.1).clamp(min=0.0)
    light = light + torch.lerp(below * ambient[0], above * ambient[1], upward)
    relit = (torch.rand(count, 1, 1, 1, device=device) < share).to(light.dtype)
    return 1.0 + relit * (light - 1.0)


def random_backgrounds(count: int, size: int, device: torch.device) -> Tensor:
    """Random linear pictures (B, 3, size, size): noise of several scales, flat boxes, any colour."""
    half = (size + 1) // 2  # backgrounds are out of focus, and half the size is a quarter of the work
    picture = torch.rand(count, 3, 1, 1, device=device).expand(-1, -1, half, half).clone()
    for cells in (2, 5, 12, 30):
        strength = 0.5 * torch.rand(count, 3, 1, 1, device=device) * torch.rand(count, 1, 1, 1, device=device)
        octave = interpolate(strength * torch.randn(count, 3, cells, cells, device=device), half, mode="bilinear")
        picture += octave
    steps = torch.linspace(0, 1, half, device=device)
    for _ in range(4):
        low, side = torch.rand(count, 2, 1, device=device), 0.1 + 0.5 * torch.rand(count, 2, 1, device=device)
        span = ((steps > low) & (steps < low + side)).float()
        box = (span[:, 1, :, None] * span[:, 0, None, :]).unsqueeze(1)
        picture = picture * (1 - box) + box * torch.rand(count, 3, 1, 1, device=device)
    return interpolate(picture.clamp(0.0, 1.0).square(), size, mode="bilinear")
