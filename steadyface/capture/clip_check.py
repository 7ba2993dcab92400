"""One pass over a clip for ``steadyface check``: what is measured. ``clip_verdicts`` judges it.

Frames are looked at and let go: what is kept is a few numbers a look, and a look is no more often than
`LOOK_INTERVAL_S`. The light is measured on every frame, where the face was last seen.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from steadyface.capture.clip_figures import ClipFigures, ModelLook
from steadyface.capture.clip_verdicts import judge_clip
from steadyface.capture.crop import Box
from steadyface.capture.cuts import CutDetector
from steadyface.capture.detector import FaceFinder, head_box, open_finder
from steadyface.capture.face_choice import LARGEST, FaceChoice, FaceChooser
from steadyface.capture.finding import Finding
from steadyface.capture.mediapipe_finder import has_mediapipe
from steadyface.capture.sharpness import head_blur_px
from steadyface.capture.video import VideoFrame, probe, read_frames
from steadyface.errors import InputError

LOOK_INTERVAL_S = 0.1
"""Time between the frames in which the face is searched."""

MODEL_INTERVAL_S = 0.5
"""Time between the frames that a person's model looks at."""

BORDER_SHARE = 0.02
"""Of its side: a face whose box reaches further over the picture's border is cut by it."""


def check_clip(
    path: Path, box: Sequence[float] = (), which: FaceChoice = LARGEST, model: ModelLook | None = None
) -> list[Finding]:
    """Everything that can be said of a clip, judged.

    Args:
        path: a video file or a folder of images.
        box: x, y, w, h of the head; empty: searched by a detector where there is one.
        which: of several faces.
        model: of the person, where a run is given.

    Raises:
        InputError: the clip cannot be opened.
    """
    return judge_clip(measure_clip(path, box, which, model))


def measure_clip(
    path: Path, box: Sequence[float] = (), which: FaceChoice = LARGEST, model: ModelLook | None = None
) -> ClipFigures:
    """Arguments and errors as `check_clip`."""
    info = probe(path, partial=True)
    source = find_source(bool(box), model is not None)
    figures = ClipFigures(info, source, residual_limit=model.residual_limit if model else None)
    found_by: contextlib.AbstractContextManager[FaceFinder | None] = contextlib.nullcontext(model)
    if source in ("box", "detector"):
        found_by = open_finder(path, box)
    with found_by as finder, tqdm(
        total=info.frame_count or None, desc=path.name, unit="frame", disable=None, leave=False
    ) as bar:
        clip_pass = _Pass(figures, finder, FaceChooser(which), model)
        try:
            for frame in read_frames(path):
                clip_pass.take(frame)
                bar.update()
        except InputError as error:
            figures.unread = str(error)
    return figures


def find_source(box: bool, model: bool) -> str:
    """Who says where the face is: a model follows from the box, a box alone stays where it is."""
    if box:
        return "model" if model else "box"
    if has_mediapipe():
        return "detector"
    return "model" if model else "none"


class _Pass:
    """The state of a pass: where the face is, and when to look again."""

    def __init__(
        self, figures: ClipFigures, finder: FaceFinder | None, chooser: FaceChooser, model: ModelLook | None
    ) -> None:
        self._figures, self._finder, self._chooser, self._model = figures, finder, chooser, model
        self._cuts = CutDetector()
        self._face: Box | None = None
        self._next_look_s = self._next_view_s = -float("inf")
        self._viewed_s: float | None = None  # when the model saw a head in the frame before this one

    def take(self, frame: VideoFrame) -> None:
        """The next frame."""
        figures, place_before = self._figures, self._face
        figures.times_s.append(frame.time_s)
        cut = self._cuts.update(frame.image, frame.time_s)
        if cut:
            figures.cuts_s.append(frame.time_s)
            self._chooser.restart()
            self._next_look_s = self._next_view_s = frame.time_s
            self._viewed_s = None
        self._pair(frame)
        if self._finder is None:
            height, width = frame.image.shape[:2]
            self._face = (0.0, 0.0, float(width), float(height))
        elif frame.time_s >= self._next_look_s:
            self._next_look_s = frame.time_s + LOOK_INTERVAL_S * 0.99  # stamps are rounded
            self._look(frame, self._finder)
        if self._face is None:
            figures.light.lost()
            return
        figures.light.add(frame.image, frame.time_s, self._face, place_before, cut)
        if self._model is not None and self._finder is not None and frame.time_s >= self._next_view_s:
            self._next_view_s = frame.time_s + MODEL_INTERVAL_S * 0.99
            figures.model_looks += 1
            view = self._model.look(frame.image, head_box(self._face))
            figures.views += [view] if view is not None else []
            self._viewed_s = frame.time_s if view is not None else None

    def _pair(self, frame: VideoFrame) -> None:
        """What the model says of this frame beside the one before it, where it looked at that."""
        if self._viewed_s is not None and self._model is not None:
            pair = self._model.pair(frame.image)
            self._figures.pairs += [(self._viewed_s, frame.time_s, pair)] if pair is not None else []
        self._viewed_s = None

    def _look(self, frame: VideoFrame, finder: FaceFinder) -> None:
        figures = self._figures
        faces = finder.find(frame.image)
        self._face = self._chooser.choose(faces)
        figures.looks += 1
        figures.several += len(faces) > 1
        figures.found.append((frame.time_s, self._face is not None))
        if self._face is not None:
            height, width = frame.image.shape[:2]
            figures.face_px.append(max(self._face[2:]))
            figures.border += crosses_border(self._face, width, height)
            figures.blur_px.append(head_blur_px(frame.image, head_box(self._face)))


def crosses_border(face: Box, width: int, height: int) -> bool:
    """Whether a picture's border cuts a face off.

    >>> crosses_border((-5.0, 10.0, 50.0, 50.0), 640, 480), crosses_border((590.0, 10.0, 50.0, 50.0), 640, 480)
    (True, False)
    """
    slack = BORDER_SHARE * max(face[2:])
    x, y, w, h = face
    return min(x, y) < -slack or x + w > width + slack or y + h > height + slack
