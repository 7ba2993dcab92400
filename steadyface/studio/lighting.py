"""Light on skin: the lab's uniform dome, and a room with a coloured key light and ambient light.

A light says what reaches each vertex (occlusion, shadow) and turns a shaded surface into linear
radiance. Directions are unit vectors of the frame that the vertices are given in; reflection is
Lambertian plus a sheen (Blinn-Phong lobes and Schlick's Fresnel term). What pixels carry is laid
out channels first, which is several times faster than a short last axis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn.functional import normalize

from steadyface.geometry.cameras import project
from steadyface.geometry.rasterizer import depth_buffer

LIGHT_DISTANCE_MM = 4000.0
"""From so far away a lamp's rays are nearly parallel."""

_PENUMBRA_TAPS = 24
_SHADOW_BIAS_MM = 2.5
_STEEPEST_SLOPE = 4.0  # of a receiver against the light's image plane


class Surface(NamedTuple):
    """What P pixels see of the skin. Shapes: normal, view, albedo (3, P); sheen, occlusion, lit (1, P).

    ``normal`` and ``view`` (towards the camera) are unit vectors; ``albedo`` is linear;
    ``occlusion`` is the share of the surroundings that is open; ``lit`` the share of the key light.
    """

    normal: Tensor
    view: Tensor
    albedo: Tensor
    sheen: Tensor
    occlusion: Tensor
    lit: Tensor


class Light(Protocol):
    """What the renderer asks of a light."""

    def key_share(self, vertices: Tensor, normals: Tensor, faces: Tensor) -> Tensor:
        """Share of the key light that reaches each vertex: (N, 3), (N, 3), (F, 3) -> (N, 1)."""
        ...

    def shade(self, surface: Surface) -> Tensor:
        """Linear radiance towards the camera: (3, P)."""
        ...


@dataclass(frozen=True)
class DomeLight:
    """A lab's light dome: white, nearly the same from everywhere, a little less from below.

    ``up`` is (3,) unit, away from the floor.
    """

    up: Tensor
    strength: float = 1.35
    from_below: float = 0.72  # of the strength from above

    def key_share(self, vertices: Tensor, normals: Tensor, faces: Tensor) -> Tensor:
        return torch.ones_like(vertices[:, :1])

    def shade(self, surface: Surface) -> Tensor:
        upward = 0.5 + 0.5 * dot(self.up.unsqueeze(1), surface.normal)
        irradiance = self.strength * (self.from_below + (1.0 - self.from_below) * upward) * surface.occlusion
        glance = fresnel(dot(surface.normal, surface.view), 0.035)
        return (surface.albedo + 0.75 * surface.sheen * glance).mul_(irradiance)


@dataclass(frozen=True)
class RoomLight:
    """A key light (a window, a lamp) with a self-shadow, and ambient light from above and below.

    Attributes:
        direction: (3,) unit, from the head towards the key light.
        up: (3,) unit, away from the floor.
        key: (3,) linear RGB irradiance of the key light at normal incidence.
        above, below: (3,) linear RGB irradiance of the ambient light on skin that faces up, down.
        softness_mm: radius of the shadow's soft edge on the skin.
    """

    direction: Tensor
    up: Tensor
    key: Tensor
    above: Tensor
    below: Tensor
    softness_mm: float = 5.0

    def turned(self, rotation: Tensor) -> RoomLight:
        """The same light in other axes: rotation (3, 3) takes the present ones to those."""
        return replace(self, direction=rotation @ self.direction, up=rotation @ self.up)

    def key_share(self, vertices: Tensor, normals: Tensor, faces: Tensor) -> Tensor:
        return shadow(vertices, normals, faces, self.direction, self.softness_mm).unsqueeze(1)

    def shade(self, surface: Surface) -> Tensor:
        direction, key = self.direction.unsqueeze(1), self.key.unsqueeze(1)
        incidence = dot(direction, surface.normal)
        # light bleeds a little past the terminator under skin
        diffuse = ((incidence + 0.12) / 1.12).clamp_(min=0.0) * surface.lit
        upward = 0.5 + 0.5 * dot(self.up.unsqueeze(1), surface.normal)
        ambient = torch.lerp(self.below.unsqueeze(1), self.above.unsqueeze(1), upward).mul_(surface.occlusion)
        towards_eye = dot(surface.normal, surface.view)
        half_length = (2.0 + 2.0 * dot(direction, surface.view)).clamp_(min=1e-6).sqrt_()  # of direction + view
        cosine = ((incidence + towards_eye) / half_length).clamp_(min=0.0)
        broad = cosine.square().square().square() * cosine.square().square()  # to the 12th
        gloss = (0.14 * broad + 0.5 * broad.square().square()) * surface.lit * incidence.sign().clamp_(min=0.0)
        glance = fresnel(towards_eye, 0.035)
        sheen = (gloss * key).addcmul_(0.75 * glance, ambient).mul_(surface.sheen)
        return sheen.addcmul_(surface.albedo, ambient.addcmul_(diffuse, key))


