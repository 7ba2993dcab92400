"""Films one clip in the other world, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steadyface.geometry.normals import vertex_normals
from steadyface.studio import layout
from steadyface.studio.other_world.body import make_body
from steadyface.studio.other_world.deformation import Deformation
from steadyface.studio.other_world.drawing import ROUGHNESS, Lit, Surfaces, draw
from steadyface.studio.other_world.dynamics import Motion, rotations
from steadyface.studio.other_world.environment import Mirror, cut_lights, picture_from
from steadyface.studio.other_world.mesh_fields import Floats
from steadyface.studio.other_world.ray_light import RayLight
from steadyface.studio.other_world.rolling_shutter import Readout, along_path, bend, seen_places
from steadyface.studio.other_world.room import furnish
from steadyface.studio.other_world.sensor import Phone, blur
from steadyface.studio.other_world.settings import OtherWorldSettings
from steadyface.studio.subject import Subject

_ALBEDO_SIZE = 512
_THROAT = (0.07, 0.022, 0.018)
_THROUGH_CHEEKS = (0.10, 0.045, 0.035)
_BACKGROUND_STEP = 2  # pixels of the picture a ray of the background; it is out of focus
_BACKGROUND_BLUR_PX = 2.6  # of its own pixels


class Instant(NamedTuple):
    """A moment of the clip. Shapes: mesh (N, 3) head frame, mm; rotation (3, 3), translation (3,) mm, head -> camera;
    to_room (3, 3), camera -> room, and centre (3,) mm of the camera in the room; body (M, 3) mm, camera frame."""

    mesh: Tensor
    rotation: Tensor
    translation: Tensor
    to_room: Tensor
    centre: Tensor
    body: Tensor

    def placed(self) -> Tensor:
        """Head, then body: (N + M, 3) mm, camera frame."""
        return torch.cat([self.mesh @ self.rotation.T + self.translation, self.body])


class Shot(NamedTuple):
    """A frame, (H, W, 3) uint8 sRGB, and the instant of its middle row."""

    picture: NDArray[np.uint8]
    instant: Instant


class Set:
    """A person in a room: what does not change while clips are filmed.

    Args:
        settings: checked.
        subject: the person of the settings, where it is at hand; else it is made.
    """

    def __init__(self, settings: OtherWorldSettings, subject: Subject | None = None) -> None:
        self.settings = settings
        subject = subject or Subject(settings.identity_seed)
        rest = torch.zeros(1, len(subject.expression_names))
        neutral = subject.vertices(rest)[0]
        self.faces, self._lips = subject.faces, subject.regions["lips"]
        regions = {name: index.numpy() for name, index in subject.regions.items()}
        seed = _world_seed(settings)
        self.deformation = Deformation(
            neutral.double().numpy(), self.faces.numpy(), regions, seed, settings.tissue_mm
        )
        self._pivot = _neck_pivot(neutral)
        self.body = make_body(neutral)
        faces = torch.cat([self.faces, self.body.faces + len(neutral)])
        albedo = _flesh_in_mouth(subject.albedo(rest, _ALBEDO_SIZE)[0])
        cloth = torch.from_numpy(np.random.default_rng([seed, 23]).uniform(0.04, 0.5, (2, 3))).float()
        uv = torch.cat([subject.uv[subject.uv_faces], self.body.uv[self.body.faces]])
        lobes = _lobes(len(neutral), len(self.body.vertices), self._lips)
        self.surfaces = Surfaces(faces, len(self.faces), uv, lobes, albedo, cloth)
        translucent = torch.zeros(len(lobes))
        translucent[: layout.HEAD.count] = 1.0
        self.ray_light = RayLight(faces, _triangle_albedo(self.surfaces), translucent)
        self.room = furnish(seed)
        surroundings = picture_from(self.room.radiance, torch.tensor([0.0, 0.0, settings.distance_mm]))
        self.lights = cut_lights(surroundings, settings.lights)
        self.mirror = Mirror(surroundings, ROUGHNESS)
        self.light_colour = self.lights.energy.sum(0)
        self.intrinsics = torch.tensor([
            [settings.focal_px, 0.0, 0.5 * (settings.width - 1)],
            [0.0, settings.focal_px, 0.5 * (settings.height - 1)],
            [0.0, 0.0, 1.0],
        ])  # fmt: skip
        half = max(0.5 * (settings.readout_s + settings.exposure_s), 1e-6)
        self.readout = Readout(settings.height, settings.readout_s, half)

    def instant(self, motion: Motion) -> Instant:
        """What ``motion``, of one time, comes to."""
        head, phone = motion.head[0], motion.phone[0]
        turn, to_room = rotations(np.stack([head[:3], phone[:3]]))
        pivot = self._pivot + np.array([0.0, 0.0, self.settings.distance_mm]) + head[3:]
        rotation = to_room.T @ turn
        translation = to_room.T @ (pivot - turn @ self._pivot - phone[3:])
        shift = to_room.T @ (pivot - self._pivot - phone[3:])
        to_camera = torch.from_numpy(to_room.T).float()
        return Instant(
            torch.from_numpy(self.deformation.mesh(motion.controls[0])).float(),
            torch.from_numpy(rotation).float(),
            torch.from_numpy(translation).float(),
            to_camera.T,
            torch.from_numpy(phone[3:]).float(),
            self.body.vertices @ to_camera.T + torch.from_numpy(shift).float(),
        )

    def light(self, instant: Instant, before: Lit | None) -> Lit:
        """The light on an instant, traced in the room's axes; the bounce comes from ``before``."""
        room = instant.placed() @ instant.to_room.T + instant.centre
        normals = vertex_normals(room[None], self.surfaces.faces)[0]
        irradiance = before.irradiance if before is not None else None
        traced, open_share = self.ray_light.trace(room, normals, instant.centre, self.lights, irradiance)
        # some light comes through lips and cheeks, red: the mouth is dark, but no hole
        lips = traced[self._lips].mean(0) * torch.tensor(_THROUGH_CHEEKS)
        traced[layout.MOUTH.vertices] += lips
        return Lit(traced, open_share)

    def expose(self, path: list[Instant], lit: Lit) -> Tensor:
        """Light on the sensor through one frame's exposure, (H, W, 3) linear; path: before, at and after it."""
        settings, size = self.settings, (self.settings.height, self.settings.width)
        moving = torch.stack([instant.placed() for instant in path])
        colour, coverage = torch.zeros(size[0] * size[1], 3), torch.zeros(size[0] * size[1], 1)
        for number in range(settings.exposure_samples):
            share = (number + 0.5) / settings.exposure_samples
            seen = seen_places(moving, self.intrinsics, self.readout, (share - 0.5) * settings.exposure_s)
            shifted = self.intrinsics.clone()
            shifted[0, 2] += share - 0.5
            shifted[1, 2] += (share * 2.6180339) % 1.0 - 0.5  # spread over the pixel, never in a row
            bent = bend(seen, settings.distortion)
            normals = vertex_normals(bent[None], self.surfaces.faces)[0]
            drawn = draw(self.surfaces, bent, normals, lit, self.mirror, path[1].to_room, shifted, size)
            colour += drawn[0]
            coverage += drawn[1]
        share = 1.0 / settings.exposure_samples
        behind = self.background(path).view(-1, 3)
        return (colour * share + behind * (1.0 - coverage * share)).view(*size, 3)

    def background(self, path: list[Instant]) -> Tensor:
        """The room behind, out of focus, each row at its own time: (H, W, 3)."""
        height, width, step = self.settings.height, self.settings.width, _BACKGROUND_STEP
        rows, columns = torch.meshgrid(
            torch.arange(0.5 * (step - 1), height, step), torch.arange(0.5 * (step - 1), width, step), indexing="ij"
        )
        pixels = torch.stack([columns, rows, torch.ones_like(rows)], dim=-1).reshape(-1, 3)
        rays = pixels @ torch.linalg.inv(self.intrinsics).T
        times = self.readout.time_of(rows[:, 0])
        turns = torch.stack([instant.to_room.flatten() for instant in path])[:, None].expand(-1, len(times), -1)
        centres = torch.stack([instant.centre for instant in path])[:, None].expand(-1, len(times), -1)
        turn = along_path(turns, times, self.readout.half_s).view(-1, 3, 3)
        centre = along_path(centres, times, self.readout.half_s)
        each = columns.shape[1]
        direction = torch.einsum("rij,rcj->rci", turn, rays.view(len(times), each, 3)).reshape(-1, 3)
        seen = self.room.radiance(centre.repeat_interleave(each, 0), direction)
        picture = seen.view(1, len(times), each, 3).permute(0, 3, 1, 2)
        soft = blur(picture, _BACKGROUND_BLUR_PX)
        return torch.nn.functional.interpolate(soft, (height, width), mode="bilinear", align_corners=False)[0].permute(
            1, 2, 0
        )


