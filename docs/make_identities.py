"""Draws ``docs/identities.jpg``: three identity seeds as the lab and as the phone see them.

Rows are identities 0, 1, 2; columns: lab front, lab three quarters, a quiet and a smiling or speaking
frame of the clip that is adapted to. Lab pictures are linear: here they go through the sRGB curve.

    .venv/bin/python docs/make_identities.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from steadyface.capture.multiface import CaptureLayout
from steadyface.studio.lab_capture import LabStage, LabTask, frame_id
from steadyface.studio.motion import Performance, Shapes
from steadyface.studio.scene import Scene
from steadyface.studio.settings import StudioSettings
from steadyface.studio.subject import Subject
from steadyface.studio.wild_clip import ClipTask, WildStage, stage_clip

SEEDS = (0, 1, 2)
CELL = (300, 400)  # width and height of one picture, pixels
FRONT, THREE_QUARTERS = 0, 2  # of the lab's cameras: 0 and 33 degrees to the side
OUT = Path(__file__).with_name("identities.jpg")


def lab_pictures(scene: Scene, settings: StudioSettings) -> list[Image.Image]:
    """The face at rest, unturned, by two of the lab's cameras."""
    names = scene.subject.expression_names
    rest = Performance(np.zeros(1), np.zeros((1, len(names))), np.eye(3)[None], np.zeros((1, 3)))
    with tempfile.TemporaryDirectory() as folder:
        stage = LabStage(scene, settings, Path(folder))
        stage.record(LabTask("rest", 0, rest, writes_obj=False))
        layout = CaptureLayout(Path(folder))
        files = [layout.image(frame_id("rest", 0), stage.cameras[view].name) for view in (FRONT, THREE_QUARTERS)]
        return [Image.fromarray(displayed(np.asarray(Image.open(file)))) for file in files]


def displayed(linear: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The sRGB curve (IEC 61966-2-1)."""
    value = linear / 255.0
    curve = np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)
    return np.round(255.0 * curve).astype(np.uint8)


def clip_pictures(scene: Scene, settings: StudioSettings) -> list[Image.Image]:
    """The quietest frame of the clip, and the one with the widest mouth and open eyes; before compression."""
    shapes = Shapes(scene.subject.expression_names)
    staging = stage_clip(shapes.names, settings, settings.adapt_frames, clip=0)
    weights = staging.performance.weights
    mouth = weights[:, shapes.matching(["jawOpen", "mouthSmile"])].sum(1)
    lids = weights[:, shapes.matching(["eyeBlink"])].sum(1)
    chosen = [int(np.argmin(weights.sum(1))), int(np.argmax(mouth - 4.0 * lids))]
    stage = WildStage(scene, settings)
    shots = [stage.film(ClipTask("adapt", staging.slice(at, at + 1), [at])) for at in chosen]
    return [Image.fromarray(shot.frames[0]) for shot in shots]


def main() -> None:
    torch.set_num_threads(1)
    sheet = Image.new("RGB", (4 * CELL[0], len(SEEDS) * CELL[1]))
    for row, seed in enumerate(SEEDS):
        settings = StudioSettings(
            identity_seed=seed, lab_image_width=CELL[0], lab_image_height=CELL[1], cameras_per_frame=8
        )
        scene = Scene(Subject(seed))
        for column, picture in enumerate([*lab_pictures(scene, settings), *clip_pictures(scene, settings)]):
            sheet.paste(picture.resize(CELL, Image.Resampling.LANCZOS), (column * CELL[0], row * CELL[1]))
    sheet.save(OUT, quality=88)


if __name__ == "__main__":
    main()
