"""Rows of the table that are no trained network, by name: run by the same code on the same clips.

To add one: a function from a `BaselineClip` to a track, listed in ``BASELINES`` under its row's name,
and its place in the table in ``launcher.summary.LAST_ROWS``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from datamodules.wild_clips import WildClips
from launcher.judge import Judge
from launcher.tracking import Networks, TrackedClip
from steadyface.errors import InputError
from steadyface.tracking.generic_tracker import require_mediapipe, track_landmarks
from steadyface.tracking.landmark_track import LandmarkTrack
from steadyface.tracking.oracles import oracle_latent, oracle_pose
from steadyface.tracking.photometric_fit import photometric_fit
from steadyface.tracking.track import Track


@dataclass(frozen=True)
class BaselineClip:
    """A clip as a baseline gets it: its crops, the source's networks and track, and the judge's truth."""

    data: WildClips
    networks: Networks
    source: TrackedClip
    judge: Judge


Baseline = Callable[[BaselineClip], Track | LandmarkTrack | None]
"""Gives a track of every frame; None where the clip lacks what it needs, which is the truth."""


def fit_photometrically(clip: BaselineClip) -> Track:
    return photometric_fit(*clip.networks, clip.data.predict_dataloader(), clip.source.clip.intrinsics)


def know_pose(clip: BaselineClip) -> Track | None:
    truth = clip.judge.clip.truth
    return None if truth is None else oracle_pose(clip.networks.statistics, clip.source.track, truth)


def know_latent(clip: BaselineClip) -> Track | None:
    floor = clip.judge.floor
    return None if floor is None else oracle_latent(clip.source.track, floor)


def track_generically(clip: BaselineClip) -> LandmarkTrack:
    return track_landmarks(clip.judge.clip.path)


BASELINES: dict[str, Baseline] = {
    "photometric_fit": fit_photometrically,
    "generic_tracker": track_generically,
    "oracle_pose": know_pose,
    "oracle_latent": know_latent,
}


def check_baselines(names: Sequence[str]) -> None:
    """Raises InputError for a name that is none of ``BASELINES``, and where MediaPipe is asked for but missing."""
    for name in names:
        if name not in BASELINES:
            expected = f"some of {', '.join(BASELINES)}"
            raise InputError("evaluation.baselines", expected, f"'{name}'", "correct the name")
    if "generic_tracker" in names:
        require_mediapipe()
