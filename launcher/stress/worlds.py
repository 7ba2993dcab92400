"""Who films a cell's clip. Another generator is another entry of ``WORLDS``: same arguments, same files.

A film writes the video ``out``, its truth beside it (``NAME.truth.npz``) and its facts (``NAME.stress.npz``).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from steadyface.errors import InputError
from steadyface.studio.conditions import Trial
from steadyface.studio.settings import StudioSettings
from steadyface.studio.stress_clip import write_stress_clip

Film = Callable[[StudioSettings, Path, Trial, int, Path], None]
"""Settings of the person's studio, that studio's clip, what goes wrong, frames, the file to write."""

STUDIO_WORLD = "studio"
WORLDS: dict[str, Film] = {STUDIO_WORLD: write_stress_clip}


def find_world(name: str) -> Film:
    """The film of a name. Raises InputError where there is none."""
    if name not in WORLDS:
        raise InputError("--world", f"one of {', '.join(WORLDS)}", name, "choose one of them")
    return WORLDS[name]
