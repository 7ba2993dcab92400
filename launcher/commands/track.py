"""``steadyface track``: a clip, a pipe or a camera through a trained model, or through a generic tracker."""

from __future__ import annotations

import argparse
from pathlib import Path

from launcher.commands.command import Command
from steadyface.errors import InputError

MODEL, MEDIAPIPE, LARGEST = "model", "mediapipe", "largest"


def track_words(parser: argparse.ArgumentParser) -> None:
    # a text: as a path, an address would lose a slash
    parser.add_argument("clip", metavar="CLIP", help="a video, a folder of images; with --live a source")
    parser.add_argument("--run", type=Path, help="an experiment's or a stage's folder, or a checkpoint")
    where = parser.add_argument_group("where the face is; without a word, it is looked for")
    where.add_argument("--box", metavar="X,Y,W,H", help="the head in the first upright frame, pixels")
    where.add_argument("--face", default=LARGEST, metavar="largest|N", help="which of several; N from the left")
    where.add_argument("--crops", type=Path, metavar="FILE", help="crops.npz of an earlier run: no first pass")
    parser.add_argument(
        "--focal", type=float, default=0.0, metavar="PX",
        help="focal length of the full frame, pixels; without it that of the metadata, or estimated",
    )  # fmt: skip
    parser.add_argument("--filter", default="none", metavar="NAME", help="none, one_euro, kalman or savitzky_golay")
    parser.add_argument("--keyframes", type=Path, metavar="FILE", help="corrected frames (docs/keyframes.md)")
    what = parser.add_argument_group("what is written beside track.npz and crops.npz")
    what.add_argument("--write", default="", metavar="FORMATS", help="of glb,obj,ply,arkit, with commas")
    what.add_argument("--shapes", type=Path, metavar="FILE", help="named shapes for arkit; else the lab's")
    what.add_argument("--no-overlay", action="store_true", help="leave overlay.mp4 out")
    what.add_argument("--out", type=Path, metavar="DIR", help="where to write; tracked/<clip's name> by default")
    live = parser.add_argument_group("live")
    live.add_argument("--live", action="store_true", help="CLIP is a camera (/dev/video0), a pipe, - or an address")
    live.add_argument("--seconds", type=float, metavar="S", help="end after so long")
    live.add_argument("--stream-json", action="store_true", help="a line of JSON a frame on standard output")
    parser.add_argument("--tracker", default=MODEL, choices=(MODEL, MEDIAPIPE), help="mediapipe: a peer, needs no run")


def track(arguments: argparse.Namespace) -> None:
    """Choose the way that the words ask for, and refuse words that do not go together."""
    check_words_together(arguments)
    out = arguments.out or Path("tracked", "live" if arguments.live else Path(arguments.clip).stem)
    if arguments.tracker == MEDIAPIPE:
        from launcher.generic_tracking import track_with_mediapipe

        track_with_mediapipe(Path(arguments.clip), out)
    elif arguments.live:
        from launcher.live import track_live

        track_live(
            arguments.clip, arguments.run, parse_box(arguments.box), arguments.focal, out, arguments.filter,
            seconds=arguments.seconds, stream_json=arguments.stream_json,
        )  # fmt: skip
    else:
        track_whole(arguments, out)


def track_whole(arguments: argparse.Namespace, out: Path) -> None:
    """A clip that can be read twice."""
    from launcher.clip_way import Start
    from launcher.track_clip import TrackOptions, track_to_files
    from steadyface.capture.face_choice import parse_face

    options = TrackOptions(
        start=Start(parse_box(arguments.box), parse_face(arguments.face)), crops=arguments.crops,
        focal_px=arguments.focal, filter=arguments.filter, formats=list(filter(None, arguments.write.split(","))),
        shapes=arguments.shapes, overlay=not arguments.no_overlay, keyframes=arguments.keyframes,
    )  # fmt: skip
    track_to_files(Path(arguments.clip), arguments.run, options, out)


def check_words_together(arguments: argparse.Namespace) -> None:
    """Raises InputError for words that mean nothing beside one another."""
    if arguments.focal < 0:
        raise InputError("--focal", "a number of pixels above 0", f"{arguments.focal:g}", "leave it out, or correct it")
    if arguments.box and arguments.face != LARGEST:
        raise InputError("--face", "no --box beside it, which says where the face is", "both", "leave one of them out")
    if arguments.tracker == MEDIAPIPE:
        refuse(arguments, "--tracker mediapipe", ("run", "box", "crops", "keyframes", "write", "shapes", "live"))
        return
    if arguments.run is None:
        raise InputError("--run", "the run whose model tracks the clip", "none", "write --run runs/demo")
    if arguments.live:
        refuse(arguments, "--live", ("crops", "keyframes", "write", "shapes"))
    elif arguments.seconds is not None or arguments.stream_json:
        raise InputError("--seconds, --stream-json", "--live beside them", "a file", "leave them out, or write --live")


def refuse(arguments: argparse.Namespace, beside: str, words: tuple[str, ...]) -> None:
    """Raises InputError where one of the words was given."""
    given = ", ".join(f"--{word}" for word in words if getattr(arguments, word))
    if given:
        raise InputError(beside, "none of " + ", ".join(f"--{word}" for word in words), given, "leave it out")


def parse_box(text: str | None) -> list[float]:
    """``"x,y,w,h"`` as four numbers; empty without a text.

    >>> parse_box("120,80,360,360")
    [120.0, 80.0, 360.0, 360.0]
    """
    if text is None:
        return []
    try:
        box = [float(part) for part in text.split(",")]
    except ValueError:
        box = []
    if len(box) != 4 or not all(side > 0 for side in box[2:]):
        remedy = "write --box 120,80,360,360"
        raise InputError("--box", "four numbers x,y,w,h with w and h above 0", f"'{text}'", remedy)
    return box


COMMANDS = (
    Command(
        "track", track, "Track a clip, or a live source: track.npz, crops.npz, overlay.mp4 (docs/track-files.md).",
        "steadyface track my_clip.mp4 --run runs/demo --write glb,arkit", track_words,
    ),
)  # fmt: skip
