"""An artist's corrections of a track, as they are written down (docs/keyframes.md)."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import yaml
from pytorch3d.transforms import euler_angles_to_matrix, quaternion_to_matrix
from torch import Tensor

from steadyface.errors import InputError
from steadyface.types import SubjectStatistics

_REMEDY = "correct it; docs/keyframes.md shows a file"
_STATE_KEYS = ("rotation_matrix", "quaternion_wxyz", "euler_xyz_deg", "translation_mm", "latent")
_SIDES = {"left": (0, -1), "right": (0, 1), "top": (1, -1), "bottom": (1, 1), "front": (2, -1), "back": (2, 1)}
_ROTATIONS = _STATE_KEYS[:3]


@dataclass(frozen=True)
class Keyframe:
    """What one frame of a track should be; what is None stays as it was tracked.

    Attributes:
        frame: its number, from 0; None where the time says which.
        time_s: its time stamp; None where the number says which.
        rotation, translation, latent: (3, 3), (3,) mm and (Z,), of the track's file.
        vertices, pixels, doubt_px: (P,) long, (P, 2) of the full frame, and how exact they are: landmarks.
    """

    frame: int | None
    time_s: float | None
    rotation: Tensor | None = None
    translation: Tensor | None = None
    latent: Tensor | None = None
    vertices: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.long))
    pixels: Tensor = field(default_factory=lambda: torch.empty(0, 2))
    doubt_px: float = 1.0

    @property
    def name(self) -> str:
        """How messages name it."""
        return f"frame {self.frame}" if self.frame is not None else f"time {self.time_s:g} s"


def read_keyframes(path: Path, statistics: SubjectStatistics, latent_size: int) -> list[Keyframe]:
    """Read YAML or JSON.

    Args:
        path: the file.
        statistics: of the subject: its vertices, and the regions that name landmarks.
        latent_size: numbers in the track's latents.

    Raises:
        InputError: the file cannot be read, or holds no keyframe.
        ExceptionGroup: an InputError for every fault in it, all at once.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        got = "no such file" if not path.exists() else f"unreadable ({' '.join(str(error).split())})"
        raise InputError(path, "keyframes as YAML or JSON", got, _REMEDY) from None
    entries = content.get("keyframes") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries or set(content) != {"keyframes"}:
        raise InputError(path, "a list `keyframes:` and nothing beside it", _shown(content), _REMEDY)
    reader = _Reader(path, statistics, latent_size)
    keyframes = [reader.keyframe(number, entry) for number, entry in enumerate(entries)]
    places = [keyframe.name for keyframe in keyframes]
    for twice in sorted({place for place in places if places.count(place) > 1}):
        reader.fault("", "each frame once", f"{twice} twice")
    if reader.faults:
        raise ExceptionGroup(f"faults in {path}", reader.faults)
    return keyframes


def landmark_vertex(name: str, statistics: SubjectStatistics) -> int | None:
    """The vertex of a landmark ``REGION.SIDE``: of a region's vertices the outermost; None where there is none.

    left and right, top and bottom, front and back are those of the mean head as one sees it from the front:
    ``lips.left`` is the corner of the mouth on the picture's left.
    """
    region, _, side = name.rpartition(".")
    if region not in statistics.regions or side not in _SIDES:
        return None
    index = statistics.regions[region]
    axis, sign = _SIDES[side]
    return int(index[(sign * statistics.vertex_mean[index, axis]).argmax()])


