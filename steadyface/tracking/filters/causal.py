"""Filters that need no frame to come: what a live tracker can have, one frame a step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from steadyface.errors import InputError
from steadyface.tracking.filters.one_euro import OneEuro
from steadyface.tracking.filters.settings import ONE_EURO, OneEuroOfTrack
from steadyface.types import FaceState


class FilteredFace(NamedTuple):
    """One frame: its state, shapes (1, ...), and its vertices (N, 3) mm where they are known."""

    state: FaceState
    vertices: Tensor | None


class CausalFilter(ABC):
    """Filters the frames of a run as they come."""

    @abstractmethod
    def step(self, time_s: float, state: FaceState, vertices: Tensor | None = None) -> FilteredFace:
        """The next frame with a face, filtered.

        Args:
            time_s: of the frame, later than the one before.
            state: of one frame, shapes (1, ...).
            vertices: (N, 3) mm, canonical; in every frame of a run or in none.
        """

    @abstractmethod
    def restart(self) -> None:
        """A lost frame or a cut: what follows has nothing to do with what was before."""


class Unfiltered(CausalFilter):
    """Every frame as it is."""

    def step(self, time_s: float, state: FaceState, vertices: Tensor | None = None) -> FilteredFace:
        return FilteredFace(state, vertices)

    def restart(self) -> None:
        pass


class OneEuroFilter(CausalFilter):
    """1-Euro filters of latent, rotation, translation and of each vertex, with a cut-off each."""

    def __init__(self, settings: OneEuroOfTrack = ONE_EURO) -> None:
        self._latent, self._translation = OneEuro(settings.latent), OneEuro(settings.translation)
        self._rotation, self._vertices = OneEuro(settings.rotation, rotations=True), OneEuro(settings.vertices)

    def step(self, time_s: float, state: FaceState, vertices: Tensor | None = None) -> FilteredFace:
        filtered = FaceState(
            self._latent.step(time_s, state.latent),
            self._rotation.step(time_s, state.rotation),
            self._translation.step(time_s, state.translation),
        )
        return FilteredFace(filtered, None if vertices is None else self._vertices.step(time_s, vertices))

    def restart(self) -> None:
        for part in (self._latent, self._rotation, self._translation, self._vertices):
            part.restart()


CAUSAL_FILTERS: dict[str, Callable[[], CausalFilter]] = {"none": Unfiltered, "one_euro": OneEuroFilter}
"""name -> a filter at its start. A new one: a subclass of `CausalFilter` and its name here."""


def causal_filter(name: str) -> CausalFilter:
    """The filter of a name, at its start. Raises InputError for one that is unknown or needs frames to come."""
    if name not in CAUSAL_FILTERS:
        remedy = "choose one of them; other filters need the frames to come"
        raise InputError("--filter with --live", " or ".join(CAUSAL_FILTERS), f"'{name}'", remedy)
    return CAUSAL_FILTERS[name]()
