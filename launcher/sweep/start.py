"""What ``steadyface sweep`` does, on one screen: check everything, open the trials, go through them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from launcher.runs import make_folder
from launcher.sweep.check import Facts, check_sweep
from launcher.sweep.command import as_word
from launcher.sweep.parameters import example_points, grid_points
from launcher.sweep.storage import check_url, open_storage
from launcher.sweep.sweep_file import SweepFile
from steadyface.errors import InputError

if TYPE_CHECKING:
    from launcher.sweep.trial_launcher import TrialLauncher


@dataclass(frozen=True)
class SweepOptions:
    """The words of the command line; see ``steadyface sweep --help``."""

    path: Path
    overrides: tuple[str, ...] = ()
    engine: str = ""
    workers: int = 1
    gpus_per_trial: int = 0
    storage: str = ""
    retry_failed: bool = False
    launcher: str = "local"
    slurm: tuple[str, ...] = ()
    dry_run: bool = False

    def again(self) -> str:
        """The command that goes on with this sweep."""
        words = ["steadyface", "sweep", str(self.path), *self.overrides]
        words += ["--engine", self.engine] if self.engine else []
        words += ["--workers", str(self.workers)]
        words += ["--gpus-per-trial", str(self.gpus_per_trial)] if self.gpus_per_trial else []
        words += ["--storage", self.storage] if self.storage else []
        words += ["--launcher", self.launcher] if self.launcher != "local" else []
        return shlex.join([*words, *(f"--slurm={word}" for word in self.slurm)])


def start_sweep(options: SweepOptions) -> int:
    """Run a sweep, or go on with it; returns the exit code: 0, 1 where trials failed, 130 where it was stopped.

    Raises:
        InputError or ExceptionGroup: all faults of the file and of the words; nothing was started.
    """
    check_options(options)
    sweep, facts = check_sweep(options.path, options.overrides)
    engine = options.engine or ("wandb" if facts.wandb_mode == "online" else "optuna")
    check_engine(sweep, engine, options)
    if options.dry_run:
        print("\n".join(describe(sweep, engine, facts)))
        return 0
    folder = Path(facts.runs, sweep.name)
    if engine == "wandb":
        from launcher.sweep.online import run_online

        make_folder(folder)
        return run_online(sweep, facts, folder, options.overrides, options.workers)
    launcher = make_launcher(options)
    make_folder(folder)
    return run_here(sweep, facts, folder, launcher, options)


def run_here(sweep: SweepFile, facts: Facts, folder: Path, launcher: TrialLauncher, options: SweepOptions) -> int:
    """Go through a sweep whose trials Optuna chooses."""
    from launcher.sweep.engine import SweepRun
    from launcher.sweep.trials import Trials

    storage, leases = open_storage(folder, options.storage, sweep.name)
    trials = Trials(sweep, storage, leases, options.overrides, options.retry_failed)
    return SweepRun(
        trials, launcher, Path(facts.runs), options.overrides, options.gpus_per_trial, again=options.again()
    ).run()


def check_options(options: SweepOptions) -> None:
    """Raises an ExceptionGroup of the faults in the words of the command line."""
    faults = []
    if options.workers < 1:
        faults.append(InputError("--workers", "1 or more", str(options.workers), "write --workers 1"))
    if options.gpus_per_trial < 0:
        got = str(options.gpus_per_trial)
        faults.append(InputError("--gpus-per-trial", "0 or more", got, "leave it out"))
    if options.slurm and options.launcher != "slurm":
        faults.append(InputError("--slurm", "--launcher slurm beside it", options.launcher, "add it"))
    for word in options.overrides:
        if "=" not in word:
            faults.append(InputError(word, "key=value", f"'{word}'", "write for example trainer.threads=1"))
    if options.storage:
        try:
            check_url(options.storage)
        except InputError as error:
            faults.append(error)
    if faults:
        raise ExceptionGroup("faults on the command line", faults)


def check_engine(sweep: SweepFile, engine: str, options: SweepOptions) -> None:
    """Raises an ExceptionGroup of what an engine cannot do."""
    faults = []
    origin = sweep.path.name
    if engine == "optuna" and sweep.method != "grid" and sweep.run_cap is None:
        remedy = "write for example run_cap: 20"
        faults.append(InputError(f"{origin}: run_cap", "how many trials there shall be", "none", remedy))
    if engine == "wandb":
        for word, given in {"--storage": options.storage, "--launcher": options.launcher != "local"}.items():
            if given:
                got = "the engine wandb, whose server keeps the trials"
                faults.append(InputError(word, "the engine optuna", got, "add --engine optuna, or leave it out"))
    if faults:
        raise ExceptionGroup(f"faults in {options.path}", faults)


def make_launcher(options: SweepOptions) -> TrialLauncher:
    """What starts the trials; raises InputError where it cannot."""
    if options.launcher == "slurm":
        from launcher.sweep.slurm import SlurmLauncher

        return SlurmLauncher(options.workers, options.slurm)
    from launcher.sweep.local import local_launcher

    return local_launcher(options.workers, options.gpus_per_trial)


def describe(sweep: SweepFile, engine: str, facts: Facts) -> list[str]:
    """What a dry run prints: the sweep, and the points of a grid or some that a range has."""
    metric = f"{sweep.metric.goal} {sweep.metric.name}" if sweep.metric else "no metric"
    lines = [f"{sweep.name}: {sweep.method}, {metric}; engine {engine}, folder {facts.runs}/{sweep.name}"]
    is_grid = sweep.method == "grid"
    points = list(grid_points(sweep.parameters))[: sweep.run_cap] if is_grid else list(example_points(sweep.parameters))
    count = f"{len(points)} trials:" if is_grid else f"{sweep.run_cap or 'endless'} trials, drawn between:"
    shown = ["  " + "  ".join(f"{name}={as_word(value)}" for name, value in point.items()) for point in points]
    return [*lines, count, *shown]
