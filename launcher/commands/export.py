"""``steadyface export``: a track as other programs read it."""

from __future__ import annotations

import argparse
from pathlib import Path

from launcher.commands.command import Command


def export_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("track", type=Path, metavar="TRACK", help="a track.npz, or the folder that holds it")
    parser.add_argument(
        "--run", type=Path, required=True, help="the run that tracked it: an experiment's or a stage's folder, "
        "or a checkpoint",
    )  # fmt: skip
    parser.add_argument("--glb", action="store_true", help="track.glb: one animated mesh, metres, as Blender opens it")
    parser.add_argument("--obj", action="store_true", help="obj/: a mesh a frame, mm, with frames.csv")
    parser.add_argument("--ply", action="store_true", help="ply/: the same, binary")
    parser.add_argument("--arkit", action="store_true", help="arkit.csv: ARKit's 52 curves")
    parser.add_argument(
        "--shapes", type=Path, metavar="FILE", help="named shapes (.npz) for --arkit; those beside the lab capture "
        "by default",
    )  # fmt: skip
    parser.add_argument(
        "--space", choices=("camera", "head"), default="camera",
        help="of --obj and --ply: with the head pose (camera, the default) or without it",
    )  # fmt: skip
    parser.add_argument(
        "--error", type=float, default=0.1, metavar="MM",
        help="largest distance of the .glb's vertices from the track's; 0.1 by default, at most 64 shapes",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to write; the track's folder by default")


def export(arguments: argparse.Namespace) -> None:
    from launcher.export import FORMATS, export_file

    track = arguments.track / "track.npz" if arguments.track.is_dir() else arguments.track
    formats = [name for name in FORMATS if getattr(arguments, name)]
    export_file(
        track, arguments.run, formats, arguments.out or track.parent, arguments.shapes, arguments.space,
        arguments.error,
    )  # fmt: skip


COMMANDS = (
    Command(
        "export", export, "Write a track as an animated .glb, as OBJ or PLY meshes, or as ARKit's 52 curves.",
        "steadyface export tracked/my_clip/track.npz --run runs/demo --glb --arkit", export_words,
    ),
)  # fmt: skip
