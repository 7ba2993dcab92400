"""The campaign: cell after cell, each kept when it is done; a stopped one goes on where it was."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from callbacks.progress import duration
from launcher.execution import say
from launcher.memory import keep_freed_memory
from launcher.runs import make_folder, write_atomically
from launcher.stopping import clean_stops
from launcher.stress.cell_run import finished_cell, run_cell
from launcher.stress.cells import ROWS, Cell
from launcher.stress.grid import CellKey, plan_cells
from launcher.stress.report import write_report
from launcher.stress.settings import StressSettings, load_stress
from launcher.stress.subjects import StressSubject, find_subjects
from launcher.stress.worlds import STUDIO_WORLD, find_world
from lightning_modules.adaptation_settings import check_parts
from steadyface.errors import InputError
from steadyface.studio.stress_clip import frames_of_take

CAMPAIGN = "campaign.json"


def run_stress(
    files: Sequence[Path], runs: Path, sources: Sequence[Path], *, grid: str = "full", world: str = STUDIO_WORLD,
    page: Path | None = None, overrides: Sequence[str] = (),
) -> None:
    """Every cell of a grid, then the page.

    Args:
        files: conditions, files or folders of them.
        runs: the folder of the cells.
        sources: finished experiments, one a subject.
        grid: full, strengths or quick.
        world: who films.
        page: the Markdown page to write or replace, its figures beside it; None for none.
        overrides: ``key=value`` words, of every condition.

    Raises:
        InputError or ExceptionGroup: faults of what was given, before anything is filmed.
    """
    started = time.monotonic()
    find_world(world)
    conditions, subjects = load_stress(files, overrides), find_subjects(sources)
    cells = plan_cells(conditions, list(subjects), grid, world)
    check_takes(cells, subjects)
    check_windows(cells, subjects)
    if page is not None and page.is_dir():
        raise InputError(page, "a file to write", "a folder", "write --out docs/stress.md")
    make_folder(runs)
    torch.set_num_threads(conditions[0].trainer.threads)
    keep_freed_memory()
    with clean_stops():
        try:
            spent = _run_all(cells, subjects, runs, started)
        finally:
            if page is not None:
                write_report(runs, page)
    say(f"stress: {len(cells)} cells in {runs}, {duration(spent)} of wall time in all")
    if page is not None:
        say(f"stress: page: {page}")


def _run_all(
    cells: dict[CellKey, StressSettings], subjects: dict[int, StressSubject], runs: Path, started: float
) -> float:
    """The cells that are not done yet; returns the wall time of the whole campaign, attempts before this one too."""
    left = {key: one for key, one in cells.items() if finished_cell(key, one, subjects[key.subject], runs) is None}
    say(f"stress: {len(cells)} cells, {len(cells) - len(left)} of them done before")
    spent = note_campaign(runs, cells, time.monotonic() - started)
    begun = last = time.monotonic()
    for done, (key, settings) in enumerate(left.items(), start=1):
        say(f"stress: {key.name}")
        cell = run_cell(key, settings, subjects[key.subject], runs)
        now = time.monotonic()
        spent, last = note_campaign(runs, cells, now - last), now
        say(progress_line(cell, len(cells) - len(left) + done, len(cells), done, now - begun))
    return spent


def check_takes(cells: dict[CellKey, StressSettings], subjects: dict[int, StressSubject]) -> None:
    """Refuse a cell for which a studio's clip is too short, before anything is filmed. Raises InputError."""
    for key, settings in cells.items():
        studio = subjects[key.subject].experiment.studio
        needed = frames_of_take(key.trial, settings.frames, studio.fps)
        if needed > studio.adapt_frames:
            remedy = "lower the strength or `frames`, or give a studio with a longer clip"
            raise InputError(subjects[key.subject].filmed, f"{needed} frames, for {key.name}",
                             str(studio.adapt_frames), remedy)  # fmt: skip


def check_windows(cells: dict[CellKey, StressSettings], subjects: dict[int, StressSubject]) -> None:
    """Refuse an objective that asks for longer windows than a subject's experiment has. Raises InputError."""
    for key, settings in cells.items():
        frames = len(subjects[key.subject].experiment.clips.window_offsets_s)
        for fault in check_parts(settings.adaptation, landmark_branch=True, window_frames=frames):
            raise fault


def note_campaign(runs: Path, cells: dict[CellKey, StressSettings], seconds: float) -> float:
    """Add wall time to ``campaign.json``, and the cells to those that are asked for; returns the time so far."""
    path = runs / CAMPAIGN
    before: dict[str, Any] = {"wall_s": 0.0, "cells": []}
    if path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
    names = dict.fromkeys([*before["cells"], *(key.name for key in cells)])
    spent = float(before["wall_s"]) + seconds
    write_atomically(path, json.dumps({"wall_s": round(spent, 1), "cells": list(names)}, indent=1) + "\n")
    return spent


def progress_line(cell: Cell, done: int, count: int, done_now: int, elapsed_s: float) -> str:
    """What is said after a cell: its reprojection errors, the rate, the time left."""
    errors = ", ".join(f"{name} {cell.row(name).metrics['reprojection_error_px']:.2f}" for name in ROWS)
    left = f", {duration(elapsed_s / done_now * (count - done))} left" if done < count else ""
    return f"stress: {done}/{count} cells, {duration(elapsed_s / done_now)} a cell{left}; reprojection px: {errors}"