def dot(one: Tensor, other: Tensor) -> Tensor:
    """Dot products of P pairs of vectors, or of one vector with P: (3, P) or (3, 1), (3, P) -> (1, P)."""
    product = one[:1] * other[:1]
    return product.addcmul_(one[1:2], other[1:2]).addcmul_(one[2:], other[2:])


def fresnel(cosine: Tensor, at_normal: float) -> Tensor:
    """Schlick's approximation of the reflectance at an angle of that cosine, tamed at the rim: (1, P) -> (1, P)."""
    grazing = 1.0 - cosine.clamp(0.0, 1.0)
    return at_normal + 0.45 * grazing * grazing.square().square()


def facing(vertices: Tensor, faces: Tensor) -> Tensor:
    """Which triangles turn their outside to the camera: (N, 3) camera frame, (F, 3) -> (F,) bool."""
    corner = faces.t().flatten()
    x, y, z = (values.contiguous().index_select(0, corner).view(3, -1) for values in vertices.unbind(1))
    (x1, y1, z1), (x2, y2, z2) = ((x[k] - x[0], y[k] - y[0], z[k] - z[0]) for k in (1, 2))
    volume = (y1 * z2 - z1 * y2) * x[0] + (z1 * x2 - x1 * z2) * y[0] + (x1 * y2 - y1 * x2) * z[0]
    return volume < 0.0


def shadow(
    vertices: Tensor, normals: Tensor, faces: Tensor, direction: Tensor, softness_mm: float, map_size: int = 256
) -> Tensor:
    """Share of a distant light that reaches each vertex, past the mesh itself.

    A shadow map, rasterised from the light, is looked up on a disc around each vertex
    (percentage-closer filtering); each look-up is compared with the plane of the surface there,
    so that a slope does not shadow itself.

    Args:
        vertices: (N, 3) mm.
        normals: (N, 3) unit.
        faces: (F, 3) long.
        direction: (3,) unit, towards the light.
        softness_mm: radius of the disc.
        map_size: pixels along each side of the shadow map.

    Returns:
        (N,) in [0, 1].
    """
    seen_from, placed, intrinsics = _from_light(vertices, direction, map_size)
    towards_light = faces[facing(placed, faces)]  # a closed surface casts no other shadow
    depth = depth_buffer(placed[None], towards_light, intrinsics[None], map_size, map_size).flatten()
    pixel_mm = LIGHT_DISTANCE_MM / float(intrinsics[0, 0])
    turned = seen_from @ normals.T
    slopes = turned[:2] / (-turned[2:]).clamp(min=1.0 / _STEEPEST_SLOPE)
    offsets = _disc(_PENUMBRA_TAPS) * (softness_mm / pixel_mm)
    rise: list[Tensor] = []  # of the surface's plane between vertex and tap, (taps, N) along either axis
    place: list[Tensor] = []  # of the taps, (taps, N) pixels
    for axis, pixels in enumerate(project(placed[None], intrinsics[None])[0].unbind(1)):
        taps = (pixels + offsets[:, axis : axis + 1]).round_()
        rise.append((taps - pixels).mul_(slopes[axis] * pixel_mm))
        place.append(taps.clamp_(0, map_size - 1))
    index = (place[1] * map_size + place[0]).int().flatten()
    nearest = depth.index_select(0, index).view(_PENUMBRA_TAPS, -1)
    blocked = (nearest > 0) & (nearest <= (rise[0] + rise[1]).add_(placed[:, 2] - _SHADOW_BIAS_MM))
    return 1.0 - blocked.sum(0) / _PENUMBRA_TAPS


