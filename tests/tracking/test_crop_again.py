"""Frames cropped anew: the picture, K and what is remembered move together."""

from __future__ import annotations

import torch
from torch import Tensor

from steadyface.geometry.cameras import project
from steadyface.randomness import drawing
from steadyface.tracking.clip_evidence import Remembered, crop_again, random_crops

SIZE, COUNT = 64, 6
POINT = torch.tensor([[[12.0, -30.0, 500.0]]])
K = torch.tensor([[[200.0, 0.0, 30.0], [0.0, 210.0, 33.0], [0.0, 0.0, 1.0]]]).repeat(COUNT, 1, 1)


def blob() -> tuple[Tensor, Tensor]:
    """Pictures of a spot at the projected point (COUNT, 3, SIZE, SIZE), and its place (COUNT, 2)."""
    place = project(POINT.expand(COUNT, -1, -1), K)[:, 0]
    steps = torch.arange(float(SIZE))
    square = (steps - place[:, :1]).square().unsqueeze(1) + (steps - place[:, 1:]).square().unsqueeze(2)
    return torch.exp(-square / 18).unsqueeze(1).repeat(1, 3, 1, 1), place


def moved() -> tuple[Tensor, Tensor, Remembered]:
    images, place = blob()
    texels = torch.zeros(COUNT, 2, 2, 2)
    texels[:, :, 0, 0] = place
    landmarks, doubt = torch.stack([place, place], dim=1), torch.ones(COUNT, 2)
    remembered = Remembered(torch.zeros(COUNT, 3), texels, torch.ones(COUNT, 1, 2, 2), landmarks, doubt)
    with drawing(0, "crop", 1):
        to_crop = random_crops(images, 0.1, 0.2)
    return crop_again(images, K, remembered, to_crop)


def test_picture_camera_and_memory_agree() -> None:
    images, intrinsics, remembered = moved()
    place = project(POINT.expand(COUNT, -1, -1), intrinsics)[:, 0]
    assert (place - blob()[1]).norm(dim=-1).min() > 0.3  # it did move
    torch.testing.assert_close(remembered.pixels[:, :, 0, 0], place, atol=1e-4, rtol=0)
    torch.testing.assert_close(remembered.landmarks, torch.stack([place, place], dim=1), atol=1e-4, rtol=0)
    torch.testing.assert_close(remembered.landmark_doubt, (intrinsics[:, :1, 0] / K[:, :1, 0]).expand(-1, 2))
    steps, mass = torch.arange(float(SIZE)), images[:, 0].sum((1, 2))
    x = (images[:, 0] * steps).sum((1, 2)) / mass
    y = (images[:, 0] * steps[:, None]).sum((1, 2)) / mass
    torch.testing.assert_close(torch.stack([x, y], dim=-1), place, atol=0.1, rtol=0)


def test_off_the_mesh_stays_zero() -> None:
    assert moved()[2].pixels[:, :, 1].abs().max() == 0


def test_no_displacement_changes_nothing() -> None:
    images, _ = blob()
    to_crop = random_crops(images, 0.0, 0.0)
    remembered = Remembered(
        torch.zeros(COUNT, 3), torch.rand(COUNT, 2, 2, 2), torch.ones(COUNT, 1, 2, 2), torch.zeros(COUNT, 0, 2),
        torch.zeros(COUNT, 0),
    )  # fmt: skip
    again, intrinsics, same = crop_again(images, K, remembered, to_crop)
    torch.testing.assert_close(again, images, atol=1e-5, rtol=0)
    assert torch.equal(intrinsics, K) and torch.equal(same.pixels, remembered.pixels)


def test_displacements_keep_within_their_range() -> None:
    to_crop = random_crops(torch.zeros(500, 3, SIZE, SIZE), 0.05, 0.1)
    scale = to_crop[:, 0, 0]
    centre = to_crop[:, :2, :2] @ torch.full((2, 1), (SIZE - 1) / 2) + to_crop[:, :2, 2:]
    shift = (centre.squeeze(-1) - (SIZE - 1) / 2).abs().amax(0) / SIZE
    assert 0.9 <= float(scale.min()) < 0.92 and 1.08 < float(scale.max()) <= 1.1
    assert ((shift > 0.045) & (shift <= 0.05001)).all()
