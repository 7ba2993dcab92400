"""The command line: ``steadyface run``, and the commands of `commands`.

A fault in what the user gave is one line on stderr (expected, got, remedy) and exit code 2.
Each command imports what it needs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from steadyface import __version__
from steadyface.errors import InputError


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0, or 2 after a fault in the input."""
    arguments = build_parser().parse_args(argv)
    from launcher.logs import quiet_console

    quiet_console()
    code = 0
    try:
        code = arguments.command(arguments) or 0
    except* InputError as group:
        code = 2
        for fault in leaves(group):
            print(f"steadyface: {' '.join(str(fault).split())}", file=sys.stderr)
    return code


def leaves(group: BaseExceptionGroup) -> list[BaseException]:
    """The single errors of a group, however they are nested."""
    found: list[BaseException] = []
    for error in group.exceptions:
        found += leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


class Command(NamedTuple):
    """A sub-command: its name, what it calls, its help, and what adds its words to its parser."""

    name: str
    action: Callable[[argparse.Namespace], int | None]
    what: str
    example: str
    add_words: Callable[[argparse.ArgumentParser], None]


def commands() -> tuple[Command, ...]:
    """Every sub-command, in the order of the help."""
    return (
        Command(
            "run", run, "Run an experiment: train, adapt, track, compare. What was done before is reused.",
            "steadyface run experiments/demo.yaml adaptation.steps=200 'seeds=[0,1,2]'", run_words,
        ),
        Command(
            "track", track, "Track a clip: writes track.npz (states, vertices) and overlay.mp4.",
            "steadyface track my_clip.mp4 --run runs/demo --box 120,80,360,360 --focal 620", track_words,
        ),
        Command(
            "evaluate", evaluate,
            "Score the networks of a finished experiment again: table, summary.json, report.html.",
            "steadyface evaluate runs/demo --external smirk=smirk_adapt.npz smirk@held_out_clip=smirk_held_out.npz",
            evaluate_words,
        ),
        Command(
            "results", results,
            "Write the page of several finished experiments, one a subject: intervals, tests, claims.",
            "steadyface results runs/subject_0 runs/subject_1 runs/subject_2 --out docs/results.md", results_words,
        ),
        Command(
            "figures", figures,
            "Draw the paper's figures from finished experiments, one a subject: PNG and PDF files.",
            "steadyface figures runs/demo --only stability,sheet --out figures", figures_words,
        ),
        Command(
            "studio", studio, "Write a synthetic lab capture and phone clips with their truth.",
            "steadyface studio my_studio identity_seed=3 lab_frames=60", studio_words,
        ),
        Command(
            "check", check, "Say what is in a clip or a lab capture, what is missing, and whether it can be used.",
            "steadyface check my_clip.mp4", check_words,
        ),
        Command(
            "import-decoder", import_decoder,
            "Bring in the released face model of a Multiface subject: writes a decoder's checkpoint.",
            "steadyface import-decoder best_model.pth --lab my_capture decoder.ckpt", import_decoder_words,
        ),
    )  # fmt: skip


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; the help of each ends with an example."""
    parser = argparse.ArgumentParser(
        prog="steadyface",
        description="Track a face performance with a person's own face model, adapted to the clip.",
    )
    parser.add_argument("--version", action="version", version=f"steadyface {__version__}")
    known = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in commands():
        words = known.add_parser(
            command.name,
            help=command.what,
            description=command.what,
            epilog=f"example:\n  {command.example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        words.set_defaults(command=command.action)
        command.add_words(words)
    return parser


def run_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", type=Path, metavar="EXPERIMENT.yaml")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings that replace the file's")
    parser.add_argument(
        "--dry-run", action="store_true", help="print the resolved settings and the stages, run nothing"
    )


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


def evaluate_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of an experiment")
    parser.add_argument(
        "--external", nargs="+", default=[], metavar="NAME[@CLIP]=FILE.npz",
        help="another tracker's result as a row NAME, of the adapted clip or @held_out_clip; docs/external-trackers.md",
    )  # fmt: skip


def results_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="an experiment's folder, one a subject")
    parser.add_argument("--out", type=Path, required=True, metavar="PAGE.md", help="the page to write or replace")
    parser.add_argument(
        "--margin", type=float, default=0.05, metavar="SHARE",
        help="the change, as a share of the rival's value, that would not matter; 0.05 by default",
    )  # fmt: skip


def figures_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="an experiment's folder, one a subject")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where to write; RUN/figures by default, of several runs ./figures"
    )
    parser.add_argument(
        "--only", default="", metavar="NAMES", help="some of stability,sheet,ablation,accuracy; all by default"
    )


def studio_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=Path, metavar="OUT", help="a folder that does not exist yet")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="studio settings")


def check_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", type=Path, metavar="CLIP-OR-CAPTURE")


def import_decoder_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("released", type=Path, metavar="RELEASED.pth", help="their best_model.pth")
    parser.add_argument("out", type=Path, metavar="OUT.ckpt", help="a file that does not exist yet")
    parser.add_argument("--lab", type=Path, required=True, metavar="CAPTURE", help="the subject's capture")
    parser.add_argument("--variant", help="base, res, non, bilinear or warp; without it the file tells")


def run(arguments: argparse.Namespace) -> None:
    from launcher.experiment import describe_experiment, run_experiment
    from launcher.load import load_experiment

    experiment = load_experiment(arguments.experiment, arguments.overrides)
    if arguments.dry_run:
        print(describe_experiment(experiment))
    else:
        run_experiment(experiment)


def track(arguments: argparse.Namespace) -> None:
    from launcher.tracking import track_to_files

    out = arguments.out or Path("tracked", arguments.clip.stem)
    track_to_files(arguments.clip, arguments.run, parse_box(arguments.box), arguments.focal, out)


def evaluate(arguments: argparse.Namespace) -> None:
    from launcher.experiment import show_results

    show_results(arguments.run, arguments.external)


def results(arguments: argparse.Namespace) -> None:
    from launcher.results.page import write_results

    words = ["steadyface", "results", *map(str, arguments.runs), "--out", str(arguments.out)]
    command = shlex.join([*words, "--margin", f"{arguments.margin:g}"])
    write_results(arguments.runs, arguments.out, arguments.margin, command)


def figures(arguments: argparse.Namespace) -> None:
    from launcher.figures.write import write_figures

    write_figures(arguments.runs, arguments.out, arguments.only)


def studio(arguments: argparse.Namespace) -> None:
    from launcher.studio import write_studio

    write_studio(arguments.out, arguments.overrides)


def check(arguments: argparse.Namespace) -> int:
    from steadyface.capture.check import FAULT, check_path

    findings = check_path(arguments.path)
    faults = [line.removeprefix(FAULT) for line in findings if line.startswith(FAULT)]
    print("".join(f"{line}\n" for line in findings if not line.startswith(FAULT)), end="")
    for fault in faults:
        print(f"steadyface: {fault}", file=sys.stderr)
    return 2 if faults else 0


def import_decoder(arguments: argparse.Namespace) -> None:
    from launcher.import_decoder import import_decoder

    import_decoder(arguments.released, arguments.lab, arguments.out, arguments.variant)


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


if __name__ == "__main__":
    sys.exit(main())
