"""One person, one scene and one small studio for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from steadyface.studio.generate import generate_studio
from steadyface.studio.scene import Scene
from steadyface.studio.settings import StudioSettings
from steadyface.studio.subject import Subject


@pytest.fixture(scope="session")
def small_settings() -> StudioSettings:
    """A studio that takes two seconds: no light in the clips, so that a head is a black silhouette."""
    return StudioSettings(
        identity_seed=3,
        lab_frames=5,
        lab_image_height=96,
        lab_image_width=72,
        texture_size=32,
        cameras=4,
        cameras_per_frame=2,
        clip_width=96,
        clip_height=128,
        clip_focal_px=124.0,
        adapt_frames=12,
        held_out_frames=3,
        key_colour=[0.0, 0.0, 0.0],
        ambient_above=[0.0, 0.0, 0.0],
        ambient_below=[0.0, 0.0, 0.0],
        crf=8,
        processes=1,
    )


@pytest.fixture(scope="session")
def scene() -> Scene:
    torch.set_num_threads(1)
    return Scene(Subject(3))


@pytest.fixture(scope="session")
def studio(small_settings: StudioSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("studio") / "out"
    generate_studio(small_settings, out)
    return out
