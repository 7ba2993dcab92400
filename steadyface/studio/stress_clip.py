"""Writes a clip under a condition of the stress suite, its truth beside it as beside every clip of a studio.

The clip is a stretch of a studio's ``clips/adapt.mp4``: the same person, room, light, phone and performance, and
for one seed the same stretch whatever the condition, so that only the condition differs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steadyface.capture.clip_truth import ClipTruth, truth_path
from steadyface.capture.video import read_frames
from steadyface.capture.video_writer import VideoWriter
from steadyface.errors import InputError
from steadyface.geometry.cameras import project, transform
from steadyface.studio.backgrounds import paint_room
from steadyface.studio.condition_kinds import Pixels, Take
from steadyface.studio.conditions import Trial, disturb, frames_needed
from steadyface.studio.lighting import RoomLight
from steadyface.studio.phone_camera import translate
from steadyface.studio.scene import Scene
from steadyface.studio.settings import StudioSettings
from steadyface.studio.stress_conditions import CLEAN, check_stress, find_stress
from steadyface.studio.stress_staging import STAGED, StressStaging
from steadyface.studio.subject import Subject
from steadyface.studio.torso import Torso
from steadyface.studio.wild_clip import ClipTask, Staging, WildStage, clip_intrinsics, stage_clip

_POINT_STEP = 7  # every so manieth vertex of the face's regions says where the face is
_LIGHT_STEP = 4  # frames over which the torso keeps the light that it is painted in


@dataclass(frozen=True)
class StressFacts:
    """What is true of T frames beside their geometry.

    source (T,): the frame of the studio's clip that is shown; hidden (T,): share of the face's points that are
    covered; present (T,) bool: whether the face is there; shot (T,): one more after each cut.
    """

    source: NDArray[np.int64]
    hidden: NDArray[np.float32]
    present: NDArray[np.bool_]
    shot: NDArray[np.int64]

    def save(self, path: Path) -> None:
        """Write an npz."""
        with path.open("wb") as stream:
            np.savez(stream, **vars(self))

    @classmethod
    def load(cls, path: Path) -> StressFacts:
        """Read what ``save`` wrote."""
        with np.load(path) as stored:
            return cls(**{name: stored[name] for name in cls.__dataclass_fields__})


class StressClip(NamedTuple):
    """T frames, each (H, W, 3) uint8 sRGB, made when asked for, with their truth and facts."""

    frames: Iterable[Pixels]
    truth: ClipTruth
    facts: StressFacts


def facts_path(clip: Path) -> Path:
    """Where the facts of a clip lie: ``NAME.mp4`` -> ``NAME.stress.npz`` beside it."""
    return clip.with_suffix(".stress.npz")


def write_stress_clip(settings: StudioSettings, filmed: Path, trial: Trial, frames: int, out: Path) -> None:
    """Write a clip under a condition, with its truth and its facts beside it.

    Args:
        settings: of the studio that made the clip.
        filmed: that studio's ``clips/adapt.mp4``, its truth beside it.
        trial: a name of ``STRESS``, how strong, and the seed of all that is drawn.
        frames: T.
        out: the video file; its folder is made.

    Raises:
        InputError: an unknown condition, a strength outside its range, a clip that is missing or too short.
    """
    check_stress(trial.condition, trial.strength)
    clip = overlaid(settings, filmed, trial, frames)
    if find_stress(trial.condition).staged:
        clip = staged(settings, trial, frames, clip)
    times = clip.truth.time_s.tolist()
    with VideoWriter(out, settings.clip_width, settings.clip_height, settings.fps, crf=settings.crf) as writer:
        for image, time_s in zip(clip.frames, times, strict=True):
            writer.write(image, time_s)
    clip.facts.save(facts_path(out))
    clip.truth.save(truth_path(out))


def overlaid(settings: StudioSettings, filmed: Path, trial: Trial, frames: int) -> StressClip:
    """The stretch of the filmed clip that belongs to the seed, under the condition's overlay, if it has one."""
    truth, overlay = ClipTruth.load(truth_path(filmed)), _overlay_of(trial)
    needed = frames_needed(overlay, frames, settings.fps)
    start = first_frame(len(truth.time_s), frames, needed, trial.seed)
    images = [frame.image for frame in read_frames(filmed)][start : start + needed]
    face = face_points(truth, face_vertices(settings.identity_seed))[start : start + needed]
    shown = disturb(Take(images, face, settings.fps), overlay, frames)
    source = shown.source + start
    part = {name: value[torch.from_numpy(source)] for name, value in vars(truth).items()}
    part["time_s"] = part["time_s"] - part["time_s"][0]
    return StressClip(shown.frames, ClipTruth(**part), StressFacts(source, shown.hidden, shown.present, shown.shot))


