"""What a clip's frames say about states: textures unwrapped under them, and what the source remembers."""

from __future__ import annotations

from typing import NamedTuple

import torch
from kornia.color import rgb_to_linear_rgb
from torch import Tensor

from steadyface.capture.phone_augmentation import warp_affine
from steadyface.geometry.cameras import transform, view_direction
from steadyface.geometry.texture_space import TexelMap, erode, unwrap, visibility
from steadyface.networks.encoder import Encoder, Prediction
from steadyface.networks.face_model import FaceModel
from steadyface.types import FaceState, SubjectStatistics


class Observation(NamedTuple):
    """B frames under B states.

    Shapes: texture and model_texture (B, 3, U, U) linear; mask (B, 1, U, U), the source's, fixed;
    inside (B, 1, U, U), 1 where the texel lies in the picture; pixels (B, 2, U, U), where it lies
    there, 0 off the mesh; state, the states themselves; placed (B, N, 3), their meshes in the
    camera frame, mm; intrinsics (B, 3, 3) and image_size, side, of the crop.
    """

    texture: Tensor
    model_texture: Tensor
    mask: Tensor
    inside: Tensor
    pixels: Tensor
    state: FaceState
    placed: Tensor
    intrinsics: Tensor
    image_size: int


class Remembered(NamedTuple):
    """What the frozen source said of B frames.

    Shapes: latent (B, Z); pixels (B, 2, U, U), where texels lie, 0 off the mesh; mask (B, 1, U, U),
    which are safely seen; landmarks (B, L, 2), detected in the crop, and landmark_doubt (B, L),
    both in pixels, with L = 0 where the source has no landmark branch; view (B, 3), the direction to the camera
    that the model's texture is decoded for.
    """

    latent: Tensor
    pixels: Tensor
    mask: Tensor
    landmarks: Tensor
    landmark_doubt: Tensor
    view: Tensor = torch.empty(0, 3)


def random_crops(images: Tensor, shift: float, zoom: float) -> Tensor:
    """Affine maps (B, 3, 3) from the pixels of crops (B, 3, S, S) to those of crops near them.

    Args:
        images: the crops.
        shift: largest displacement in x and y, as a share of S.
        zoom: largest change of size either way, as a share.
    """
    count, size = len(images), images.shape[-1]
    draw = torch.rand(count, 3, device=images.device) * 2 - 1
    scale = 1.0 + zoom * draw[:, 2]
    to_crop = torch.eye(3, device=images.device).repeat(count, 1, 1)
    to_crop[:, 0, 0], to_crop[:, 1, 1] = scale, scale
    to_crop[:, :2, 2] = (size - 1) / 2 * (1.0 - scale).unsqueeze(1) + shift * size * draw[:, :2]
    return to_crop


def crop_again(
    images: Tensor, intrinsics: Tensor, remembered: Remembered, to_crop: Tensor
) -> tuple[Tensor, Tensor, Remembered]:
    """Crops (B, 3, S, S), their K and what the source said of them, in the pixels that affine maps lead to.

    Beyond the first crop nothing is known: its border is repeated.
    """
    scale, shift = to_crop[:, 0, 0].view(-1, 1, 1, 1), to_crop[:, :2, 2].view(-1, 2, 1, 1)
    moved = warp_affine(images, to_crop, images.shape[-1], padding="border")
    on_mesh = (remembered.pixels != 0).any(1, keepdim=True)
    again = remembered._replace(
        pixels=(remembered.pixels * scale + shift) * on_mesh,
        landmarks=remembered.landmarks * scale[:, 0] + shift.flatten(1).unsqueeze(1),
        landmark_doubt=remembered.landmark_doubt * scale.flatten(1),
    )
    return moved, to_crop @ intrinsics, again


