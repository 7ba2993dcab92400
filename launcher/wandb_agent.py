"""The trial of a W&B sweep that an agent started this process for.

An agent names its run in environment variables that the first run of a process would take for its own. An
experiment has several runs, and the trial's is the one with its scores: the stages' must not see those variables.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

RUN, SWEEP, PARAMETERS = "WANDB_RUN_ID", "WANDB_SWEEP_ID", "WANDB_SWEEP_PARAM_PATH"


@dataclass(frozen=True)
class AgentTrial:
    """The run that the agent waits for.

    run_id, sweep_id: W&B's; parameters_file: the agent's file of what it chose; parameters: its content.
    """

    run_id: str
    sweep_id: str
    parameters_file: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)


@cache
def agent_trial() -> AgentTrial | None:
    """The trial that this process was started for, None without an agent.

    The first call takes the agent's variables out of the environment, for this process and its children: call it
    before W&B is used.
    """
    taken = {name: os.environ.pop(name, "") for name in (RUN, SWEEP, PARAMETERS)}
    if not (taken[RUN] and taken[SWEEP]):
        return None
    return AgentTrial(taken[RUN], taken[SWEEP], taken[PARAMETERS], _parameters(taken[PARAMETERS]))


def _parameters(path: str) -> dict[str, Any]:
    """What the agent chose: its file has ``{parameter: {value: ...}}`` beside a version."""
    if not path or not Path(path).is_file():
        return {}
    content = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    return {name: entry["value"] for name, entry in content.items() if isinstance(entry, dict) and "value" in entry}
