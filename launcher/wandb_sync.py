"""``steadyface sync``: the offline parts of runs, sent to the W&B server by ``wandb sync``.

A run that was stopped and gone on with has several parts under one W&B id. W&B sends them in the order in which they
began. The first parts go as new runs, then all later ones with ``WANDB_RESUME=allow``: W&B then asks the server where
the run ends, and numbers the rows of a part from there on.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from launcher.locks import running_in
from launcher.outcome import STAGES, load_outcome
from launcher.runs import RECORD
from steadyface.errors import InputError

PARTS = "wandb/offline-run-*/run-*.wandb"
SYNCED = ".synced"  # W&B's mark beside a file that it has sent
APPEND = {"WANDB_RESUME": "allow"}
REACH_S = 10.0


class Part(NamedTuple):
    """One offline part of a W&B run: its file, W&B's id, when it began (as W&B writes it), whether it was sent."""

    file: Path
    wandb_id: str
    began: str
    sent: bool


def sync_runs(runs: Sequence[Path], dry_run: bool = False) -> int:
    """Send what was not sent yet of the given runs; returns the exit code.

    Args:
        runs: folders of experiments (all their stages and scores) or of stages.
        dry_run: print the command lines only.

    Raises:
        InputError: a folder holds no W&B run, nobody is logged in, or the server cannot be reached.
    """
    parts = [part for run in runs for part in find_parts(run)]
    first, later = to_send(parts)
    rounds = [(variables, batch) for variables, batch in (({}, first), (APPEND, later)) if batch]
    if not rounds:
        print(f"nothing to send: all {len(parts)} parts were sent before")
        return 0
    if dry_run:
        print("\n".join(command_line(variables, batch) for variables, batch in rounds))
        return 0
    check_server()
    for variables, batch in rounds:
        left = send(batch, variables)
        if left:
            print(f"steadyface: {len(left)} of {len(batch)} parts were not sent, first {left[0].file}", file=sys.stderr)
            return 1
    return 0


def find_parts(run: Path) -> list[Part]:
    """All parts of a run in order: those of one id together, as they began. Of a stage at work there is no last
    part yet: it is passed over and said.

    Raises:
        InputError: for a folder without any.
    """
    found: dict[Path, Part] = {}
    folders = stage_folders(run)
    running = [folder for folder in folders if is_running(folder)]
    for folder in running:
        print(f"{folder}: still running, passed over", file=sys.stderr)
    for folder in (folder for folder in folders if folder not in running):
        for file in folder.glob(PARTS):
            began = "-".join(file.parent.name.split("-")[2:3] + file.parent.name.split("-")[4:])
            sent = file.with_name(file.name + SYNCED).exists()
            found[file.resolve()] = Part(file, file.stem.removeprefix("run-"), began, sent)
    if not found and not running:
        remedy = "give runs/<experiment> or a stage's folder that was run with wandb.mode=offline"
        raise InputError(run, "a folder with offline W&B runs", "none", remedy)
    first: dict[str, str] = {}
    for part in found.values():
        first[part.wandb_id] = min(part.began, first.get(part.wandb_id, part.began))
    return sorted(found.values(), key=lambda part: (first[part.wandb_id], part.wandb_id, part.began))


def stage_folders(run: Path) -> list[Path]:
    """A folder, those in it, and those of the stages that an experiment took from others."""
    folders = [run, *sorted(path.parent for path in run.glob("*/wandb"))]
    if (run / STAGES).is_file():
        outcome = load_outcome(run)
        checkpoints = [outcome.source, *outcome.sources.values(), *outcome.adapted.values()]
        folders += [checkpoint.parent.parent for checkpoint in checkpoints]
    return list({folder.resolve(): folder for folder in folders}.values())


def is_running(folder: Path) -> bool:
    """Whether a process trains in a stage's folder now."""
    folder = folder.resolve()
    if not (folder / RECORD).is_file():
        return False
    runs = folder.parent.parent
    return running_in(runs, folder.name) == str(folder.relative_to(runs))


def to_send(parts: Sequence[Part]) -> tuple[list[Part], list[Part]]:
    """The first parts of their runs, and the later ones, without those that were sent."""
    seen: set[str] = set()
    first: list[Part] = []
    later: list[Part] = []
    for part in dict.fromkeys(parts):
        (later if part.wandb_id in seen else first).append(part)
        seen.add(part.wandb_id)
    return [part for part in first if not part.sent], [part for part in later if not part.sent]


def command(parts: Sequence[Part]) -> list[str]:
    """The words of ``wandb sync`` for some parts."""
    return [sys.executable, "-m", "wandb", "sync", *(str(part.file.parent) for part in parts)]


def command_line(variables: dict[str, str], parts: Sequence[Part]) -> str:
    """What could be typed instead."""
    words = ["wandb", "sync", *(str(part.file.parent) for part in parts)]
    return " ".join([*(f"{name}={value}" for name, value in variables.items()), shlex.join(words)])


def send(parts: Sequence[Part], variables: dict[str, str]) -> list[Part]:
    """Send parts; returns those that W&B did not mark as sent.

    W&B's own log of it goes to ``wandb/logs`` in the first run's folder.
    """
    folder = parts[0].file.parent.parent
    inside = {"WANDB_DIR": str(folder.parent), "WANDB_CACHE_DIR": str(folder / "cache")}
    environment = {**os.environ, **inside, **variables}
    subprocess.run(command(parts), env=environment, stdin=subprocess.DEVNULL, check=False)
    return [part for part in parts if not part.file.with_name(part.file.name + SYNCED).exists()]


def check_server() -> None:
    """Refuse to begin without a login, or where the server does not answer: W&B would wait for it for long.

    Raises:
        InputError: which of them it is, and the remedy.
    """
    from wandb.errors import AuthenticationError
    from wandb.sdk import wandb_setup
    from wandb.sdk.lib import wbauth

    server = wandb_setup.singleton().settings.base_url  # `wandb.setup` would start W&B's service, for nothing
    try:
        login = wbauth.authenticate_session(host=server, source="steadyface", prompt=False)
    except AuthenticationError as error:
        raise InputError(server, "a W&B login", str(error), "run `wandb login`") from error
    if login is None:
        raise InputError(server, "a W&B login", "none", "run `wandb login`, or set WANDB_API_KEY")
    try:
        urllib.request.urlopen(server, timeout=REACH_S).close()
    except urllib.error.HTTPError:
        return  # it answers
    except (OSError, ValueError) as error:
        reason = str(getattr(error, "reason", error))
        remedy = "try again with a network, or set WANDB_BASE_URL; nothing was sent"
        raise InputError(server, "a W&B server that answers", reason, remedy) from error
