"""What is fixed for the subject of a lab capture: ``SubjectStatistics``."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from datamodules.lab_cache import read_meshes
from datamodules.lab_pixels import shrink_texture
from datamodules.lab_splits import SplitInstant
from steadyface.capture.canonical import find_rigid_vertices
from steadyface.capture.capture_index import MultifaceCapture
from steadyface.capture.multiface import CaptureStatistics, read_regions, read_statistics
from steadyface.errors import InputError
from steadyface.types import SubjectStatistics

logger = logging.getLogger(__name__)

RIGID_REGION = "rigid"
"""The name in ``regions.json`` of the vertices that do not move with expression."""


def read_subject(
    capture: MultifaceCapture, texture_size: int, training: Sequence[SplitInstant], threads: int
) -> SubjectStatistics:
    """What is fixed for the subject. Without a region named ``rigid`` the rigid vertices are searched for.

    Args:
        texture_size: texels, 0 = as on disk.
        training: the instants whose meshes are searched for rigid vertices.
    """
    topology, statistics = capture.read_topology(), read_statistics(capture.layout)
    count = len(topology.vertices)
    if len(statistics.vertex_mean) != count:
        raise InputError(
            capture.layout.vertex_mean,
            f"{count} vertices, as the capture's OBJ has",
            f"{len(statistics.vertex_mean)}",
            "use files of one capture",
        )
    path = capture.layout.regions
    named = read_regions(path, count) if path.exists() else {}
    regions = {name: torch.from_numpy(index) for name, index in named.items()}
    mean = torch.from_numpy(statistics.vertex_mean)
    rigid = regions.pop(RIGID_REGION, None)
    if rigid is None:
        logger.info("%s: no vertices are named %r: the least-moving ones are taken", path, RIGID_REGION)
        rigid = find_rigid_vertices(read_meshes(capture, training, count, threads), mean)
    return SubjectStatistics(
        faces=torch.from_numpy(topology.faces),
        uv=torch.from_numpy(topology.uv).float(),
        uv_faces=torch.from_numpy(topology.uv_faces),
        vertex_mean=mean,
        vertex_std=math.sqrt(statistics.vertex_variance),
        texture_mean=_texture_mean(capture, statistics, texture_size),
        texture_std=math.sqrt(statistics.texture_variance) / 255,
        rigid_vertices=rigid,
        regions=regions,
        cameras=tuple(capture.cameras),
    )


def _texture_mean(capture: MultifaceCapture, statistics: CaptureStatistics, texture_size: int) -> Tensor:
    mean, on_disk = statistics.texture_mean, len(statistics.texture_mean)
    if texture_size > on_disk:
        raise InputError(
            "texture_size",
            f"at most {on_disk}, the size of {capture.layout.texture_mean}",
            str(texture_size),
            "lower it, or 0 for the size on disk",
        )
    if texture_size not in (0, on_disk):
        mean = shrink_texture(mean, texture_size)
    return torch.from_numpy(mean).permute(2, 0, 1).float() / 255
