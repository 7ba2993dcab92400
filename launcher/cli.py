"""The command line: ``steadyface run``, and the other commands of `launcher.commands`.

A fault in what the user gave is one line on stderr (expected, got, remedy) and exit code 2.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from launcher.commands import commands
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


if __name__ == "__main__":
    sys.exit(main())
