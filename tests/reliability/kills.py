"""Kills real runs at chosen moments, resumes them, and compares what came out with a run that nobody killed.

``python tests/reliability/kills.py --out FOLDER [--stages appearance,...] [--kills few]`` prints a table and leaves
``results.json``; what is in FOLDER already is not done again. Every attempt is a process of its own, forked from this
one, which has imported everything: the kill is real, the imports are paid for once.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

import launcher.checkpoint_io
import launcher.experiment  # with all that a run imports: no attempt pays for it
import launcher.stages
from launcher.cli import main
from launcher.runs import LAST_CHECKPOINT

sys.path.insert(0, str(Path(__file__).parent))

from comparison import compare
from moments import Kill, arm

ROOT = Path(__file__).resolve().parents[2]
TRAINED = ("appearance", "pretraining", "adaptation")
STAGES = ("studio", *TRAINED)
SETTINGS = (
    "variants={}", "trainer.checkpoint_every_steps=3", "trainer.validate_every_steps=4", "trainer.log_every_steps=1",
)  # fmt: skip

ALL = (
    Kill("mid-epoch", 2),  # before the first checkpoint: nothing to resume, the stage starts again
    Kill("in a checkpoint write", 3),  # the first one: half of it is on the disk
    Kill("mid-epoch", 5),
    Kill("before the rename", 6),
    Kill("in a validation", 8),
    Kill("in a checkpoint write", 9),
    Kill("mid-epoch", 11),
    Kill("after the rename", 12),  # W&B has got none of the rows that this checkpoint covers
    Kill("in a row of metrics.csv", 14),
    Kill("before the record", 18),  # everything is done but for the word "finished"
)
FEW = (Kill("in a checkpoint write", 6), Kill("after the rename", 6))
STUDIO = (Kill("mid-task", 3), Kill("before the record", 0))
FEW_STUDIO = (Kill("mid-task", 1), Kill("mid-task", 2))
STEPS = {"all": 18, "few": 9}


class Row(NamedTuple):
    """A line of the table: what was killed, where it went on from, whether the end was that of the reference."""

    stage: str
    moment: str
    step: int
    gone_on_from: str
    equal: str


def attempt(words: Sequence[str], until: str, log: Path, kill: Kill | None = None) -> int:
    """A command in a process of its own, that ends when a kind of stage is done; its exit code, -9 where killed."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with log.open("a") as stream:
                os.dup2(stream.fileno(), 1)
                os.dup2(stream.fileno(), 2)
            _end_behind(until)
            if kill is not None:
                arm(kill)
            code = main(words)
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _end_behind(kind: str) -> None:
    """End the process behind the first stage of a kind: neither what comes after it nor the scores are asked for."""
    execute = launcher.stages.execute

    def patched(stage: Any, *arguments: Any, **options: Any) -> Any:
        result = execute(stage, *arguments, **options)
        if stage.kind == kind:
            sys.stdout.flush()
            os._exit(0)
        return result

    launcher.stages.execute = patched


def run_words(runs: Path, name: str, mode: str, steps: int) -> list[str]:
    experiment = str(ROOT / "experiments" / "smoke.yaml")
    lengths = [f"{stage}.steps={steps}" for stage in TRAINED]
    return ["run", experiment, *SETTINGS, *lengths, f"runs={runs}", f"name={name}", f"wandb.mode={mode}"]


def make_reference(out: Path, steps: int) -> Path:
    """The stages that nobody killed: the folder with one folder a stage."""
    folder = out / "reference" / "whole"
    if not (out / "reference" / "done").is_file():
        words = run_words(out / "reference", "whole", "disabled", steps)
        code = attempt(words, "adaptation", out / "reference.log")
        if code:
            raise RuntimeError(f"the reference ended with {code}: {out / 'reference.log'}")
        (out / "reference" / "done").touch()
    return folder


def stage_folder(folder: Path, kind: str) -> Path:
    (found,) = folder.glob(f"{kind}-*")
    return found


def kill_and_resume(kind: str, reference: Path, out: Path, kills: Sequence[Kill], steps: int) -> list[Row]:
    """One stage, killed at each moment and gone on with after each, then compared with the reference."""
    runs, log = out / kind, out / f"{kind}.log"
    shutil.rmtree(runs, ignore_errors=True)
    log.unlink(missing_ok=True)
    (runs / "before").mkdir(parents=True)
    for earlier in STAGES[: STAGES.index(kind)]:
        done = stage_folder(reference, earlier)
        (runs / "before" / done.name).symlink_to(done)
    folder = runs / "killed" / stage_folder(reference, kind).name
    went = []
    for kill in [*kills, None]:
        words, start = next_words(runs, folder, log, steps)
        code = attempt(words, kind, log, kill)
        wanted = -signal.SIGKILL if kill is not None else 0
        if code != wanted:
            raise RuntimeError(f"{kind}: {kill} ended with {code}, not {wanted}: {log}")
        went.append(start)
    differences = list(compare(kind, folder, stage_folder(reference, kind)))
    equal = "yes" if not differences else "NO: " + "; ".join(differences)
    return [Row(kind, *kill, start, equal) for kill, start in zip(kills, went[1:], strict=True)]


def next_words(runs: Path, folder: Path, log: Path, steps: int) -> tuple[list[str], str]:
    """The command that goes on: ``resume`` where there is a checkpoint; where there is none it must be refused."""
    if (folder / LAST_CHECKPOINT).is_file():
        return ["resume", str(folder)], f"step {launcher.checkpoint_io.saved_step(str(folder / LAST_CHECKPOINT))}"
    if folder.is_dir() and attempt(["resume", str(folder)], "none", log) != 2:
        raise RuntimeError(f"a resume from nothing was not refused: {log}")
    return run_words(runs, "killed", "offline", steps), "the start"


def run_all(out: Path, stages: Sequence[str], kills: str) -> list[Row]:
    """Every stage that ``results.json`` does not hold yet."""
    out.mkdir(parents=True, exist_ok=True)
    results = out / "results.json"
    rows = [Row(*row) for row in json.loads(results.read_text())] if results.is_file() else []
    reference = make_reference(out, STEPS[kills])
    of_training, of_studio = (FEW, FEW_STUDIO) if kills == "few" else (ALL, STUDIO)
    for kind in stages:
        if any(row.stage == kind for row in rows):
            continue
        moments = of_studio if kind == "studio" else of_training
        rows += kill_and_resume(kind, reference, out, moments, STEPS[kills])
        results.write_text(json.dumps(rows, indent=1))
        print(f"{kind}: {len(moments)} kills, {rows[-1].equal}", flush=True)
    return rows


def table(rows: Sequence[Row]) -> str:
    lines = [f"{'stage':12} {'killed':26} {'at step':>8}  {'went on from':14} equal to the uninterrupted run"]
    lines += [f"{row.stage:12} {row.moment:26} {row.step:>8}  {row.gone_on_from:14} {row.equal}" for row in rows]
    return "\n".join(lines)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--stages", default=",".join(STAGES))
    parser.add_argument("--kills", choices=("few", "all"), default="all")
    return parser.parse_args()


if __name__ == "__main__":
    torch.set_num_threads(1)
    arguments = parse()
    found = run_all(arguments.out.resolve(), arguments.stages.split(","), arguments.kills)
    print(table(found))
    sys.exit(any(row.equal != "yes" for row in found))
