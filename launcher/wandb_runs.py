"""Weights & Biases runs, every file of each inside one folder: a run a stage here, and what all runs share."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import wandb
import yaml
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from launcher.checkpoint_io import saved_step
from launcher.execution import is_main_process
from launcher.metrics_file import read_metrics
from launcher.runs import RunRecord
from launcher.settings import STUDIO, WandbSettings
from launcher.wandb_agent import agent_trial
from launcher.wandb_artifacts import log_checkpoint, use_inputs

STEP = "trainer/global_step"  # the x axis of every stage
SWEEP = "STEADYFACE_SWEEP"  # the environment variable that names the sweep a process is a trial of
SERVICE = "WANDB_SERVICE"  # where W&B's own background process answers
MAIN_METRICS = ("val/*", "train/loss")  # whose lowest value is in the summary beside the last
# Of two patterns that match a name W&B takes either, now this one, now that: they must not overlap.
OTHER_METRICS = ("train/*", "media/*", "epoch")
ROWS_A_STEP = 8  # more than a stage logs at one optimiser step
LONGEST_TAG = 64
FLUSH_S = 2.0  # what a killed process may lose of its log


@contextmanager
def wandb_run(folder: Path, record: RunRecord, settings: WandbSettings) -> Iterator[StageLogger]:
    """The W&B run of a stage as a logger; finished whatever happens inside.

    A stage that goes on keeps its W&B id: offline, its second part lies in a folder of its own.
    """
    run = None
    if is_main_process():
        run = start_run(
            folder,
            settings,
            run_id=record.wandb_id,
            group=group_of(folder.parent.name, settings),
            job_type=record.kind,
            name=record.label,
            tags=tags_of(resolved_settings(folder), record.kind, record.code_version),
            config={**record.settings, "inputs": record.inputs, "stage": record.id, "code": record.code_version},
        )
        define_metrics(run)
        use_inputs(run, record, settings)
    first_row = ROWS_A_STEP * saved_step(record.resumed_from)
    exit_code = 1
    try:
        yield StageLogger(first_row, experiment=run, save_dir=folder, project=settings.project, id=record.wandb_id)
        if run is not None:
            run.summary.update(summary_of(folder / "metrics.csv"))
            log_checkpoint(run, record, settings, folder)
        exit_code = 0
    finally:
        if run is not None:
            finish(run, exit_code)


def finish(run: wandb.Run, exit_code: int) -> None:
    """End a W&B run. Where W&B's own process is gone and the stage did not end well, what ended the stage is told,
    and not that."""
    try:
        run.finish(exit_code=exit_code)
    except ConnectionError:
        if exit_code == 0:
            raise
        # else W&B would try again, in vain and aloud, at this process's end
        with suppress(ConnectionError, SystemExit):
            wandb.teardown()


def define_metrics(run: wandb.Run) -> None:
    """Everything over the optimiser step; of the main metrics the summary has the least and the last value."""
    run.define_metric(STEP)
    for name in OTHER_METRICS:
        run.define_metric(name, step_metric=STEP, step_sync=True)
    for name in MAIN_METRICS:
        run.define_metric(name, step_metric=STEP, step_sync=True, summary="min,last")


class StageLogger(WandbLogger):
    """A W&B logger whose parts follow each other.

    W&B numbers the rows of a part from 0. The rows of one that goes on begin behind those that the checkpoint
    covers, so that the server can put the parts of a run in one order.

    Args:
        first_row: number of the first row.
    """

    def __init__(self, first_row: int, **options: Any) -> None:
        super().__init__(**options)
        self._next_row: int | None = first_row

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """A row of numbers at an optimiser step."""
        self._log(dict(metrics), step)

    @rank_zero_only
    def log_media(self, name: str, media: Any, step: int) -> None:
        """A ``wandb.Image`` or ``wandb.Video`` at an optimiser step; its file must stay as it is."""
        self._log({name: media}, step)

    def _log(self, row: dict[str, Any], step: int | None) -> None:
        row = row if step is None else {**row, STEP: step}
        self.experiment.log(row, step=self._next_row, commit=True)
        self._next_row = None  # W&B counts on


def start_run(
    folder: Path,
    settings: WandbSettings,
    *,
    run_id: str,
    group: str,
    job_type: str,
    name: str,
    tags: Sequence[str],
    config: dict[str, Any],
    agents: bool = False,
) -> wandb.Run:
    """A W&B run whose every file lies in ``folder/wandb``; the caller finishes it.

    Args:
        agents: the run is that of the sweep trial that an agent waits for; its id is then the agent's.
    """
    keep_inside(folder)
    leave_service_of_others()
    trial = agent_trial()
    options: dict[str, Any] = {}
    if agents and trial is not None:
        run_id, config = trial.run_id, {**config, **trial.parameters}
        options = {"sweep_id": trial.sweep_id, "sweep_param_path": trial.parameters_file or None}
    wandb_settings = wandb.Settings(
        silent=True,
        console="off",
        x_disable_stats=settings.mode != "online",
        x_transaction_log_flush_interval=FLUSH_S,
        **options,
    )
    return wandb.init(
        entity=settings.entity or None,
        project=settings.project,
        group=group,
        job_type=job_type,
        name=name,
        id=run_id,
        tags=list(tags),
        dir=str(folder),
        mode=settings.mode,  # type: ignore[arg-type]
        resume="allow" if settings.mode == "online" else None,
        config=config,
        settings=wandb_settings,
    )


def keep_inside(folder: Path) -> None:
    """Have W&B put what it would leave elsewhere into a run's folder: table images, artifacts, caches, logs."""
    inside = (folder / "wandb").resolve()
    for variable, place in (("DATA", "data"), ("CACHE", "cache"), ("ARTIFACT", "artifacts")):
        os.environ[f"WANDB_{variable}_DIR"] = str(inside / place)