def film_clip(stage: Set, motion: Motion, frames: int, clip: int) -> Iterator[Shot]:
    """The frames of a clip in their order; ``clip``: its number, which seeds the sensor's noise."""
    settings = stage.settings
    phone = Phone(settings, stage.light_colour)
    generator = torch.Generator().manual_seed(_world_seed(settings) * 1000 + clip)
    times = np.arange(frames) / settings.fps
    every = settings.light_every_frames
    known: dict[int, Lit] = {}
    for frame, time_s in enumerate(times):
        half = stage.readout.half_s
        path = [stage.instant(motion.at(np.array([time_s + step]))) for step in (-half, 0.0, half)]
        key, share = frame // every, (frame % every) / every
        for number in (key, key + 1) if share else (key,):
            if number not in known:
                at = stage.instant(motion.at(np.array([number * every / settings.fps])))
                before = known.get(number - 1)
                known[number] = stage.light(at, before if before is not None else stage.light(at, None))
        lit = known[key]
        if share:
            lit = Lit(*(torch.lerp(a, b, share) for a, b in zip(lit, known[key + 1], strict=True)))
        known = {number: value for number, value in known.items() if number >= key}
        yield Shot(phone.develop(stage.expose(path, lit), generator).numpy(), path[1])


def _world_seed(settings: OtherWorldSettings) -> int:
    return settings.world_seed * 1009 + settings.identity_seed


