"""A stage's run folder: what it is, how far it got, and when it can be taken instead of run again.

``runs/<experiment>/<stage>-<hash>/`` holds ``experiment.yaml`` (resolved), ``run.json``,
``checkpoints/``, ``metrics.csv``, ``wandb/``, ``media/`` and ``log.txt``. The hash is that of the
stage's settings and of its inputs; no time stamp is in any path, so the same work has one place.
``run.json`` says ``running`` before any work starts and ``finished`` only after all of it: a stage
that was killed is never taken for a finished one.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from steadyface.errors import InputError

LAYOUT_VERSION = 1
RECORD = "run.json"
EXPERIMENT = "experiment.yaml"  # the resolved experiment, in a stage's folder and in an experiment's
LAST_CHECKPOINT = Path("checkpoints", "last.ckpt")


@dataclass(frozen=True)
class Stage:
    """What decides a stage's result.

    kind: ``studio``, ``appearance``, ``pretraining`` or ``adaptation``; settings: plain containers;
    inputs: name -> hash of the stage or of the files that it reads; label: for people, not hashed.
    """

    kind: str
    label: str
    settings: dict[str, Any]
    inputs: dict[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """12 hexadecimal digits that differ when the settings or an input differ."""
        content = {"kind": self.kind, "settings": self.settings, "inputs": self.inputs}
        text = json.dumps(content, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def folder_name(self) -> str:
        return f"{self.kind}-{self.digest}"


@dataclass
class RunRecord:
    """The content of ``run.json``; ``state`` is running, finished, failed or interrupted."""

    id: str
    kind: str
    label: str
    state: str
    wandb_id: str
    code_version: str
    settings: dict[str, Any]
    inputs: dict[str, str]
    seconds: float = 0.0
    error: str = ""
    resumed_from: str = ""
    layout_version: int = LAYOUT_VERSION


@dataclass(frozen=True)
class StageResult:
    """Where a stage's results lie, how long it trained in all, and whether it was taken as it was."""

    folder: Path
    label: str
    seconds: float
    reused: bool

    @property
    def checkpoint(self) -> Path:
        return self.folder / LAST_CHECKPOINT


def fingerprint(path: Path) -> str:
    """A hash of external data: names, sizes and modification times of a file or of a folder's files.

    Raises:
        InputError: when nothing is there.
    """
    if not path.exists():
        raise InputError(path, "a file or folder", "nothing there", "correct the path in the experiment")
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    base = path.parent if path.is_file() else path
    listing = [(str(f.relative_to(base)), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    return hashlib.sha256(json.dumps(listing).encode()).hexdigest()[:12]


def code_version() -> str:
    """The commit that runs (``-dirty`` with local changes), or the package's version outside a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return version("steadyface")


def write_atomically(path: Path, text: str) -> None:
    """Replace a file in one step: a reader sees the old text or the new, never a part."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with part.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(part, path)


def read_record(folder: Path) -> RunRecord | None:
    """The record of a run folder, None where there is none.

    Raises:
        InputError: for a record that cannot be read, or that another version of the layout wrote.
    """
    path = folder / RECORD
    if not path.is_file():
        return None
    remedy = f"move {folder} away and run again"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.get("layout_version") != LAYOUT_VERSION:
            got = f"layout {content.get('layout_version')}"
            raise InputError(path, f"a run of layout {LAYOUT_VERSION}", got, remedy)
        return RunRecord(**content)
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(path, "a readable run record", str(error), remedy) from error


def write_record(folder: Path, record: RunRecord) -> None:
    write_atomically(folder / RECORD, json.dumps(asdict(record), indent=2, sort_keys=True) + "\n")


def find_finished(runs: Path, stage: Stage) -> Path | None:
    """The folder, in any experiment under ``runs``, where this very stage was finished."""
    for folder in sorted(runs.glob(f"*/{stage.folder_name}")):
        record = read_record(folder)
        if record is not None and record.state == "finished":
            return folder
    return None


def find_unfinished(runs: Path, stage: Stage) -> Path | None:
    """The folder, in any experiment under ``runs``, where this very stage left a checkpoint to go on from.

    The latest of them, where several were stopped.
    """
    folders = []
    for folder in runs.glob(f"*/{stage.folder_name}"):
        record = read_record(folder)
        if record is not None and record.state != "finished" and (folder / LAST_CHECKPOINT).is_file():
            folders.append(folder)
    return max(folders, key=lambda folder: (folder / LAST_CHECKPOINT).stat().st_mtime_ns, default=None)


def make_folder(folder: Path) -> None:
    """Make a folder for results, with its parents.

    Raises:
        InputError: when the system does not allow it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        got = error.strerror or type(error).__name__
        raise InputError(folder, "a folder to write to", got, "choose another place") from error