class _Reader:
    """Reads entries and gathers what is wrong with them."""

    def __init__(self, path: Path, statistics: SubjectStatistics, latent_size: int) -> None:
        self._path, self._statistics, self._latent_size = path, statistics, latent_size
        self.faults: list[InputError] = []

    def fault(self, where: str, expected: str, got: str, remedy: str = _REMEDY) -> None:
        self.faults.append(InputError(f"{self._path}{': ' if where else ''}{where}", expected, got, remedy))

    def keyframe(self, number: int, entry: Any) -> Keyframe:
        where = f"keyframes[{number}]"
        nothing = Keyframe(-number - 1, None)
        if not self._mapping(where, entry, ("frame", "time_s", "state", "points", "doubt_px")):
            return nothing
        frame, time_s = entry.get("frame"), entry.get("time_s")
        if (frame is None) == (time_s is None):
            self.fault(where, "either `frame` or `time_s`", "both" if frame is not None else "neither")
        if frame is not None and (not isinstance(frame, int) or isinstance(frame, bool) or frame < 0):
            self.fault(f"{where}.frame", "a whole number from 0", _shown(frame))
            frame = nothing.frame
        if time_s is not None and not self._numbers(f"{where}.time_s", time_s, ()):
            time_s = None
        if (entry.get("state") is None) == (entry.get("points") is None):
            self.fault(where, "either `state` or `points`", "both" if entry.get("state") is not None else "neither")
            return nothing
        parts = self._state(f"{where}.state", entry["state"]) if entry.get("state") is not None else {}
        if entry.get("points") is not None:
            parts = self._points(f"{where}.points", entry["points"])
        doubt = entry.get("doubt_px", 1.0)
        if self._numbers(f"{where}.doubt_px", doubt, ()) and doubt <= 0:
            self.fault(f"{where}.doubt_px", "pixels above 0", _shown(doubt))
        if frame is None and time_s is None:
            frame = nothing.frame
        return Keyframe(frame, time_s, doubt_px=doubt if isinstance(doubt, (int, float)) else 1.0, **parts)

    def _state(self, where: str, entry: Any) -> dict[str, Tensor]:
        if not self._mapping(where, entry, _STATE_KEYS):
            return {}
        given = [key for key in _ROTATIONS if entry.get(key) is not None]
        if len(given) > 1:
            self.fault(where, f"one of {', '.join(_ROTATIONS)}", " and ".join(given))
        if not any(entry.get(key) is not None for key in _STATE_KEYS):
            self.fault(where, f"some of {', '.join(_STATE_KEYS)}", "none")
        parts = {}
        for key, shape in (("translation_mm", (3,)), ("latent", (self._latent_size,))):
            if entry.get(key) is not None and self._numbers(f"{where}.{key}", entry[key], shape):
                parts[key.removesuffix("_mm")] = torch.tensor(entry[key], dtype=torch.float32)
        if parts.get("translation", torch.ones(3))[2] <= 0:
            self.fault(f"{where}.translation_mm", "a head in front of the camera, z above 0", _shown(entry))
        if len(given) == 1:
            rotation = self._rotation(f"{where}.{given[0]}", given[0], entry[given[0]])
            parts |= {"rotation": rotation} if rotation is not None else {}
        return parts

    def _rotation(self, where: str, key: str, value: Any) -> Tensor | None:
        shape = {"rotation_matrix": (3, 3), "quaternion_wxyz": (4,), "euler_xyz_deg": (3,)}[key]
        if not self._numbers(where, value, shape):
            return None
        numbers = torch.tensor(value, dtype=torch.float64)
        if key == "euler_xyz_deg":
            # turned about x, then y, then z, axes that stay where they are
            return euler_angles_to_matrix(torch.deg2rad(numbers).flip(0), "ZYX").float()
        if key == "quaternion_wxyz":
            if float(numbers.norm()) < 1e-6:
                self.fault(where, "a quaternion that is not 0", _shown(value))
                return None
            return quaternion_to_matrix(numbers / numbers.norm()).float()
        if not torch.allclose(numbers @ numbers.t(), torch.eye(3).double(), atol=1e-3) or torch.det(numbers) < 0:
            self.fault(where, "a rotation, orthonormal and of determinant 1", _shown(value))
            return None
        return numbers.float()

    def _points(self, where: str, entries: Any) -> dict[str, Tensor]:
        if not isinstance(entries, list) or not entries:
            self.fault(where, "a list of points", _shown(entries))
            return {}
        vertices, pixels = [], []
        for number, entry in enumerate(entries):
            place = f"{where}[{number}]"
            if not self._mapping(place, entry, ("vertex", "landmark", "pixel")):
                continue
            vertex = self._vertex(place, entry)
            fits = self._numbers(f"{place}.pixel", entry.get("pixel"), (2,))
            if vertex is not None and fits:
                vertices.append(vertex)
                pixels.append(entry["pixel"])
        return {"vertices": torch.tensor(vertices, dtype=torch.long),
                "pixels": torch.tensor(pixels, dtype=torch.float32).view(-1, 2)}  # fmt: skip

    def _vertex(self, where: str, entry: dict[str, Any]) -> int | None:
        vertex, landmark = entry.get("vertex"), entry.get("landmark")
        if (vertex is None) == (landmark is None):
            self.fault(where, "either `vertex` or `landmark`", "both" if vertex is not None else "neither")
            return None
        count = self._statistics.vertex_count
        if vertex is not None:
            if isinstance(vertex, int) and not isinstance(vertex, bool) and 0 <= vertex < count:
                return vertex
            self.fault(f"{where}.vertex", f"a whole number from 0 to {count - 1}", _shown(vertex))
            return None
        found = landmark_vertex(str(landmark), self._statistics)
        if found is None:
            known = ", ".join(sorted(self._statistics.regions)) or "no region in this model"
            expected = f"REGION.SIDE with a region of {known} and a side of {', '.join(_SIDES)}"
            self.fault(f"{where}.landmark", expected, _shown(landmark))
        return found

    def _mapping(self, where: str, entry: Any, known: tuple[str, ...]) -> bool:
        if not isinstance(entry, dict):
            self.fault(where, f"a mapping with {', '.join(known)}", _shown(entry))
            return False
        for key in entry:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, 1, 0.0)[0]
                self.fault(f"{where}.{key}", "a known key", "another", f"the nearest known one is {near}")
        return True

    def _numbers(self, where: str, value: Any, shape: tuple[int, ...]) -> bool:
        """Whether a value is finite numbers of a shape; a fault where it is not."""
        try:
            numbers = torch.tensor(value, dtype=torch.float64)
        except (TypeError, ValueError, RuntimeError):
            numbers = torch.full((1,) * 9, math.nan)
        if tuple(numbers.shape) == shape and bool(torch.isfinite(numbers).all()):
            return True
        wanted = " x ".join(map(str, shape)) + " finite numbers" if shape else "a finite number"
        self.fault(where, wanted, _shown(value))
        return False


def _shown(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
