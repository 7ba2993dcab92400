"""The registry of rigs: one line a format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from steadyface.errors import InputError
from steadyface.rigs import flame, glb, ict, obj_folder, own_head
from steadyface.rigs.rig import Rig


class Format(NamedTuple):
    """What a user is told it is, how its path is known, and what reads it."""

    description: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path], Rig]


FORMATS: tuple[Format, ...] = (  # the first that recognises a path reads it
    Format("ICT-FaceKit's folder", ict.recognises, ict.read_ict),
    Format("a folder of OBJ files", obj_folder.recognises, obj_folder.read_obj_folder),
    Format("a .glb with morph targets", glb.recognises, glb.read_glb),
    Format("FLAME as .npz", flame.recognises, flame.read_flame),
)
_PICKLES = (".pkl", ".pickle", ".npy", ".pt", ".pth")


def open_rig(name: str | Path) -> Rig:
    """Open a rig by its path, or the synthetic subject's head by the name ``own``.

    Raises:
        InputError: no such path, a format that is not known, or a file that its reader refuses.
    """
    if str(name) == own_head.NAME:
        return own_head.own_head()
    path = Path(name)
    known = f"{own_head.NAME!r} or a path: {', '.join(kind.description for kind in FORMATS)}"
    if not path.exists():
        raise InputError(path, known, "no such file or folder", "check the path")
    if path.suffix.lower() in _PICKLES:
        remedy = "convert it to .npz in an environment of your own, as docs/rigs.md shows"
        raise InputError(path, known, "a file that may run code when it is read", remedy)
    for kind in FORMATS:
        if kind.recognises(path):
            return kind.read(path)
    got = "a folder without .obj files" if path.is_dir() else f"a file {path.suffix or 'without an ending'}"
    raise InputError(path, known, got, "export it as one of these (docs/rigs.md)")
