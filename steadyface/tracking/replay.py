"""Re-render replay: the clip's own frames with other expressions, whose truth is exact.

What a clip teaches about expressions is little and doubtful: a lip that is a pixel off looks like light. So the
face model plays expressions of the lab over the clip: in each frame, under the head pose and the light that were
found there, before the room and on the shoulders that were filmed. Pose, mesh and latent of such a view are known.

(Analysis by synthesis, used for labels and not for a loss: nothing here carries a gradient.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from kornia.color import linear_rgb_to_rgb, rgb_to_linear_rgb
from pytorch3d.transforms import so3_exp_map
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from steadyface.capture.phone_augmentation import PhoneView
from steadyface.geometry.cameras import transform, view_direction
from steadyface.geometry.contrast import box_sum
from steadyface.geometry.rasterizer import Fragments
from steadyface.networks.face_model import FaceModel
from steadyface.tracking.clip_evidence import ClipEvidence, Observation
from steadyface.tracking.overlay import rasterize_front, render_texture
from steadyface.types import FaceState, SubjectStatistics

SUPERSAMPLED = 2
"""Rays a pixel and axis: edges of lips and lids are what the views are for."""

FARTHEST = 3.0
"""A replayed latent stays within so many deviations of the lab's."""

LEAST_LIGHT, MOST_LIGHT = 0.05, 8.0


class Replayed(NamedTuple):
    """B rendered views and their truth: view; vertices (B, N, 3) head frame, mm; latent (B, Z)."""

    view: PhoneView
    vertices: Tensor
    latent: Tensor


class Look(NamedTuple):
    """A frame, as it is replayed: image (1, 3, S, S) sRGB and its K (1, 3, 3); state, as found; observed and model
    textures (1, 3, U, U) linear, and where they can be compared, mask (1, 1, U, U)."""

    image: Tensor
    intrinsics: Tensor
    state: FaceState
    observed: Tensor
    model: Tensor
    mask: Tensor


class Replayer:
    """Renders a subject's expressions into a clip's crops.

    Args:
        statistics: of the subject.
        face_model: its frozen face model.
        evidence: of the same subject.
        lab_latents: (F, Z), what the lab saw the face do.
    """

    def __init__(
        self, statistics: SubjectStatistics, face_model: FaceModel, evidence: ClipEvidence, lab_latents: Tensor
    ) -> None:
        self.statistics, self.face_model, self.evidence = statistics, face_model, evidence
        self.lab_latents = lab_latents

    @torch.no_grad()
    def look(self, image: Tensor, intrinsics: Tensor, state: FaceState, mask: Tensor) -> Look:
        """What the views of a frame have in common.

        Args:
            image: (1, 3, S, S) sRGB crop of a clip.
            intrinsics: (1, 3, 3) of the crop.
            state: what was found in it.
            mask: (1, 1, U, U), the texels safely seen there.
        """
        seen = self.evidence.observe(image, intrinsics, state, mask)
        return Look(image, intrinsics, state, seen.texture, seen.model_texture, seen.mask * seen.inside)

    @torch.no_grad()
    def render(self, look: Look) -> Replayed:
        """A view of a frame, with an expression of the lab under nearly the pose that was found. Draws from torch's
        global generator."""
        model, state, intrinsics = self.face_model, look.state, look.intrinsics
        radius = int(torch.randint(4, 11, (1,)))  # how fine the light is taken: what is right for a frame is not known
        light = light_map(look.observed, look.model, look.mask, radius)
        latent = draw_latents(model, self.lab_latents, state.latent)
        rotation, translation = move_a_little(state, intrinsics, look.image.shape[-1])
        vertices, texture = model.decode(latent, model.clamp_view(view_direction(rotation, translation)))
        placed = transform(vertices, rotation, translation)
        drawn = draw_face(look.image[0], placed[0], (texture * light)[0], intrinsics[0], self.statistics)
        return Replayed(PhoneView(drawn[None], intrinsics, rotation, translation), vertices, latent)


def draw_latents(face_model: FaceModel, lab_latents: Tensor, latent: Tensor) -> Tensor:
    """Other expressions than (B, Z): half of them the lab's (F, Z), half the own one changed by a change of the lab's;
    none beyond `FARTHEST`. Draws from torch's global generator."""
    lab, count = lab_latents.to(latent.device), len(latent)
    one, other = (torch.randint(0, len(lab), (count,)) for _ in range(2))
    taken = (torch.rand(count, 1) < 0.5).to(latent.device)
    return keep_near(face_model, torch.where(taken, lab[one], latent + lab[one] - lab[other]))


def keep_near(face_model: FaceModel, latent: Tensor) -> Tensor:
    """Latents (B, Z), each number within `FARTHEST` deviations of the lab's."""
    return face_model.latent_mean + face_model.latent_std * face_model.whiten(latent).clamp(-FARTHEST, FARTHEST)


def looks_at(images: Tensor, seen: Observation) -> list[Look]:
    """Each of B frames, crops (B, 3, S, S) sRGB, as it was observed; without gradients."""
    parts = (*seen.state, seen.texture, seen.model_texture, seen.mask * seen.inside)
    latent, rotation, translation, *textures = (part.detach() for part in parts)
    rows = [slice(row, row + 1) for row in range(len(images))]
    return [
        Look(images[row], seen.intrinsics[row], FaceState(latent[row], rotation[row], translation[row]),
             *(texture[row] for texture in textures))
        for row in rows
    ]  # fmt: skip


