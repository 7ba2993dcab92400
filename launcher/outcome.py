"""What the stages of an experiment left behind: ``runs/<experiment>/stages.json``.

It names the folder and the checkpoint of every row, so that ``evaluate`` and ``track`` find them
without running or hashing anything. Paths are relative to it: a folder of runs can be moved.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from launcher.runs import LAST_CHECKPOINT, read_record, write_atomically
from steadyface.errors import InputError

ADAPTED = "adapted"
STAGES = "stages.json"


@dataclass(frozen=True)
class Outcome:
    """Where the results of an experiment's stages lie.

    studio: the studio's run folder, None without one; source: the source network's checkpoint;
    adapted: (variant, seed) -> checkpoint, ``adapted`` first; seconds: label -> time of the stage;
    sources: row -> checkpoint of another source network.
    """

    studio: Path | None
    source: Path
    adapted: dict[tuple[str, int], Path]
    seconds: dict[str, float]
    sources: dict[str, Path] = field(default_factory=dict)

    @property
    def best_known(self) -> Path:
        """The checkpoint that an experiment's name stands for: adapted under the first seed."""
        return next((path for (variant, _), path in self.adapted.items() if variant == ADAPTED), self.source)


def save_outcome(outcome: Outcome, folder: Path) -> None:
    """Write ``stages.json`` into an experiment's folder."""
    relative = _relative_to(folder)
    content: dict[str, Any] = {
        "studio": relative(outcome.studio) if outcome.studio else None,
        "source": relative(outcome.source),
        "sources": {row: relative(path) for row, path in outcome.sources.items()},
        "adapted": [
            {"variant": variant, "seed": seed, "checkpoint": relative(path)}
            for (variant, seed), path in outcome.adapted.items()
        ],
        "seconds": {label: round(seconds, 2) for label, seconds in outcome.seconds.items()},
    }
    write_atomically(folder / STAGES, json.dumps(content, indent=2) + "\n")


def load_outcome(folder: Path) -> Outcome:
    """Read ``stages.json`` of an experiment's folder.

    Raises:
        InputError: when it is not there (the stages never all finished) or cannot be read.
    """
    path = folder / STAGES
    remedy = "run the experiment to its end first"
    if not path.is_file():
        raise InputError(folder, f"an experiment's folder with {STAGES}", "none", remedy)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Outcome(
            studio=(folder / content["studio"]) if content["studio"] else None,
            source=folder / content["source"],
            adapted={
                (entry["variant"], int(entry["seed"])): folder / entry["checkpoint"]
                for entry in content["adapted"]
            },
            seconds=dict(content["seconds"]),
            sources={row: folder / path for row, path in content.get("sources", {}).items()},
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(path, "a list of stages", f"{type(error).__name__}: {error}", remedy) from error


def find_checkpoint(run: Path) -> Path:
    """The checkpoint that a path means: a file itself, a stage's last, an experiment's adapted network.

    Raises:
        InputError: when there is none, or the stage was not finished.
    """
    if run.is_file():
        return run
    record = read_record(run) if run.is_dir() else None
    if record is None and (run / STAGES).is_file():
        return load_outcome(run).best_known
    if record is None:
        raise InputError(
            run, "a run folder or a checkpoint", "neither", "give runs/<experiment> or a .ckpt file"
        )
    if record.state != "finished":
        raise InputError(
            run, "a finished stage", f"one that is {record.state}", "run its experiment again first"
        )
    return run / LAST_CHECKPOINT


def _relative_to(folder: Path) -> Callable[[Path], str]:
    return lambda path: os.path.relpath(path.resolve(), folder.resolve())