def ambient_occlusion(
    vertices: Tensor, normals: Tensor, faces: Tensor, directions: int = 48, floor: float = 0.15
) -> Tensor:
    """Cosine-weighted share of the surroundings that each vertex sees past the mesh: (N,) in [floor, 1]."""
    open_light = torch.zeros_like(vertices[:, 0])
    total = torch.zeros_like(open_light)
    for direction in _sphere(directions):
        cosine = (normals @ direction).clamp(min=0.0)
        open_light += cosine * shadow(vertices, normals, faces, direction, 2.0, map_size=128)
        total += cosine
    return floor + (1.0 - floor) * open_light / total.clamp(min=1e-6)


UP = torch.tensor([0.0, -1.0, 0.0])
"""Away from the floor, in axes whose y points down."""


def light_direction(azimuth_deg: float, elevation_deg: float) -> Tensor:
    """Unit vector towards a light that stands to the right of the camera (azimuth) and above it.

    Axes of the camera (x right, y down, z forward); 0, 0 is straight behind the camera.

    >>> [round(value, 3) + 0.0 for value in light_direction(30.0, 0.0).tolist()]
    [0.5, 0.0, -0.866]
    """
    azimuth, elevation = math.radians(azimuth_deg), math.radians(elevation_deg)
    across = math.cos(elevation)
    return torch.tensor([math.sin(azimuth) * across, -math.sin(elevation), -math.cos(azimuth) * across])


def _from_light(vertices: Tensor, direction: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """A camera at the light: its axes (3, 3), the vertices (N, 3) in them, and K (3, 3)."""
    forward = -direction
    helper = torch.eye(3)[int(forward.abs().argmin())]
    right = normalize(torch.linalg.cross(helper, forward), dim=0)
    axes = torch.stack([right, torch.linalg.cross(forward, right), forward])
    centre = 0.5 * (vertices.amin(0) + vertices.amax(0))
    radius = float((vertices - centre).norm(dim=1).max()) * 1.05
    placed = (vertices - centre) @ axes.T + torch.tensor([0.0, 0.0, LIGHT_DISTANCE_MM])
    focal = 0.5 * size * (LIGHT_DISTANCE_MM - radius) / radius
    middle = 0.5 * (size - 1)
    return axes, placed, torch.tensor([[focal, 0.0, middle], [0.0, focal, middle], [0.0, 0.0, 1.0]])


def _disc(count: int) -> Tensor:
    """Points spread evenly over the unit disc (Vogel's spiral): (count, 2)."""
    step = torch.arange(count, dtype=torch.float32)
    radius, angle = ((step + 0.5) / count).sqrt(), step * math.pi * (3.0 - math.sqrt(5.0))
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)


def _sphere(count: int) -> Tensor:
    """Directions spread evenly over the sphere (Fibonacci): (count, 3)."""
    step = torch.arange(count, dtype=torch.float32)
    height, angle = 1.0 - 2.0 * (step + 0.5) / count, step * math.pi * (3.0 - math.sqrt(5.0))
    across = (1.0 - height**2).sqrt()
    return torch.stack([across * angle.cos(), height, across * angle.sin()], dim=1)
