"""The video of a validation: playable, in order, and in the W&B run."""

from __future__ import annotations

import numpy as np
import pytest
import wandb
from pytorch_lightning.loggers import WandbLogger

from callbacks.tracking_video import TrackingVideo
from steadyface.capture.video import probe, read_frames


class MediaLogger(WandbLogger):
    """Takes media as the launcher's logger does."""

    def log_media(self, name, media, step):
        self.taken = [*getattr(self, "taken", []), (name, step)]
        self.experiment.log({name: media})


def test_frames_come_in_order_side_by_side_with_the_face(fit, stage, tmp_path):
    fit(stage(), [TrackingVideo(zoom=4)], steps=2)
    path = tmp_path / "media" / "tracking_000002.mp4"
    info = probe(path)
    assert (info.width, info.height) == (256, 128)
    frames = list(read_frames(path))
    assert [frame.time_s for frame in frames] == pytest.approx([k / 30 for k in range(5)], abs=1e-3)
    crop, overlay = frames[0].image[:, :128], frames[0].image[:, 128:]
    assert np.abs(crop.astype(int) - 128).max() < 8  # the grey frame, untouched
    assert np.abs(overlay[64, 64].astype(int) - 128).max() > 20  # the face, in the middle
    assert np.abs(overlay[2, 2].astype(int) - 128).max() < 12


def test_a_resume_adds_the_later_steps_only(fit, stage, tmp_path):
    fit(stage(), [TrackingVideo()], steps=2)
    fit(stage(), [TrackingVideo()], steps=4, resume=True)
    names = sorted(path.name for path in (tmp_path / "media").iterdir())
    assert names == ["tracking_000002.mp4", "tracking_000004.mp4"]


def test_most_frames_bounds_the_video(fit, stage, tmp_path):
    fit(stage(), [TrackingVideo(most_frames=2)], steps=2)
    assert len(list(read_frames(tmp_path / "media" / "tracking_000002.mp4"))) == 2


def test_the_video_goes_into_an_offline_wandb_run(fit, stage, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "data"))
    run = wandb.init(mode="offline", dir=str(tmp_path), settings=wandb.Settings(silent=True, console="off"))
    logger = MediaLogger(experiment=run)
    fit(stage(), [TrackingVideo()], steps=2, logger=logger)
    run.finish()
    assert logger.taken == [("media/tracking", 1)]  # as the metrics of that validation: steps count from 0
    stored = list(tmp_path.glob("wandb/offline-run-*/files/media/videos/**/*.mp4"))
    assert len(stored) == 1
