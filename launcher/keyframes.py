"""An artist's keyframes applied to a finished track's file: ``steadyface track CLIP --keyframes FILE``.

Beside ``track.npz`` lie ``track_uncorrected.npz``, from which every set of keyframes starts anew, and
``track_origin.json``, which says of which clip, networks and options it is: with the same ones a further
set of keyframes takes seconds, for the clip is not tracked again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from launcher.runs import write_atomically
from launcher.tracking import Networks
from steadyface.tracking.keyframe_file import Keyframe, read_keyframes
from steadyface.tracking.keyframes import Frames, correct, corrected, find_frames
from steadyface.tracking.track_file import BLOCK_FRAMES, StoredTrack, TrackWriter

TRACK, UNCORRECTED, ORIGIN = "track.npz", "track_uncorrected.npz", "track_origin.json"


def read_for(networks: Networks, path: Path) -> list[Keyframe]:
    """The keyframes of a file, for these networks; to be called before anything is tracked.

    Raises:
        InputError or ExceptionGroup: all that is wrong with the file, at once.
    """
    return read_keyframes(path, networks.statistics, len(networks.face_model.latent_mean))


def origin_of(clip: Path, checkpoint: Path, options: Mapping[str, object]) -> dict[str, str]:
    """What a track follows from: the clip's and the checkpoint's content, and the options, as text."""
    return {
        "clip": _content(clip), "checkpoint": _content(checkpoint),
        "options": json.dumps({name: str(value) for name, value in options.items()}, sort_keys=True),
    }  # fmt: skip


def remember_origin(out: Path, origin: Mapping[str, str]) -> None:
    """Say what ``out/track.npz`` is of, once it is whole; a track before corrections that lay there is gone."""
    (out / UNCORRECTED).unlink(missing_ok=True)
    write_atomically(out / ORIGIN, json.dumps(dict(origin), indent=2) + "\n")


def forget_origin(out: Path) -> None:
    """To be called before a track is written anew: what is left of a stopped one is taken for no finished one."""
    (out / ORIGIN).unlink(missing_ok=True)


def earlier_track(out: Path, origin: Mapping[str, str]) -> Path | None:
    """The uncorrected track of the same clip, networks and options in ``out``; None where it must be tracked."""
    try:
        known = json.loads((out / ORIGIN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    found = [out / name for name in (UNCORRECTED, TRACK) if (out / name).is_file()]
    return found[0] if known == dict(origin) and found else None


def apply_to_folder(out: Path, keyframes: Sequence[Keyframe], networks: Networks) -> list[str]:
    """Correct ``out/track.npz``; the track before all corrections stays as ``track_uncorrected.npz``.

    Returns:
        a line about each keyframe, and one about the frames around them.

    Raises:
        InputError or ExceptionGroup: a keyframe outside the track; the track stays as it is.
    """
    source = out / UNCORRECTED if (out / UNCORRECTED).is_file() else out / TRACK
    frames = small_fields(StoredTrack(source))
    find_frames(frames, keyframes)
    if source.name == TRACK:
        os.link(source, out / UNCORRECTED)
    return correct_file(out / UNCORRECTED, out / TRACK, keyframes, networks)


def correct_file(source: Path, target: Path, keyframes: Sequence[Keyframe], networks: Networks) -> list[str]:
    """Write a track's file with its keyframes met, a block of frames at a time; as `apply_to_folder` otherwise."""
    track = StoredTrack(source)
    correction = correct(small_fields(track), keyframes, networks.statistics, networks.face_model)
    with TrackWriter(target) as writer:
        for first in range(0, len(track), BLOCK_FRAMES):
            block = track[first : first + BLOCK_FRAMES]
            writer.append(corrected(block, correction, first, networks.statistics, networks.face_model))
    around = len(correction.frames) - len(keyframes)
    return [*correction.told, f"{around} of {len(track)} frames corrected with them"]


def small_fields(track: StoredTrack) -> Frames:
    """A track without its meshes: a quarter of a kilobyte a frame."""
    blocks = [[getattr(block, name) for name in Frames._fields] for block in track.blocks()]
    return Frames(*(torch.cat(parts) for parts in zip(*blocks, strict=True)))


def _content(path: Path) -> str:
    """Hash of a file, or of the names and sizes in a folder of images."""
    digest = hashlib.sha256()
    if path.is_dir():
        for inner in sorted(path.iterdir()):
            digest.update(f"{inner.name} {inner.stat().st_size} {inner.stat().st_mtime_ns}\n".encode())
        return digest.hexdigest()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
