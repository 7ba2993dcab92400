"""``steadyface confidence``: the calibration of a track's confidence, made and judged."""

from __future__ import annotations

import argparse
from pathlib import Path

from launcher.commands.command import Command


def confidence_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--calibrate", type=Path, nargs="+", required=True, metavar="RUN", help="experiments' folders, one a subject"
    )
    parser.add_argument(
        "--test", type=Path, nargs="+", required=True, metavar="RUN", help="experiments' folders of other subjects"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="for confidence.json, confidence.png and scores.json"
    )


def confidence(arguments: argparse.Namespace) -> None:
    from launcher.confidence_study import study_confidence

    study_confidence(arguments.calibrate, arguments.test, arguments.out)


COMMANDS = (
    Command(
        "confidence", confidence,
        "Calibrate the confidence of tracks under synthetic conditions, and judge it on other ones.",
        "steadyface confidence --calibrate runs/subject_0 runs/subject_1 --test runs/subject_2 --out confidence",
        confidence_words,
    ),
)  # fmt: skip