def _overlay_of(trial: Trial) -> Trial:
    """What is laid over the filmed clip: nothing, where the condition wants it filmed again."""
    overlay = find_stress(trial.condition).overlay
    return trial._replace(condition=overlay) if overlay else trial._replace(condition=CLEAN, strength=0.0)


def frames_of_take(trial: Trial, frames: int, fps: float) -> int:
    """Frames of the studio's clip that a clip of so many frames needs."""
    return frames_needed(_overlay_of(trial), frames, fps)


def first_frame(available: int, frames: int, needed: int, seed: int) -> int:
    """Where the stretch of a seed starts, whatever the condition; earlier where that leaves too few frames.

    Raises:
        InputError: the clip is too short.
    """
    if available < needed:
        remedy = "lower the strength or `frames`, or give a studio with a longer clip"
        raise InputError("the studio's adapt.mp4", f"at least {needed} frames", str(available), remedy)
    start = int(np.random.default_rng([seed, 909]).integers(0, available - frames + 1))
    return min(start, available - needed)


@cache
def _subject(identity: int) -> Subject:
    return Subject(identity)


def face_vertices(identity: int) -> Tensor:
    """Some vertices all over a person's face: (n,) long."""
    return torch.cat(list(_subject(identity).regions.values())).unique()[::_POINT_STEP]


def face_points(truth: ClipTruth, index: Tensor) -> NDArray[np.float32]:
    """Where vertices truly are in the picture: (T, n, 2) pixels."""
    placed = transform(truth.vertices[:, index], truth.rotation, truth.translation)
    return project(placed, truth.intrinsics).numpy()


def staged(settings: StudioSettings, trial: Trial, frames: int, clip: StressClip) -> StressClip:
    """The stretch of a clean clip, filmed again as the condition's staging wants it."""
    first, scene = int(clip.facts.source[0]), Scene(_subject(settings.identity_seed))
    names = list(scene.subject.expression_names)
    staging = stage_clip(names, settings, settings.adapt_frames, 0).slice(first, first + frames)
    rng = np.random.default_rng([trial.seed, 910])
    stress = STAGED[find_stress(trial.condition).staged](staging, trial.strength, rng, settings, names)
    seeds = [int(np.random.SeedSequence([trial.seed, 911, t]).generate_state(1)[0]) for t in range(frames)]
    with torch.no_grad():
        footage = StressStage(scene, settings, stress).film(ClipTask("stress", stress.staging, seeds))
    performance = stress.staging.performance
    truth = ClipTruth(
        vertices=torch.from_numpy(footage.vertices),
        rotation=torch.from_numpy(performance.rotation).float(),
        translation=torch.from_numpy(performance.translation).float(),
        intrinsics=clip_intrinsics(settings).expand(frames, 3, 3).contiguous(),
        time_s=clip.truth.time_s,
    )
    facts = StressFacts(clip.facts.source, clip.facts.hidden, clip.facts.present, np.array(stress.shot, np.int64))
    return StressClip(footage.frames, truth, facts)


class StressStage(WildStage):
    """The room and the phone, where light, room and picture may differ from frame to frame.

    Args:
        scene: the person.
        settings: of the studio.
        stress: what is filmed.
    """

    def __init__(self, scene: Scene, settings: StudioSettings, stress: StressStaging) -> None:
        super().__init__(scene, settings)
        self._stress, self._torsos = stress, {0: self._torso}
        size, seed = (settings.clip_height, settings.clip_width), settings.identity_seed
        self._rooms = {number: paint_room(*size, seed + 7000 * number) for number in set(stress.rooms)}

    def light_at(self, index: int) -> RoomLight:
        """The frame's own light."""
        return self._stress.lights[index]

    def expose(self, staging: Staging, index: int, mesh: Tensor) -> Tensor:
        """Light on the sensor, (H, W, 3) linear: the mean of the places where a shaken picture was."""
        self._room, self._torso = self._rooms[self._stress.rooms[index]], self._torso_in(index)
        picture = super().expose(staging, index, mesh)
        path = self._stress.smear_px[index]
        if len(path) == 1 and not path.any():
            return picture
        return torch.stack([translate(picture, float(x), float(y)) for x, y in path]).mean(0)

    def _torso_in(self, index: int) -> Torso:
        """The torso in the light of about this frame; it is painted anew only where that light moved."""
        near = index - index % _LIGHT_STEP
        light = self._stress.lights[near]
        if torch.equal(light.direction, self._light.direction):
            return self._torsos[0]
        if near not in self._torsos:
            scene, settings = self._scene, self._settings
            self._torsos = {0: self._torsos[0], near: Torso(
                scene.rest, scene.subject.faces, light, self._intrinsics, settings.head_distance_mm,
                settings.identity_seed,
            )}  # fmt: skip
        return self._torsos[near]