def _neck_pivot(neutral: Tensor) -> Floats:
    """About this point of the neck a head turns, (3,) mm: the middle of its lower edge, a little higher."""
    neck = neutral[neutral[:, 1] > 120.0].double().numpy()
    middle: Floats = (neck.max(0) + neck.min(0)) / 2.0 - [0.0, 30.0, 0.0]
    return middle


def _lobes(head: int, body: int, lips: Tensor) -> Tensor:
    """How strongly each vertex mirrors with each lobe: skin, lips, hair, eyes, mouth, wool."""
    lobes = torch.zeros(head + body, 3)
    lobes[:head, 0], lobes[:head, 1] = 0.85, 0.3
    lobes[lips, 1] = 0.7
    for chart in (layout.LEFT_EYE, layout.RIGHT_EYE):
        lobes[chart.vertices] = torch.tensor([0.0, 0.3, 1.0])
    lobes[layout.MOUTH.vertices] = torch.tensor([0.3, 0.5, 0.0])
    lobes[head:, 0] = 0.25
    return lobes


def _flesh_in_mouth(albedo: Tensor) -> Tensor:
    """The throat is painted black; as dark as flesh is dark enough where the light in the mouth is traced."""
    u0, v0, u1, v1 = layout.MOUTH.box
    size = albedo.shape[-1]
    inside = albedo[:, int(v0 * size) : int(v1 * size) + 1, int(u0 * size) : int(u1 * size) + 1]
    inside.copy_(torch.maximum(inside, torch.tensor(_THROAT).view(3, 1, 1)))
    return albedo


def _triangle_albedo(surfaces: Surfaces) -> Tensor:
    """(F, 3) albedo at the middle of each triangle."""
    middle = surfaces.uv.mean(1)
    size = surfaces.albedo.shape[-1]
    x, y = (middle.clamp(0.0, 0.9999) * size).long().unbind(1)
    albedo = surfaces.albedo[:, y, x].T.clone()
    albedo[surfaces.head_faces :] = surfaces.cloth[0]
    return albedo