def join_replayed(views: Sequence[Replayed]) -> Replayed:
    """Views as one batch."""
    view = PhoneView(*(torch.cat(part) for part in zip(*(one.view for one in views), strict=True)))
    return Replayed(view, torch.cat([one.vertices for one in views]), torch.cat([one.latent for one in views]))


def light_map(observed: Tensor, model: Tensor, mask: Tensor, radius: int) -> Tensor:
    """How much more light each texel sends than the model's, smoothed: a gain that renders the model as observed.

    The ratio of local sums over the masked texels of a square, drawn to the ratio over the whole face where the
    square holds few of them, as behind the head.

    Args:
        observed, model: (B, 3, U, U) linear.
        mask: (B, 1, U, U), 0 or 1.
        radius: half side of the square, texels.

    Returns:
        (B, 3, U, U), between ``LEAST_LIGHT`` and ``MOST_LIGHT``.
    """
    whole = (observed * mask).sum((2, 3), keepdim=True) / (model * mask).sum((2, 3), keepdim=True).clamp(min=1e-6)
    few = 0.02 * (2 * radius + 1) ** 2 * model.mean((1, 2, 3), keepdim=True)
    gain = (box_sum(observed * mask, radius) + few * whole) / (box_sum(model * mask, radius) + few).clamp(min=1e-6)
    return gain.clamp(LEAST_LIGHT, MOST_LIGHT)


def move_a_little(state: FaceState, intrinsics: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """A pose near that of B states: about 2 degrees, 1 % of depth and 1 % of the crop's side (S) away."""
    count, device = len(state.rotation), state.rotation.device
    turn = so3_exp_map(0.035 * torch.randn(count, 3)).to(device)
    depth = state.translation[:, 2:]
    lateral = 0.012 * size * depth / intrinsics[:, 0, 0].unsqueeze(1)
    noise = torch.randn(count, 3).to(device)
    shift = torch.cat([noise[:, :2] * lateral, noise[:, 2:] * 0.012 * depth], dim=-1)
    return state.rotation @ turn, state.translation + shift


def draw_face(
    image: Tensor, vertices_camera: Tensor, texture: Tensor, intrinsics: Tensor, topology: SubjectStatistics
) -> Tensor:
    """Draw a textured mesh over a picture, with smooth edges.

    Args:
        image: (3, S, S) sRGB.
        vertices_camera: (N, 3) mm.
        texture: (3, U, U) linear, as it shall look.
        intrinsics: (3, 3) of the picture.
        topology: the subject's.

    Returns:
        (3, S, S) sRGB in [0, 1].
    """
    size = image.shape[-1] * SUPERSAMPLED
    behind = interpolate(rgb_to_linear_rgb(image[None]), scale_factor=SUPERSAMPLED, mode="bilinear")[0].flatten(1)
    covered, listed = supersample(vertices_camera, topology.faces, intrinsics, image.shape[-1])
    drawn = behind.index_copy(1, covered, render_texture(listed, topology, texture)[0, :, 0])
    return linear_rgb_to_rgb(avg_pool2d(drawn.view(1, 3, size, size), SUPERSAMPLED).clamp(0.0, 1.0))[0]


def supersample(vertices_camera: Tensor, faces: Tensor, intrinsics: Tensor, size: int) -> tuple[Tensor, Fragments]:
    """The rays that meet a mesh, `SUPERSAMPLED` a pixel and axis.

    Args:
        vertices_camera: (N, 3) mm.
        faces: (F, 3) long.
        intrinsics: (3, 3) of the picture.
        size: its side, pixels.

    Returns:
        their places (P,) long in the finer picture's rows, and what they see, as a picture of 1 x P.
    """
    finer = intrinsics.clone()
    finer[:2] *= SUPERSAMPLED
    finer[:2, 2] += (SUPERSAMPLED - 1) / 2
    found = rasterize_front(vertices_camera, faces, finer, size * SUPERSAMPLED, size * SUPERSAMPLED)
    covered = torch.nonzero(found.triangle.flatten() >= 0)[:, 0]
    listed = Fragments(
        found.triangle.view(-1)[covered].view(1, 1, -1), found.barycentric.view(-1, 3)[covered].view(1, 1, -1, 3),
        found.depth.view(-1)[covered].view(1, 1, -1),
    )
    return covered, listed


def as_filmed(images: Tensor, noise: float) -> Tensor:
    """Rendered sRGB pictures (B, 3, S, S) with what a camera adds: uneven light, and up to so much noise.

    Draws from torch's global generator.
    """
    count, size = len(images), images.shape[-1]
    uneven = interpolate(0.15 * torch.randn(count, 3, 5, 5), size=size, mode="bicubic").to(images.device)
    strength = noise * torch.rand(count, 1, 1, 1).to(images.device)
    return (images * torch.exp(uneven) + strength * torch.randn(images.shape).to(images.device)).clamp(0.0, 1.0)
