"""``steadyface studio OUT``: the synthetic subject's capture and clips in a folder of the user's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from launcher.resolve import override_layers, resolve
from launcher.runs import make_folder
from steadyface.studio.generate import generate_studio
from steadyface.studio.settings import StudioSettings


def write_studio(out: Path, overrides: Sequence[str]) -> None:
    """Write ``out/lab`` and ``out/clips``; ``out`` appears only once all of it is there.

    Raises:
        InputError: ``out`` holds something already, or a setting cannot be used.
    """
    settings = resolve(StudioSettings, override_layers(overrides))
    make_folder(out.parent)
    generate_studio(settings, out)
    print(f"{out}: a lab capture in {out / 'lab'}, clips and their truth in {out / 'clips'}")