class ClipEvidence:
    """Unwraps frames under states, and renders the model's texture for them.

    Args:
        statistics: of the subject.
        face_model: its frozen face model.
    """

    def __init__(self, statistics: SubjectStatistics, face_model: FaceModel) -> None:
        self.face_model = face_model
        self.texel_map = TexelMap.from_topology(
            statistics.faces, statistics.uv, statistics.uv_faces, statistics.texture_size
        )

    def map_on(self, device: torch.device) -> TexelMap:
        """The subject's texel map on a device."""
        if self.texel_map.corners.device != device:
            self.texel_map = self.texel_map.to(device)
        return self.texel_map

    def place(self, state: FaceState) -> Tensor:
        """Vertices of B states in the camera frame, (B, N, 3) mm."""
        return transform(self.face_model.decode_vertices(state.latent), state.rotation, state.translation)

    def observe(self, images: Tensor, intrinsics: Tensor, state: FaceState, mask: Tensor) -> Observation:
        """Unwrap sRGB crops (B, 3, S, S) under states, over the source's mask (B, 1, U, U)."""
        texel_map = self.map_on(images.device)
        placed = self.place(state)
        seen = unwrap(rgb_to_linear_rgb(images), placed, intrinsics, texel_map)
        view = self.face_model.clamp_view(view_direction(state.rotation, state.translation))
        model = self.face_model.decode_texture_map(state.latent, view)
        pixels = texel_map.scatter(seen.pixels)
        return Observation(
            seen.texture, model, mask, seen.in_frame, pixels, state, placed, intrinsics, images.shape[-1]
        )

    @torch.no_grad()
    def remember(self, images: Tensor, intrinsics: Tensor, predicted: Prediction, erosion: int = 2) -> Remembered:
        """What a source's predictions say of frames: where texels and landmarks lie, and what is safely seen."""
        texel_map, size = self.map_on(images.device), images.shape[-1]
        placed = self.place(predicted.state)
        mask = erode(visibility(placed, intrinsics, texel_map, size, size), erosion)
        seen = unwrap(images, placed, intrinsics, texel_map)
        landmarks, doubt = images.new_zeros(len(images), 0, 2), images.new_zeros(len(images), 0)
        if predicted.points is not None:
            landmarks, doubt = predicted.points.pixels, predicted.points.doubt_px
        view = self.face_model.clamp_view(view_direction(predicted.state.rotation, predicted.state.translation))
        return Remembered(predicted.state.latent, texel_map.scatter(seen.pixels), mask, landmarks, doubt, view)


KEPT_BYTES = 4 * 2**30
"""What a memory of the source's answers may take; frames beyond are asked again each time."""

Answers = dict[tuple[int, int], Remembered]
"""(clip, frame) -> what a source said of that frame."""


class SourceMemory:
    """Asks the source once for every frame of every clip; a frame's answer never changes.

    Args:
        source: the frozen encoder.
        evidence: of the same subject.
        kept: answers that this source gave before, to the same clips; new ones are added.
    """

    def __init__(self, source: Encoder, evidence: ClipEvidence, kept: Answers | None = None) -> None:
        self.source, self.evidence = source, evidence
        self._kept: Answers = {} if kept is None else kept

    @torch.no_grad()
    def recall(self, keys: Tensor, images: Tensor, intrinsics: Tensor) -> Remembered:
        """What the source said of frames named by keys (B, 2), clip and frame."""
        answers = []
        for row, (clip, frame) in enumerate(keys.tolist()):
            answer = self._kept.get((int(clip), int(frame)))
            if answer is None:
                answer = self._ask(images[row : row + 1], intrinsics[row : row + 1])
                # every frame takes the same, so the first says how many fit
                if (len(self._kept) + 1) * _size_bytes(answer) <= KEPT_BYTES:
                    self._kept[int(clip), int(frame)] = answer
            answers.append(answer)
        return Remembered(*(torch.stack(parts) for parts in zip(*answers, strict=True)))

    def _ask(self, image: Tensor, intrinsics: Tensor) -> Remembered:
        """One frame at a time: a frame's answer must not depend on what else was in the batch."""
        found = self.evidence.remember(image, intrinsics, self.source.predict(image, intrinsics))
        return Remembered(*(value[0].clone() for value in found))


def _size_bytes(answer: Remembered) -> int:
    return sum(part.numel() * part.element_size() for part in answer)
