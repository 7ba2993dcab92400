"""One trial of a W&B sweep, as an agent starts it: the sweep's command under the trial's own name.

``python -m launcher.sweep.online_trial SWEEP '{"adaptation.steps": 80}' steadyface run X.yaml [key=value ...]``
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from launcher.sweep.command import arguments, named_experiment, trial_words
from launcher.sweep.parameters import trial_name


def words_of_trial(sweep: str, chosen: str, command: Sequence[str]) -> tuple[str, ...]:
    """The words of the trial.

    Args:
        sweep: the sweep's name; chosen: parameter -> value, as JSON; command: without the parameters.
    """
    point = json.loads(chosen)
    words = [*command, *arguments("args_no_hyphens", point)]
    if named_experiment(command) is not None:
        words.append(f"name={trial_name(sweep, point)}")
    return trial_words(words, {})


def main(words: Sequence[str]) -> None:
    """Become the trial's program: the agent's signals reach it."""
    sweep, chosen, *command = words
    trial = words_of_trial(sweep, chosen, command)
    os.environ["STEADYFACE_SWEEP"] = sweep
    os.environ["STEADYFACE_TRIAL"] = str(Path("runs", trial_name(sweep, json.loads(chosen))).resolve())
    os.execvp(trial[0], trial)


if __name__ == "__main__":
    main(sys.argv[1:])
