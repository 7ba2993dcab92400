"""Whether a stage that was killed ended as one that nobody killed: weights to W&B, bit for bit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from launcher.covered_logger import read_history
from launcher.metrics_file import read_metrics
from launcher.runs import read_record
from launcher.wandb_runs import STEP

PLACES = {"dirpath", "best_k_models", "current_score"}  # what of a callback's state need not be the same


def compare(kind: str, folder: Path, reference: Path) -> Iterator[str]:
    """What differs between a stage that was killed and the reference, bit for bit."""
    record = read_record(folder)
    if record is None or record.state != "finished":
        yield "not finished"
    if kind == "studio":
        if hashes(folder / "data") != hashes(reference / "data"):
            yield "files"
        return
    for name in ("last.ckpt", "best.ckpt") if kind != "adaptation" else ("last.ckpt",):
        mine, theirs = (
            torch.load(path / "checkpoints" / name, map_location="cpu", weights_only=True)
            for path in (folder, reference)
        )
        for part in ("state_dict", "networks", "optimizer_states", "lr_schedulers", "global_step"):
            if not same(mine.get(part), theirs.get(part)):
                yield f"{part} of {name}"
        if not same(*(callback_states(checkpoint) for checkpoint in (mine, theirs))):
            yield f"callbacks of {name}"
    if (folder / "metrics.csv").read_bytes() != (reference / "metrics.csv").read_bytes():
        yield "metrics.csv"
    yield from compare_wandb(folder)


def compare_wandb(folder: Path) -> Iterator[str]:
    """What is wrong with the W&B run: its parts together have one id, and each value of metrics.csv once, in order."""
    record = read_record(folder)
    assert record is not None  # it was resumed
    parts = sorted((folder / "wandb").glob("offline-run-*"))
    ids = {part.name.rpartition("-")[2] for part in parts}
    if ids != {record.wandb_id}:
        yield f"W&B ids {sorted(ids)}"
    rows = [row for part in parts for row in read_history(next(part.glob("*.wandb")))]
    metrics = read_metrics(folder / "metrics.csv")
    names = {name for _, name, _ in metrics}
    logged = [(int(row[STEP]), name) for row in rows for name in row if name in names]
    if sorted(logged) != sorted((step, name) for step, name, _ in metrics):
        yield "W&B values"
    axis = [step for step, name in logged if name.startswith("train/")]
    if axis != sorted(axis) or set(axis) != set(range(record.settings[record.kind]["steps"])):
        yield "W&B axis"


def same(one: Any, other: Any) -> bool:
    """Equal bit for bit: tensors, and containers of them."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) or (one != one and other != other)


def callback_states(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """The callbacks' states without paths; Lightning does not restore the last score, which nothing reads."""
    return {
        name: {key: value for key, value in state.items() if "path" not in key and key not in PLACES}
        for name, state in checkpoint["callbacks"].items()
    }


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*")) if path.is_file()
    }  # fmt: skip
