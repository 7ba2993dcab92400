"""What ``steadyface check`` says of a clip or a lab capture.

A reader stops at the first fault; a check goes on and lists them. Nothing is changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from steadyface.capture.capture_check import check_capture
from steadyface.capture.clip_check import check_clip
from steadyface.capture.clip_figures import ModelLook
from steadyface.capture.face_choice import LARGEST, FaceChoice
from steadyface.capture.finding import Finding
from steadyface.capture.image_folder_index import list_images
from steadyface.errors import InputError


def check_path(
    path: Path, box: Sequence[float] = (), which: FaceChoice = LARGEST, model: ModelLook | None = None
) -> list[Finding]:
    """Findings in order; those marked ``fault`` need a repair.

    Args:
        path: a video file, a folder of images, or a capture's folder.
        box, which, model: of a clip, as `check_clip`.

    Raises:
        InputError: there is nothing at ``path``.
    """
    if not path.exists():
        raise InputError(path, "a video file or a capture folder", "nothing there", "check the path")
    try:
        return check_clip(path, box, which, model) if is_clip(path) else check_capture(path)
    except InputError as error:
        return [Finding("file", "fault", str(error))]


def is_clip(path: Path) -> bool:
    """Whether a file or folder is a clip rather than a capture: a folder with images in it, and no ``KRT``.

    Raises:
        InputError: a folder with images of two kinds.
    """
    return not path.is_dir() or (not (path / "KRT").exists() and bool(list_images(path)))
