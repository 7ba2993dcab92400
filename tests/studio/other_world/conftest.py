"""One small set for all tests of this folder."""

from __future__ import annotations

import pytest
import torch

from steadyface.studio.other_world.film_clip import Set
from steadyface.studio.other_world.settings import OtherWorldSettings
from steadyface.studio.scene import Scene


@pytest.fixture(scope="session")
def small() -> OtherWorldSettings:
    """A world of small pictures and few lights."""
    return OtherWorldSettings(
        identity_seed=3, adapt_frames=3, held_out_frames=0, width=96, height=128, focal_px=131.0, lights=24,
        exposure_samples=2,
    )  # fmt: skip


@pytest.fixture(scope="session")
def stage(small: OtherWorldSettings, scene: Scene) -> Set:
    pytest.importorskip("embreex")
    torch.set_num_threads(1)
    return Set(small, scene.subject)
