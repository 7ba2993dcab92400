"""A real sweep on a real SLURM of one node: toy trials over one source network, one job requeued while it adapts.

    python tests/reliability/slurm_sweep.py --out kept/slurm [KEY=VALUE ...]

Root alone can start the cluster (``make test-services`` installs it). It is gone afterwards, the runs are kept.
Words such as ``trainer.devices=2`` are for every trial. Exit code 1, and what is not as it should be, where a trial ran
twice, the source network was trained twice, or the requeued adaptation is not bit for bit that of a run that nobody
requeued. Some minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from launcher.metrics_file import read_metrics
from launcher.runs import read_record
from launcher.sweep.command import as_word

sys.path.insert(0, str(Path(__file__).parent))

from comparison import compare

ROOT = Path(__file__).resolve().parents[2]
NAME, STEPS, WORKERS = "on_slurm", 24, 3
PARAMETERS = {"adaptation.learning_rate": [1e-4, 1e-3], "adaptation.weights.cftc": [0, 4]}
TRIALS = 4
REQUEUED_AT = 7  # rows of steps in its metrics.csv
SETTINGS = (
    f"adaptation.steps={STEPS}", "variants={}", "trainer.checkpoint_every_steps=5", "trainer.validate_every_steps=8",
    "trainer.log_every_steps=1", "wandb.mode=offline",
)  # fmt: skip
SHARED = ("studio", "appearance", "pretraining")
LONGEST_S = 1500


class Job(NamedTuple):
    """What SLURM says of a job: its name is that of the trial's folder and a hash."""

    name: str
    state: str
    restarts: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder of runs; new or empty")
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE", help="further settings of every trial")
    arguments = parser.parse_args()
    out, words = arguments.out.resolve(), [*SETTINGS, *arguments.words]
    if out.is_dir() and any(out.iterdir()):
        parser.error(f"--out {out}: there is something in it")
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    # here, and not above: whoever only reads this file has none of what the service tests need
    sys.path.insert(0, str(Path(__file__).parents[1] / "services"))
    from conftest import open_folder, slurm_cluster

    with open_folder() as folder, slurm_cluster(folder / "slurm") as env:
        print(f"{time.monotonic() - started:.0f} s: the cluster is up", flush=True)
        requeued, jobs = sweep(out, words, env)
    print(f"{time.monotonic() - started:.0f} s: the sweep is over", flush=True)
    faults = [*faults_of(out, requeued, jobs), *differences(out, requeued, words)]
    print(f"{time.monotonic() - started:.0f} s in all")
    print("\n".join(faults) or "as it should be")
    return 1 if faults else 0


def sweep(out: Path, words: Sequence[str], env: dict[str, str]) -> tuple[Path, dict[int, Job]]:
    """Run the sweep and requeue one of its jobs; the trial's folder, and the jobs as SLURM saw them."""
    file = out / "sweep.yaml"
    command = ["steadyface", "run", str(ROOT / "experiments" / "smoke.yaml"), *words, "${args_no_hyphens}"]
    content = {
        "name": NAME, "method": "grid", "command": command,
        "metric": {"name": "held_out_clip/adapted/reprojection_error_px", "goal": "minimize"},
        "parameters": {name: {"values": values} for name, values in PARAMETERS.items()},
    }  # fmt: skip
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    command = [sys.executable, "-m", "launcher.cli", "sweep", str(file), f"runs={out}", f"--workers={WORKERS}"]
    command += ["--engine=optuna", "--launcher=slurm", "--slurm=--time=60"]
    jobs: dict[int, Job] = {}
    with (out / "printed.txt").open("w") as printed:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=printed, stderr=printed)
    try:
        watch(process, env, jobs, lambda: adapting(out) is not None)
        requeued = adapting(out)
        if requeued is None:
            raise RuntimeError(f"the sweep ended early: {(out / 'printed.txt').read_text()[-3000:]}")
        number = (requeued / "slurm_job.txt").read_text().strip()
        step = logged_steps(requeued)
        subprocess.run(["scontrol", "requeue", number], env=env, check=True)
        print(f"requeued job {number}, {requeued.name}, with {step} of {STEPS} steps logged", flush=True)
        watch(process, env, jobs, lambda: False)
    finally:
        process.terminate()
        process.wait()
    return requeued, jobs


def watch(process: subprocess.Popen[bytes], env: dict[str, str], jobs: dict[int, Job], so: Callable[[], bool]) -> None:
    """Wait until something is so, or the sweep over; notes every job that SLURM lists meanwhile."""
    end = time.monotonic() + LONGEST_S
    over = False
    while not over and not so():
        if time.monotonic() > end:
            raise TimeoutError(f"the sweep was not over in {LONGEST_S} s")
        over = process.poll() is not None
        asked = ["squeue", "--noheader", "--states=all", "--Format=JobID:|,Name:|,State:|,RestartCnt:|"]
        listed = subprocess.run(asked, env=env, capture_output=True, text=True, check=True).stdout
        for line in listed.splitlines():
            number, name, state, restarts, *_ = line.split("|")
            jobs[int(number)] = Job(name, state, int(restarts))
        time.sleep(0.3)


