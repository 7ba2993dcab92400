"""``steadyface check``: what is in a clip or a capture."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

from launcher.commands.command import Command
from launcher.commands.track import parse_box


def check_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", type=Path, metavar="CLIP-OR-CAPTURE")
    parser.add_argument(
        "--run", type=Path, help="a trained run of the clip's person: tells occlusion, head turn and whose face it is"
    )
    parser.add_argument(
        "--box", metavar="X,Y,W,H", help="the head in the upright frame, pixels; without it a detector searches"
    )
    parser.add_argument(
        "--face", default="largest", metavar="WHICH",
        help="of several faces: largest, or N, the N-th from the left in the first frame that shows so many",
    )  # fmt: skip
    parser.add_argument(
        "--focal", type=float, default=0.0, metavar="PX", help="focal length of the full frame, pixels; for --run"
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def check(arguments: argparse.Namespace) -> int:
    from launcher.check import check_with_run
    from steadyface.capture.face_choice import parse_face
    from steadyface.capture.finding import format_findings, has_fault

    box, which = parse_box(arguments.box), parse_face(arguments.face)
    findings = check_with_run(arguments.path, arguments.run, box, which, arguments.focal)
    if arguments.json:
        listed = [one._asdict() | {"values": _numbers(one.values)} for one in findings]
        print(json.dumps({"path": str(arguments.path), "findings": listed}, indent=1))
    else:
        told = [one for one in findings if one.mark != "fault"]
        print("".join(f"{line}\n" for line in format_findings(told).splitlines()), end="")
    for one in findings:
        if one.mark == "fault":
            print(f"steadyface: {one.name + ': ' if one.name not in ('file', 'capture') else ''}{one.figure}"
                  f"{'; ' + one.remedy if one.remedy else ''}", file=sys.stderr)  # fmt: skip
    return 2 if has_fault(findings) else 0


def _numbers(values: dict[str, float]) -> dict[str, float | None]:
    """Without nan, which JSON does not have."""
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


COMMANDS = (
    Command(
        "check", check, "Say what is in a clip or a lab capture, what is missing, and whether it can be used.",
        "steadyface check my_clip.mp4", check_words,
    ),
)  # fmt: skip
