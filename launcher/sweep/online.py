"""A W&B sweep with agents: the server chooses the trials, an agent for each worker runs them.

Not tried against a server: what is sent, and what the agents are started with, is what W&B documents for
``wandb.sweep`` and ``wandb agent``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from launcher.runs import write_atomically
from launcher.sweep.check import Facts
from launcher.sweep.command import ARGUMENTS, macros_in
from launcher.sweep.results import is_logged
from launcher.sweep.sweep_file import SweepFile
from steadyface.errors import InputError

RECORD = "wandb_sweep.json"
UNDERSTOOD = ("description", "method", "metric", "early_terminate", "run_cap", "entity", "project")


def run_online(sweep: SweepFile, facts: Facts, folder: Path, overrides: Sequence[str], workers: int) -> int:
    """Begin a W&B sweep, or join the one that this folder has, and run its agents to their end.

    Args:
        folder: the sweep's; the sweep's id is kept in it, so that a relaunch joins the same sweep.
        overrides: words that every trial gets; workers: agents, each with a trial at a time.

    Raises:
        InputError: the file asks for what only the other engine can do, or the folder's sweep was another.
    """
    content = sent_content(sweep, facts, overrides)
    path = joined_sweep(folder, content) or begin_sweep(folder, content)
    print(f"W&B sweep {path}: {workers} agents", flush=True)
    return run_agents(path, folder, workers)


def sent_content(sweep: SweepFile, facts: Facts, overrides: Sequence[str]) -> dict[str, Any]:
    """What W&B is sent: the file itself, its parameters flattened, its command behind `online_trial`.

    Raises:
        InputError: for a metric that is logged while a stage trains: the sweep's own run, which W&B looks at, has the
            scores alone.
    """
    if sweep.metric is not None and is_logged(sweep.metric.name):
        remedy = "take CLIP/ROW/METRIC without early_terminate, or add --engine optuna"
        raise InputError(f"{sweep.path.name}: metric.name", "a metric of summary.json", sweep.metric.name, remedy)
    kept = [word for word in sweep.command if not set(macros_in([word])) & set(ARGUMENTS)]
    wrapped = ["${env}", "${interpreter}", "-m", "launcher.sweep.online_trial", sweep.name, "${args_json}"]
    content = {key: sweep.content[key] for key in UNDERSTOOD if key in sweep.content}
    parameters = {
        name: {"distribution": parameter.distribution, **parameter.given}
        for name, parameter in sweep.parameters.items()
    }
    return {
        **{"project": facts.wandb_project, **({"entity": facts.wandb_entity} if facts.wandb_entity else {})},
        **content,
        "name": sweep.name,
        "parameters": parameters,
        "command": [*wrapped, *kept, *overrides],
    }


def joined_sweep(folder: Path, content: dict[str, Any]) -> str:
    """The path of the W&B sweep that this folder has, empty for none yet.

    Raises:
        InputError: it was begun with another content.
    """
    path = folder / RECORD
    if not path.is_file():
        return ""
    record = json.loads(path.read_text(encoding="utf-8"))
    if record["content"] != json.loads(json.dumps(content)):
        got = ", ".join(key for key in content if record["content"].get(key) != content[key]) or "fewer keys"
        remedy = f"give the changed one a name: of its own, or move {path} away"
        raise InputError(path, "the W&B sweep as it was begun", f"another {got}", remedy)
    return str(record["path"])


def begin_sweep(folder: Path, content: dict[str, Any]) -> str:
    """Begin a W&B sweep and keep its path, ``[entity/]project/id``, in the sweep's folder."""
    import wandb

    entity, project = content.get("entity"), content["project"]
    sweep_id = wandb.sweep(content, entity=entity, project=project)
    path = "/".join(part for part in (entity, project, sweep_id) if part)
    write_atomically(folder / RECORD, json.dumps({"path": path, "content": content}, indent=1) + "\n")
    return path


def agent_words(path: str) -> list[str]:
    """The command of one agent. It tells its trial of its own end, and leaves it time to save."""
    return [sys.executable, "-m", "wandb", "agent", "--forward-signals", "--term-timeout", "60", path]


def run_agents(path: str, folder: Path, workers: int) -> int:
    """Run agents until the sweep is over; the first exit code that is not 0, or 0."""
    interpreter = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{interpreter}{os.pathsep}{os.environ.get('PATH', '')}"}
    agents = []
    for number in range(workers):
        with (folder / f"agent-{number}.log").open("ab") as log:
            words = agent_words(path)
            agents.append(subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT, env=environment))

    def pass_on(signalled: int, frame: FrameType | None) -> None:
        for agent in agents:
            agent.send_signal(signalled)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        codes = [agent.wait() for agent in agents]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return next((abs(code) for code in codes if code), 0)
