"""A person who does not exist: mesh, expression shapes and skin behind one class.

Every identity shares one topology. Everything follows from the identity seed, on the CPU.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from steadyface.studio import layout
from steadyface.studio.anatomy import EYE_RADIUS, Shape
from steadyface.studio.atlas import Atlas
from steadyface.studio.build import Hair, build_body, find_regions, lid_vertices
from steadyface.studio.expressions import EXPRESSION_NAMES, effective_weights
from steadyface.studio.palette import Palette


class Subject:
    """A synthetic person.

    Attributes:
        faces: (F, 3) long, vertex indices; uv: (M, 2) in [0, 1]; uv_faces: (F, 3) long, indices into uv.
        regions: lips, lids, brows, nose, cheeks, jaw, rigid -> (n,) long vertex indices.
        expression_names: the E names of the weights, ARKit's.
    """

    def __init__(self, identity_seed: int) -> None:
        generator = np.random.default_rng(identity_seed)
        shape = Shape.draw(generator)
        palette = Palette.draw(generator)
        body = build_body(shape, Hair(palette.hair_thickness, palette.hairline_shift), generator)
        self.faces, uv, self.uv_faces = (torch.from_numpy(array) for array in layout.build_topology())
        self.uv = uv.float()
        self.expression_names = EXPRESSION_NAMES
        regions = find_regions(body.canonical, body.shapes, shape)
        self.regions = {name: torch.from_numpy(index) for name, index in regions.items()}
        self._atlas = Atlas(body.canonical, shape, palette, generator)
        self._neutral = torch.from_numpy(body.neutral).float()
        self._shapes = torch.from_numpy(body.shapes).float().flatten(1)
        self._eyes = torch.from_numpy(body.eye_centres).float()
        lids = [lid_vertices(side) for side in (-1.0, 1.0)]
        self._lids = [torch.from_numpy(index) for index, _ in lids]
        self._keep_off = [torch.from_numpy(EYE_RADIUS + clearance).float()[:, None] for _, clearance in lids]

    def vertices(self, weights: Tensor) -> Tensor:
        """Mesh under expression weights (B, E) in [0, 1] -> (B, N, 3) mm, head frame.

        Linear in the weights, but for what ``effective_weights`` says, and lids slide over the eyeball
        instead of cutting through it.
        """
        vertices = self._neutral + (effective_weights(weights) @ self._shapes).view(len(weights), -1, 3)
        for centre, lids, keep_off in zip(self._eyes, self._lids, self._keep_off, strict=True):
            offset = vertices[:, lids] - centre
            distance = offset.norm(dim=-1, keepdim=True)
            vertices[:, lids] = centre + offset * (keep_off / distance).clamp(min=1.0)
        return vertices

    def expression_deltas(self) -> Tensor:
        """What each shape at weight 1 does to the neutral face, (E, N, 3) mm.

        ``mouthClose`` acts only as far as the jaw is open: what it does to an open mouth.
        """
        weights = torch.eye(len(self.expression_names))
        without = torch.zeros_like(weights)
        jaw, close = (self.expression_names.index(name) for name in ("jawOpen", "mouthClose"))
        weights[close, jaw] = without[close, jaw] = 1.0
        return self.vertices(weights) - self.vertices(without)

    def albedo(self, weights: Tensor, size: int) -> Tensor:
        """Skin colour under expression weights (B, E) -> (B, 3, size, size) linear RGB in [0, 1]."""
        return self._atlas.albedo(weights, size)

    def sheen(self, size: int) -> Tensor:
        """Strength of the skin's specular sheen, (1, size, size) in [0, 1]."""
        return self._atlas.sheen(size)