def leave_service_of_others() -> None:
    """Have W&B start a service of this process's own, where the environment names that of a parent.

    A parent's service would not notice that this process was killed: it would keep the run's id for itself, and the
    stage that goes on under that id would be refused.
    """
    _, _, owner = os.environ.get(SERVICE, "").partition("-")  # VERSION-PID-...
    if owner and owner.partition("-")[0] != str(os.getpid()):
        del os.environ[SERVICE]


def group_of(experiment: str, settings: WandbSettings) -> str:
    """The group of an experiment's runs: the one that is set, the sweep, or the experiment itself."""
    return settings.group or os.environ.get(SWEEP, "") or experiment


def resolved_settings(folder: Path) -> dict[str, Any]:
    """``experiment.yaml`` of a stage's or an experiment's folder; empty where there is none."""
    path = folder / "experiment.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}


def tags_of(experiment: Mapping[str, Any], kind: str, code: str) -> list[str]:
    """Subject, data and code version, each with its name before it.

    Args:
        experiment: resolved settings; kind: of the stage, or evaluation; code: version.

    >>> tags_of({"lab": {"folder": "captures/ada"}, "clips": {"clips": ["filmed/walk.mp4"]}}, "adaptation", "1f2e")
    ['subject:capture ada', 'data:ada', 'data:walk', 'code:1f2e']
    """
    lab = experiment.get("lab", {}).get("folder", "")
    seed = experiment.get("studio", {}).get("identity_seed")
    subject = f"studio identity {seed}" if lab.startswith(STUDIO) else f"capture {Path(lab).name}"
    data = [lab, *(experiment.get("clips", {}).get("clips", []) if kind in {"adaptation", "evaluation"} else [])]
    if kind == "evaluation":
        data.append(experiment.get("evaluation", {}).get("held_out_clip", ""))
    names = [Path(path.removeprefix(STUDIO)).stem for path in data if path]
    tags = [f"subject:{subject}"] if lab else []
    tags += [f"data:{name}" for name in dict.fromkeys(names)]
    return [tag[:LONGEST_TAG] for tag in [*tags, f"code:{code}"]]


def summary_of(metrics: Path) -> dict[str, Any]:
    """Least and last value of every validation metric in ``metrics.csv``, over all parts of a run.

    A part that goes on knows only its own values.
    """
    found: dict[str, dict[str, float]] = {}
    for _, name, value in read_metrics(metrics) if metrics.is_file() else []:
        if (name.startswith("val/") or name in MAIN_METRICS) and math.isfinite(value):
            least = min(value, found.get(name, {}).get("min", value))
            found[name] = {"min": least, "last": value}
    return found
