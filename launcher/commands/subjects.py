"""``steadyface studio`` and ``import-decoder``: subjects that come from elsewhere than a lab."""

from __future__ import annotations

import argparse
from pathlib import Path

from launcher.commands.command import Command


def studio_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=Path, metavar="OUT", help="a folder that does not exist yet")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="studio settings")


def import_decoder_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("released", type=Path, metavar="RELEASED.pth", help="their best_model.pth")
    parser.add_argument("out", type=Path, metavar="OUT.ckpt", help="a file that does not exist yet")
    parser.add_argument("--lab", type=Path, required=True, metavar="CAPTURE", help="the subject's capture")
    parser.add_argument("--variant", help="base, res, non, bilinear or warp; without it the file tells")


def studio(arguments: argparse.Namespace) -> None:
    from launcher.studio import write_studio

    write_studio(arguments.out, arguments.overrides)


def import_decoder(arguments: argparse.Namespace) -> None:
    from launcher.import_decoder import import_decoder

    import_decoder(arguments.released, arguments.lab, arguments.out, arguments.variant)


COMMANDS = (
    Command(
        "studio", studio, "Write a synthetic lab capture and phone clips with their truth.",
        "steadyface studio my_studio identity_seed=3 lab_frames=60", studio_words,
    ),
    Command(
        "import-decoder", import_decoder,
        "Bring in the released face model of a Multiface subject: writes a decoder's checkpoint.",
        "steadyface import-decoder best_model.pth --lab my_capture decoder.ckpt", import_decoder_words,
    ),
)  # fmt: skip
