"""The gauge: rigid motion that tracking noise left in the meshes, moved into the head poses.

A mesh sequence that was "stabilised" still carries some of the head's motion. A decoder trained
on it would learn head motion as expression, so each mesh is aligned to the mean mesh on vertices
that do not move with expression, and the inverse goes into the pose.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from steadyface.geometry import alignment
from steadyface.geometry.alignment import align_rigid
from steadyface.geometry.cameras import transform

RIGID_SHARE = 0.2
"""The share of the vertices taken as rigid where the capture names none."""

_ROUNDS = 8
_CHUNK = 64  # meshes aligned at once, in double precision
_SAMPLES = 256  # meshes looked at to find the rigid vertices


class CanonicalPoses(NamedTuple):
    """T meshes and head poses after canonicalisation.

    Shapes: vertices (T, N, 3) mm; rotation (T, 3, 3) and translation (T, 3) mm, head -> world.
    """

    vertices: Tensor
    rotation: Tensor
    translation: Tensor


def canonicalise(
    vertices: Tensor, rotation: Tensor, translation: Tensor, mean: Tensor, rigid_vertices: Tensor
) -> CanonicalPoses:
    """Aligns each mesh to ``mean`` on the rigid vertices; every vertex keeps its place in the world.

    Shapes: vertices (T, N, 3), rotation (T, 3, 3), translation (T, 3) head -> world, mean (N, 3),
    rigid_vertices (K,) long.
    """
    chunks = zip(vertices.split(_CHUNK), rotation.split(_CHUNK), translation.split(_CHUNK), strict=True)
    parts = [alignment.canonicalise(*chunk, mean, rigid_vertices) for chunk in chunks]
    return CanonicalPoses(*(torch.cat(values) for values in zip(*parts, strict=True)))


def find_rigid_vertices(vertices: Tensor, mean: Tensor, share: float = RIGID_SHARE) -> Tensor:
    """The vertices that move least when the meshes are aligned on them; used where none are named.

    Starts from all vertices and alternates: align to the mean on the chosen ones, choose those
    with the smallest root mean square deviation. The chosen share shrinks slowly to ``share``: a
    sudden cut would settle on whatever the first, biased alignment happened to favour.

    Shapes: vertices (T, N, 3), mean (N, 3) -> (K,) long, sorted.
    """
    step = max(1, len(vertices) // _SAMPLES)
    sample, target = vertices[::step].double(), mean.double()
    chosen = torch.arange(len(mean))
    for current in torch.linspace(1.0, share, _ROUNDS).tolist() + [share] * _ROUNDS:
        rotation, translation = align_rigid(sample, target, chosen)
        aligned = transform(sample, rotation, translation)
        target = aligned.mean(0)
        deviation = (aligned - target).square().sum(-1).mean(0)
        chosen = deviation.argsort(stable=True)[: max(4, int(current * len(mean)))].sort().values
    return chosen
