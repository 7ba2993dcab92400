"""``steadyface track`` and ``check``: what is done with one clip or capture."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from launcher.commands.command import Command
from steadyface.errors import InputError


def track_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("clip", type=Path, metavar="CLIP")
    parser.add_argument(
        "--run", type=Path, required=True, help="an experiment's or a stage's folder, or a checkpoint"
    )
    parser.add_argument(
        "--box",
        metavar="X,Y,W,H",
        help="the head in the upright frame, pixels; without it MediaPipe finds it",
    )
    parser.add_argument(
        "--focal", type=float, default=0.0, metavar="PX", help="focal length of the full frame, pixels"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where to write; tracked/<clip's name> by default"
    )


def check_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", type=Path, metavar="CLIP-OR-CAPTURE")


def track(arguments: argparse.Namespace) -> None:
    from launcher.tracking import track_to_files

    out = arguments.out or Path("tracked", arguments.clip.stem)
    track_to_files(arguments.clip, arguments.run, parse_box(arguments.box), arguments.focal, out)


def check(arguments: argparse.Namespace) -> int:
    from steadyface.capture.check import FAULT, check_path

    findings = check_path(arguments.path)
    faults = [line.removeprefix(FAULT) for line in findings if line.startswith(FAULT)]
    print("".join(f"{line}\n" for line in findings if not line.startswith(FAULT)), end="")
    for fault in faults:
        print(f"steadyface: {fault}", file=sys.stderr)
    return 2 if faults else 0


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
        "track", track, "Track a clip: writes track.npz (states, vertices) and overlay.mp4.",
        "steadyface track my_clip.mp4 --run runs/demo --box 120,80,360,360 --focal 620", track_words,
    ),
    Command(
        "check", check, "Say what is in a clip or a lab capture, what is missing, and whether it can be used.",
        "steadyface check my_clip.mp4", check_words,
    ),
)  # fmt: skip
