"""A face rig: a neutral head, named expression shapes, identity modes, landmarks, and what of it is tracked.

Head frame: mm, OpenCV axes: x to the subject's left (right in a picture of them), y down, z to the back, so that the
face looks along -z and an unturned head has head pose identity. Left and Right in names are the subject's own.
Every format is brought to this, whatever it was written in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from steadyface.errors import InputError
from steadyface.rigs.landmarks import Landmarks
from steadyface.rigs.parts import EYES, PART_NAMES, TRACKED

_REMEDY = "export the rig again, or see docs/rigs.md for what its format needs"
ONE_DEVIATION = "one standard deviation of the population that the modes were made from"
UNKNOWN_UNIT = "unknown: as far from the neutral face as the file's shape is"


@dataclass(frozen=True)
class Rig:
    """A linear rig: ``neutral + sum(identity_i * mode_i) + sum(expression_e * delta_e)``.

    Shapes: N vertices, F triangles, M texture coordinates, E expressions, I identity modes, which may be none.
    ``uv`` lies in [0, 1] in the project's convention (`steadyface.types.SubjectStatistics`), and no part that is only
    drawn shares a texel with what is tracked.

    Attributes:
        name: where it came from, for messages.
        neutral: (N, 3) mm, head frame.
        faces: (F, 3) long, counter-clockwise as seen from outside; uv: (M, 2); uv_faces: (F, 3) long, into uv.
        expression_names: the E names; ARKit's where the shape is one of ARKit's.
        expressions: (E, N, 3) mm, what weight 1 adds to the neutral face.
        identity: (I, N, 3) mm, what one unit of each mode adds.
        identity_unit: what one unit is.
        landmarks: of the 68 points those that the rig has.
        part_of_face: (F,) long, index into ``parts.PART_NAMES`` of each triangle.
        notes: what was guessed or left out when it was read, in sentences for the user.
    """

    name: str
    neutral: Tensor
    faces: Tensor
    uv: Tensor
    uv_faces: Tensor
    expression_names: tuple[str, ...]
    expressions: Tensor
    identity: Tensor
    identity_unit: str
    landmarks: Landmarks
    part_of_face: Tensor
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require_consistent(self)

    @property
    def vertex_count(self) -> int:
        return int(self.neutral.shape[0])

    @property
    def tracked_faces(self) -> Tensor:
        """(F,) bool: the triangles of the skin that is tracked; all others are only drawn."""
        tracked = torch.tensor([name in TRACKED for name in PART_NAMES], device=self.faces.device)
        return tracked[self.part_of_face]

    @property
    def tracked_vertices(self) -> Tensor:
        """(n,) long: the vertices of the tracked triangles, in rising order."""
        return self.faces[self.tracked_faces].unique()

    def part_vertices(self, part: str) -> Tensor:
        """(n,) long: the vertices of a part's triangles, in rising order; none where the rig lacks the part.

        Args:
            part: one of ``parts.PART_NAMES``; ``eye_left`` and ``eye_right`` are the subject's own eyeballs.
        """
        return self.faces[self.part_of_face == PART_NAMES.index(part)].unique()

    @property
    def eyes(self) -> dict[str, Tensor]:
        """The eyeballs that the rig has: ``eye_left``, ``eye_right`` -> (n,) long vertices."""
        found = {name: self.part_vertices(name) for name in EYES}
        return {name: index for name, index in found.items() if len(index)}

    def vertices(self, identity: Tensor, expression: Tensor) -> Tensor:
        """Meshes of persons and their expressions.

        Args:
            identity: (B, I) in units of the modes; expression: (B, E) weights, [0, 1] for ARKit's shapes.

        Returns:
            (B, N, 3) mm, head frame.
        """
        moved = identity @ self.identity.flatten(1) + expression @ self.expressions.flatten(1)
        return self.neutral + moved.view(len(moved), -1, 3)

    def landmark_points(self, vertices: Tensor) -> Tensor:
        """The landmarks that the rig has, in the order of ``landmarks.numbers``: (B, N, 3) -> (B, L, 3) mm.

        L is 68 where none is missing.
        """
        return self.landmarks.points(vertices)

    def to(self, device: torch.device | None = None, dtype: torch.dtype | None = None) -> Rig:
        """The same rig on a device, its numbers of a type."""
        def move(values: Tensor) -> Tensor:
            return values.to(device=device, dtype=dtype if values.is_floating_point() else None)

        moved = {name: move(value) for name, value in vars(self).items() if isinstance(value, Tensor)}
        return replace(self, **moved, landmarks=self.landmarks.map(move))  # type: ignore[arg-type]


def _require_consistent(rig: Rig) -> None:
    """Every reader ends here, so that each bad file is one clear line.

    Raises:
        InputError: a shape, an index or a number that cannot be.
    """
    n, f, e = len(rig.neutral), len(rig.faces), len(rig.expression_names)
    expected = {
        "neutral": (n, 3), "faces": (f, 3), "uv": (len(rig.uv), 2), "uv_faces": (f, 3), "part_of_face": (f,),
        "expressions": (e, n, 3), "identity": (len(rig.identity), n, 3),
    }  # fmt: skip
    for name, shape in expected.items():
        values: Tensor = getattr(rig, name)
        if tuple(values.shape) != shape:
            raise InputError(rig.name, f"{name} of shape {shape}", str(tuple(values.shape)), _REMEDY)
        if values.is_floating_point() and not bool(torch.isfinite(values).all()):
            raise InputError(rig.name, f"finite {name}", "NaN or infinity", _REMEDY)
    if n == 0 or f == 0:
        raise InputError(rig.name, "a mesh with vertices and triangles", f"{n} vertices, {f} triangles", _REMEDY)
    if len(set(rig.expression_names)) < e:
        twice = sorted({name for name in rig.expression_names if rig.expression_names.count(name) > 1})
        raise InputError(rig.name, "each shape once", f"{', '.join(twice)} twice", "remove or rename one of them")
    _require_indices(rig)
    if not bool(rig.tracked_faces.any()):
        raise InputError(rig.name, "some triangles of the face's skin", "none", "name the parts, as docs/rigs.md says")
    if len(rig.uv) and not bool(((rig.uv >= 0) & (rig.uv <= 1)).all()):
        raise InputError(rig.name, "texture coordinates in [0, 1]", "some outside", _REMEDY)


def _require_indices(rig: Rig) -> None:
    """Raises InputError for an index beyond what it points into."""
    bounds = (
        ("faces", rig.faces, len(rig.neutral)), ("uv_faces", rig.uv_faces, len(rig.uv)),
        ("part_of_face", rig.part_of_face, len(PART_NAMES)),
        ("landmarks", rig.landmarks.vertices, len(rig.neutral)),
    )  # fmt: skip
    for name, index, count in bounds:
        if index.numel() and (int(index.min()) < 0 or int(index.max()) >= count):
            got = f"{int(index.min())}..{int(index.max())}"
            raise InputError(rig.name, f"indices 0..{count - 1} in {name}", got, _REMEDY)
