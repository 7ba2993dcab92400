"""The tables of a comparison as a W&B run of its own, beside the first run."""

from __future__ import annotations

import math
import secrets
from pathlib import Path

import wandb

from launcher.compare.page import Comparison
from launcher.compare.tables import Cell, Table
from launcher.runs import code_version, make_folder
from launcher.settings import WandbSettings
from launcher.wandb_runs import group_of, resolved_settings, start_run, tags_of
from steadyface.errors import InputError

JOB, FOLDER = "compare", "compare"


def check_wandb(settings: WandbSettings) -> None:
    """Refuse settings under which nothing would be pushed."""
    if settings.mode == "disabled":
        raise InputError("wandb.mode", "offline or online", "disabled in the first run's experiment.yaml",
                         "leave --wandb out, or give another run first")  # fmt: skip


def push_tables(comparison: Comparison, settings: WandbSettings, folder: Path) -> Path:
    """Log every table and each verdict as one W&B run.

    Args:
        settings: of the first run's experiment: project, and offline or online.
        folder: of the first run; the W&B run's files lie in ``compare`` in it.

    Returns:
        Where the files of the W&B run lie.
    """
    out = folder / FOLDER
    make_folder(out)
    labels = [side.label for side in comparison.sides]
    code = code_version()
    run = start_run(
        out,
        settings,
        run_id=secrets.token_hex(4),
        group=group_of(folder.resolve().name, settings),
        job_type=JOB,
        name=f"{', '.join(labels[1:])} against {labels[0]}",
        tags=tags_of(resolved_settings(folder), JOB, code),
        config={
            "runs": {side.label: [member.word for member in side.members] for side in comparison.sides},
            "command": comparison.command,
            "code": code,
        },
    )
    try:
        run.log({f"{JOB}/{table.name}": wandb_table(table) for table in comparison.all_tables if table.rows})
        for judged in comparison.overall:
            run.summary[f"verdict/{judged.side.label}"] = str(judged.verdict)
    finally:
        run.finish()
    return out


def wandb_table(table: Table) -> wandb.Table:
    """A table whose number columns are numbers; what stands beside a number, its interval, is a column of its own."""
    names: list[str | int] = []
    columns: list[list[float | str | None]] = []
    for index, heading in enumerate(table.headings):
        cells = [row[index] for row in table.rows]
        numbers = all(cell.value is not None or cell.text == "-" for cell in cells)
        names.append(heading)
        columns.append([_number(cell) if numbers else cell.text for cell in cells])
        if numbers and any("[" in cell.text for cell in cells):
            names.append(f"{heading}, as shown")
            columns.append([cell.text for cell in cells])
    return wandb.Table(columns=names, data=[list(row) for row in zip(*columns, strict=True)])


def _number(cell: Cell) -> float | None:
    return float(cell.value) if cell.value is not None and math.isfinite(cell.value) else None
