"""What is stored of a cell: where its clip and checkpoints lie, and what source, paper's objective and ours reached.

A cell's folder, ``RUNS/<cell>/``, holds a stage's folder for the clip and one for each adaptation, ``tracks/`` and,
once all of it is done, ``cell.json``. Paths in it are relative, so that a folder of runs can be moved.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from launcher.runs import write_atomically
from steadyface.errors import InputError

CELL = "cell.json"
ROWS = ("source", "paper", "ours")
LAYOUT_VERSION = 1


@dataclass(frozen=True)
class Row:
    """What one network reached on a cell's clip.

    checkpoint: of the network; metrics: those of ``evaluate``, by name; per_frame: ``reprojection_error_px`` and
    ``vertex_error_mm``, a value a frame; seconds: of its training; refused: why it was not trained, its figures are the
    source's then.
    """

    checkpoint: Path
    metrics: dict[str, float]
    per_frame: dict[str, list[float]]
    seconds: float = 0.0
    refused: str = ""


@dataclass(frozen=True)
class Cell:
    """One clip under one condition, and the three networks on it.

    world: who filmed it; condition, strength, subject (the studio's identity), seed; clip: the video, truth and facts
    beside it; frames: its length; digest: of all that decides the figures; seconds: what the cell took in all.
    """

    world: str
    condition: str
    strength: float
    subject: int
    seed: int
    clip: Path
    frames: int
    digest: str
    seconds: float
    source: Row
    paper: Row
    ours: Row

    def row(self, name: str) -> Row:
        """One of ``ROWS``."""
        found: Row = getattr(self, name)
        return found

    def change(self, name: str, metric: str) -> float:
        """A row's error over the source's, less one: -0.4 is 40 % less."""
        return self.row(name).metrics[metric] / self.source.metrics[metric] - 1.0


def save_cell(cell: Cell, folder: Path) -> None:
    """Write ``cell.json`` into a cell's folder, in one step."""
    content = asdict(cell) | {"layout_version": LAYOUT_VERSION, "clip": os.path.relpath(cell.clip, folder)}
    for name in ROWS:
        content[name]["checkpoint"] = os.path.relpath(cell.row(name).checkpoint, folder)
    write_atomically(folder / CELL, json.dumps(content, indent=1) + "\n")


def load_cell(path: Path) -> Cell:
    """Read a ``cell.json``. Raises InputError where it cannot be read."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("layout_version") != LAYOUT_VERSION:
            raise ValueError("written by another version")
        content["clip"] = path.parent / content["clip"]
        for name in ROWS:
            content[name] = Row(**{**content[name], "checkpoint": path.parent / content[name]["checkpoint"]})
        return Cell(**content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        got = f"{type(error).__name__}: {error}"
        raise InputError(path, "a stress cell", got, f"move {path.parent} away and run the suite again") from error


def read_cells(folder: Path) -> list[Cell]:
    """Every finished cell under a folder of ``steadyface stress``, ordered by name.

    Raises:
        InputError: the folder is not there, or a cell cannot be read.
    """
    if not folder.is_dir():
        raise InputError(folder, "a folder of stress cells", "no such folder", "run `steadyface stress` first")
    return [load_cell(path) for path in sorted(folder.glob(f"*/{CELL}"))]