def adapting(out: Path) -> Path | None:
    """The folder of a trial in the middle of its adaptation."""
    found = (folder for folder in trial_folders(out) if REQUEUED_AT <= logged_steps(folder) < STEPS - 4)
    return next(found, None)


def trial_folders(out: Path) -> list[Path]:
    return sorted(out.glob(f"{NAME}-*"))


def logged_steps(folder: Path) -> int:
    return len({step for path in folder.glob("adaptation-*/metrics.csv") for step, _, _ in read_metrics(path)})


def faults_of(out: Path, requeued: Path, jobs: dict[int, Job]) -> Iterator[str]:
    """What is not as it should be: of the sweep, the jobs, the shared stages, the adaptations."""
    trials: list[dict[str, Any]] = json.loads((out / NAME / "sweep.json").read_text())["trials"]
    states = Counter(trial["state"] for trial in trials)
    print(f"trials: {dict(states)}, in {len({trial['folder'] for trial in trials})} folders")
    if states != {"finished": TRIALS} or len({trial["folder"] for trial in trials}) != TRIALS:
        yield f"trials {dict(states)}"
    for number, job in jobs.items():
        print(f"job {number}: {job.name}, {job.state}, restarts {job.restarts}")
    restarts = {job.name.rpartition("-")[0]: job.restarts for job in jobs.values()}
    if len(jobs) != TRIALS or restarts != {folder.name: int(folder == requeued) for folder in trial_folders(out)}:
        yield f"{len(jobs)} jobs, restarts {restarts}"
    begun = {folder: stage_lines(folder / "trial.log") for folder in trial_folders(out)}
    for kind in SHARED:
        count = sum(lines[f"{kind}: started"] + lines[f"{kind}: resumed"] for lines in begun.values())
        finished = len([path for path in out.glob(f"*/{kind}-*/run.json") if is_finished(path.parent)])
        print(f"{kind}: started {count} times, finished in {finished} folders")
        if (count, finished) != (1, 1):
            yield f"{kind} was started {count} times and finished in {finished} folders"
    for folder, lines in begun.items():
        yield from faults_of_adaptation(folder, lines, folder == requeued)


def faults_of_adaptation(folder: Path, lines: Counter[str], requeued: bool) -> Iterator[str]:
    """A trial's adaptation: begun once, gone on with where its job was requeued, each step logged once."""
    began, resumed = lines["adapted, seed 0: started"], lines["adapted, seed 0: resumed"]
    (adaptation,) = folder.glob("adaptation-*")
    record = read_record(adaptation)
    assert record is not None
    rows = [(step, name) for step, name, _ in read_metrics(adaptation / "metrics.csv")]
    steps = [step for step, name in rows if name == "train/motc"]
    print(f"{folder.name}: started {began}, resumed {resumed} from {Path(record.resumed_from or 'nothing').name}; "
          f"{len(steps)} rows, steps {steps[0]} to {steps[-1]}")  # fmt: skip
    if (began, resumed, bool(record.resumed_from)) != (1, int(requeued), requeued):
        yield f"{folder.name}: started {began} times, resumed {resumed} times"
    if "Traceback" in (folder / "trial.log").read_text(errors="replace"):
        yield f"{folder.name}: an error in its log"
    if steps != list(range(STEPS)) or len(rows) != len(set(rows)):
        yield f"{folder.name}: its metrics.csv has a gap or a repeat"


def stage_lines(log: Path) -> Counter[str]:
    """How often a trial's log says of a stage that it was started or resumed: ``LABEL: started`` -> count."""
    lines = [line.rpartition("\r")[2].partition(" in ")[0] for line in log.read_text(errors="replace").splitlines()]
    return Counter(line for line in lines if line.endswith((": started", ": resumed")))


def is_finished(folder: Path) -> bool:
    record = read_record(folder)
    return record is not None and record.state == "finished"


def differences(out: Path, requeued: Path, words: Sequence[str]) -> list[str]:
    """Run the requeued trial's adaptation where nobody requeues it, over the same source network, and compare."""
    runs = out / "reference"
    for kind in SHARED:
        (done,) = (path for path in out.glob(f"*/{kind}-*") if is_finished(path))
        (runs / "before").mkdir(parents=True, exist_ok=True)
        (runs / "before" / done.name).symlink_to(done)
    trials = json.loads((out / NAME / "sweep.json").read_text())["trials"]
    (point,) = (trial["parameters"] for trial in trials if Path(trial["folder"]).name == requeued.name)
    command = [sys.executable, "-m", "launcher.cli", "run", str(ROOT / "experiments" / "smoke.yaml"), *words]
    command += [*(f"{name}={as_word(value)}" for name, value in point.items()), f"runs={runs}", "name=alone"]
    with (out / "reference.txt").open("w") as printed:
        subprocess.run(command, cwd=ROOT, env=os.environ, stdout=printed, stderr=printed, check=True)
    (mine,), (alone,) = requeued.glob("adaptation-*"), (runs / "alone").glob("adaptation-*")
    found = list(compare("adaptation", mine, alone))
    print(f"the requeued adaptation against one that nobody requeued: {'; '.join(found) or 'equal bit for bit'}")
    return found


if __name__ == "__main__":
    sys.exit(main())
