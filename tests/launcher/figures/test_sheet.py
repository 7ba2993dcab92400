"""The sheet shows the clip's own frames, and the face alone beside them."""

from __future__ import annotations

import numpy as np
import pytest

from launcher.figures.finished import FinishedRun
from launcher.figures.sheet import PANEL, sheet_rows, spread_frames
from launcher.report.player import face_box
from steadyface.capture.crop import crop_image
from steadyface.capture.video import read_frames

FRAMES = 9  # of the clip of conftest


def test_the_sheet_shows_the_frames_themselves_and_the_face_alone(run):
    found = FinishedRun(run)
    shown = found.drawn_clip(found.clips[0], ("source", "adapted"))
    rows = sheet_rows(shown, found.networks.statistics, 3)
    indices = spread_frames(FRAMES, 3)
    assert [row.time_s for row in rows] == pytest.approx([index / 30 for index in indices], abs=1e-4)
    frames = {frame.index: frame.image for frame in read_frames(found.clips[0].path)}
    for index, row in zip(indices, rows, strict=True):
        assert np.array_equal(row.crop, crop_image(frames[index], face_box(shown), PANEL))
        assert list(row.tracked) == ["source", "adapted"]
        mesh, textured, overlay = row.tracked["adapted"]
        face = (mesh != 245).any(axis=-1)
        assert 0.1 < face.mean() < 0.99
        assert (textured[~face] == 245).all() and (textured[face].std(axis=0) > 1).all()
        beside = ~face & (np.abs(overlay - np.array([63, 242, 204])) > 1).any(axis=-1)  # and not the contour's colour
        assert np.array_equal(overlay[beside], row.crop[beside]) and (~face & ~beside).mean() < 0.05
        assert not np.array_equal(overlay[face], row.crop[face])
    assert spread_frames(2, 4) == [0, 1]
