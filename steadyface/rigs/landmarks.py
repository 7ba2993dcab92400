"""One scheme of landmarks for every rig: the 68 points of iBUG, counted from 0.

The points are those of the 300-W challenge (C. Sagonas et al., 300 Faces in-the-Wild Challenge, ICCV-W 2013), made
after Multi-PIE's. They run from the picture's left, the subject's right: 0-16 the jaw from the right ear over the chin
(8) to the left ear, 17-21 the right brow and 22-26 the left one, 27-30 the nose's ridge, 31-35 its base, 36-41 the
right eye from its outer corner over the upper lid, 42-47 the left eye from its inner corner over the upper lid, 48-59
the lips' outer border from the right corner over the upper lip, 60-67 their inner border likewise.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from steadyface.errors import InputError

COUNT = 68
CHIN, JAW_ENDS = 8, (0, 16)
NOSE_TIP = 30
OUTER_EYE_CORNERS = (36, 45)
GROUPS: dict[str, range] = {
    "jaw": range(17), "right brow": range(17, 22), "left brow": range(22, 27), "nose": range(27, 36),
    "right eye": range(36, 42), "left eye": range(42, 48), "outer lips": range(48, 60), "inner lips": range(60, 68),
}  # fmt: skip
INNER = tuple(range(17, COUNT))
"""Those that lie on the face itself; the jaw's 17 lie on its outline, and published FLAME embeddings may lack them."""

MIRRORED: tuple[int, ...] = (
    *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31,
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65,
)  # fmt: skip
"""The point that each becomes in a mirror."""

_EXPECTED = '{"68": [vertex, ...]} or {"68": {"faces": [[a, b, c], ...], "weights": [[x, y, z], ...]}}'
_REMEDY = "write it as docs/rigs.md shows"


class Landmarks(NamedTuple):
    """L of the 68 points as weighted means of three vertices, so that every rig's kind fits.

    Shapes: numbers, the points that there are, rising; vertices (L, 3) long; weights (L, 3), each row sums to 1.
    """

    numbers: tuple[int, ...]
    vertices: Tensor
    weights: Tensor

    @classmethod
    def at_vertices(cls, index: Tensor, numbers: tuple[int, ...] = tuple(range(COUNT))) -> Landmarks:
        """Landmarks that are vertices, (L,) long."""
        weights = torch.zeros(len(index), 3)
        weights[:, 0] = 1.0
        return cls(numbers, index.long()[:, None].expand(-1, 3).clone(), weights)

    @classmethod
    def none(cls) -> Landmarks:
        """A rig without landmarks."""
        return cls.at_vertices(torch.zeros(0, dtype=torch.long), ())

    def points(self, vertices: Tensor) -> Tensor:
        """Meshes (B, N, 3) -> landmarks (B, L, 3)."""
        return (vertices[:, self.vertices] * self.weights.to(vertices)[..., None]).sum(dim=2)

    def map(self, move: Callable[[Tensor], Tensor]) -> Landmarks:
        """The same with ``move`` done to its tensors."""
        return Landmarks(self.numbers, move(self.vertices), move(self.weights))

    @property
    def missing(self) -> tuple[int, ...]:
        """The numbers of the points that there are not."""
        return tuple(number for number in range(COUNT) if number not in self.numbers)


def named_ranges(numbers: tuple[int, ...]) -> str:
    """Numbers by the groups that they belong to.

    >>> named_ranges((8, 36, 37))
    'jaw 8; right eye 36, 37'
    """
    found = {name: [str(n) for n in numbers if n in group] for name, group in GROUPS.items()}
    whole = {name: len(found[name]) == len(group) for name, group in GROUPS.items()}
    texts = [
        f"{name} {GROUPS[name][0]}-{GROUPS[name][-1]}" if whole[name] else f"{name} {', '.join(members)}"
        for name, members in found.items() if members
    ]  # fmt: skip
    return "; ".join(texts)


def landmarks_of(subject: str | Path, stored: Any, vertex_count: int) -> Landmarks:
    """Landmarks from what a JSON file holds.

    Args:
        subject: for messages; stored: ``{"68": [...]}``, 68 vertices counted from 0, null for one that is missing; or
            three vertices and three weights a point; or the same for the 51 points without the jaw under ``"51"``.
        vertex_count: what the vertices may count to.

    Raises:
        InputError: anything else.
    """
    try:
        (key, value), = ((key, stored[key]) for key in ("68", "51") if key in stored)  # fmt: skip
        numbers = tuple(range(COUNT)) if key == "68" else INNER
        return _embedded(value, numbers) if isinstance(value, dict) else _listed(value, numbers, vertex_count)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(subject, f"landmarks as {_EXPECTED}", f"something else ({error})", _REMEDY) from None


def _listed(value: list[int | None], numbers: tuple[int, ...], vertex_count: int) -> Landmarks:
    if len(value) != len(numbers):
        raise ValueError(f"{len(value)} of {len(numbers)} points")
    kept = [(number, vertex) for number, vertex in zip(numbers, value, strict=True) if vertex is not None]
    if any(type(vertex) is not int or not 0 <= vertex < vertex_count for _, vertex in kept):
        raise ValueError(f"a vertex that is not one of 0..{vertex_count - 1}")
    return Landmarks.at_vertices(torch.tensor([v for _, v in kept], dtype=torch.long), tuple(n for n, _ in kept))


def _embedded(value: dict[str, Any], numbers: tuple[int, ...]) -> Landmarks:
    vertices, weights = torch.tensor(value["faces"]), torch.tensor(value["weights"], dtype=torch.float32)
    return embedded(vertices, weights, numbers)


def embedded(vertices: Tensor, weights: Tensor, numbers: tuple[int, ...]) -> Landmarks:
    """Landmarks inside triangles.

    Args:
        vertices: (L, 3) integers, the corners; weights: (L, 3) barycentric.

    Raises:
        ValueError: another shape, or weights that do not sum to 1.
    """
    shape = (len(numbers), 3)
    if tuple(vertices.shape) != shape or tuple(weights.shape) != shape or vertices.is_floating_point():
        raise ValueError(f"vertices {tuple(vertices.shape)} and weights {tuple(weights.shape)} for {shape}")
    if not bool((weights.sum(1) - 1.0).abs().max() < 1e-2):
        raise ValueError("weights that do not sum to 1")
    return Landmarks(numbers, vertices.long(), weights / weights.sum(1, keepdim=True))


def read_landmarks(path: Path, vertex_count: int) -> Landmarks:
    """Read a landmarks file; without one there are no landmarks.

    Raises:
        InputError: an unreadable file, or one that says something else.
    """
    if not path.exists():
        return Landmarks.none()
    return landmarks_of(path, read_json(path), vertex_count)


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        InputError: no such file, or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(path, "a readable JSON file", f"{error}", _REMEDY) from None
