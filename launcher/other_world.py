"""The second generator's clips, and motion for it out of a real clip.

    python -m launcher.other_world clips runs/other_world/subject_0 identity_seed=0
    python -m launcher.other_world motion CLIP.mp4 --out motion.npz
    python -m launcher.other_world clips runs/replayed identity_seed=0 --motion motion.npz

``clips`` writes adapt.mp4 and held_out.mp4, each with its truth beside it, and settings.json with the fingerprint of
the settings (``steadyface.studio.other_world.settings``). ``motion`` tracks a face's landmarks with MediaPipe and
keeps only how the head moves and what the face does.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from launcher.runs import fingerprint, make_folder
from steadyface.errors import InputError
from steadyface.studio.other_world.dynamics import Motion, stand_in
from steadyface.studio.other_world.generate import MakeMotion, generate_other_world
from steadyface.studio.other_world.landmark_track import track_landmarks
from steadyface.studio.other_world.replay import Replay, replay_from_landmarks, replayed
from steadyface.studio.other_world.settings import OtherWorldSettings


def read_settings(words: Sequence[str]) -> OtherWorldSettings:
    """Settings with ``key=value`` words on top, checked.

    Raises:
        InputError: an unknown key, or a value that cannot be used.
    """
    known = {name: type(value) for name, value in dataclasses.asdict(OtherWorldSettings()).items()}
    values = {}
    for word in words:
        name, _, text = word.partition("=")
        if name not in known:
            raise InputError(f"other_world.{name}", "a known setting", word, f"one of {', '.join(known)}")
        try:
            values[name] = known[name](text)
        except ValueError:
            expected = "a whole number" if known[name] is int else "a number"
            raise InputError(f"other_world.{name}", expected, text or "nothing", "change it") from None
    settings = OtherWorldSettings(**values)
    settings.check()
    return settings


def motion_maker(path: Path | None) -> tuple[MakeMotion, str]:
    """The stand-in, or the replay of a file of tracked motion; and what settings.json says of it.

    Raises:
        InputError: the file cannot be used.
    """
    if path is None:
        return stand_in, ""
    replay = Replay.load(path)

    def make(rng: np.random.Generator, seconds: float, settings: OtherWorldSettings) -> Motion:
        return replayed(replay, rng, seconds, settings)

    return make, f"{path.name} {fingerprint(path)}"


def write_clips(out: Path, settings: OtherWorldSettings, motion: Path | None) -> None:
    """Write both clips of one person into ``out``."""
    make, told = motion_maker(motion)
    make_folder(out.parent)
    generate_other_world(settings, out, make, told, said=lambda line: print(line, flush=True))
    print(f"{out}: other world {settings.fingerprint}, frozen {settings.frozen}")


def write_motion(clip: Path, out: Path) -> None:
    """Track the landmarks of a clip and write the motion that they tell."""
    replay = replay_from_landmarks(*track_landmarks(clip))
    replay.save(out)
    print(f"{out}: {len(replay.time_s)} frames, {', '.join(replay.names)}")


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Clips of the second generator.")
    commands = parser.add_subparsers(dest="command", required=True)
    clips = commands.add_parser("clips", help="write adapt.mp4 and held_out.mp4 with their truth")
    clips.add_argument("out", type=Path, help="a new folder")
    clips.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="identity_seed=1 adapt_frames=64")
    clips.add_argument("--motion", type=Path, help="a file that the command motion wrote; without it a stand-in")
    motion = commands.add_parser("motion", help="head pose and expression of a real clip, by MediaPipe")
    motion.add_argument("clip", type=Path)
    motion.add_argument("--out", type=Path, required=True, help="the file to write, .npz")
    arguments = parser.parse_args(words)
    torch.set_num_threads(1)
    try:
        if arguments.command == "clips":
            write_clips(arguments.out, read_settings(arguments.settings), arguments.motion)
        else:
            write_motion(arguments.clip, arguments.out)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
