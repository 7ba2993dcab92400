"""Kills real runs at chosen moments, resumes them, and compares what came out with a run that nobody killed.

``python tests/reliability/kills.py --out FOLDER [--stages appearance,...] [--kills few]`` prints a table and leaves
``results.json``; what is in FOLDER already is not done again. Every attempt is a process of its own, forked from this
one, which has imported everything: the kill is real, the imports are paid for once.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning
import torch
import wandb

import launcher.checkpoint_io
import launcher.execution
import launcher.experiment
import launcher.metrics_file
import launcher.stages
import steadyface.studio.generate
from launcher.cli import main
from launcher.covered_logger import read_history
from launcher.last_checkpoint import LastCheckpoint
from launcher.metrics_file import read_metrics
from launcher.runs import LAST_CHECKPOINT, read_record

ROOT = Path(__file__).resolve().parents[2]
TRAINED = ("appearance", "pretraining", "adaptation")
STAGES = ("studio", *TRAINED)
STEP = "trainer/global_step"
SETTINGS = (
    "variants={}", "trainer.checkpoint_every_steps=3", "trainer.validate_every_steps=4", "trainer.log_every_steps=1",
)  # fmt: skip


class Kill(NamedTuple):
    """A moment: what happens then, and the optimiser step (for the studio: the task) at which."""

    moment: str
    step: int


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


# ---------------------------------------------------------------------------------------------- moments


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(kill: Kill) -> None:
    """Make this process kill itself at a moment."""
    moment, step = kill
    if moment == "mid-epoch":
        _before(LastCheckpoint, "on_train_batch_end", lambda self, trainer, *_: trainer.global_step == step)
    elif moment == "in a validation":
        _before(
            pytorch_lightning.loops.evaluation_loop._EvaluationLoop, "_evaluation_step",
            lambda self, *_: self.trainer.global_step >= step,
        )  # fmt: skip
    elif moment == "in a checkpoint write":
        _in_write(step)
    elif moment in {"before the rename", "after the rename"}:
        _at_rename(step, after=moment.startswith("after"))
    elif moment == "in a row of metrics.csv":
        _in_row(step)
    elif moment == "before the record":
        _before(launcher.execution, "write_record", lambda folder, record: record.state == "finished")
    elif moment == "mid-task":
        calls: list[int] = []
        _before(steadyface.studio.generate._Stages, "work", lambda *_: calls.append(0) or len(calls) > step)
    else:
        raise ValueError(moment)


def _before(place: Any, name: str, now: Callable[..., Any]) -> None:
    original = getattr(place, name)

    def patched(*arguments: Any, **options: Any) -> Any:
        if now(*arguments, **options):
            die()
        return original(*arguments, **options)

    setattr(place, name, patched)


def _step_of(checkpoint: dict[str, Any]) -> int:
    return int(checkpoint["global_step"]) if "stage_complete" not in checkpoint else -1


def _in_write(step: int) -> None:
    """Half of the bytes of last.ckpt, then the end."""
    save = torch.save

    def half(content: Any, stream: Any, *arguments: Any, **options: Any) -> None:
        save(content, stream, *arguments, **options)
        if _step_of(content) == step and "last.ckpt" in str(stream.name):
            stream.flush()
            stream.truncate(stream.tell() // 2)
            die()

    torch.save = half


def _at_rename(step: int, after: bool) -> None:
    save, replace, now = torch.save, os.replace, [False]

    def saved(content: Any, stream: Any, *arguments: Any, **options: Any) -> None:
        now[0] = _step_of(content) == step and "last.ckpt" in str(stream.name)
        save(content, stream, *arguments, **options)

    def renamed(*arguments: Any) -> None:
        if after or not now[0]:
            replace(*arguments)
        if now[0]:
            die()

    torch.save, os.replace = saved, renamed


def _in_row(step: int) -> None:
    original = launcher.metrics_file.MetricsFile.log_metrics

    def half(self: Any, metrics: Any, step_: int | None = None, **options: Any) -> None:
        at = options.get("step", step_)
        if at == step:
            with self.path.open("a") as stream:
                stream.write(f"{at},train/lo")
            die()
        original(self, metrics, at)

    launcher.metrics_file.MetricsFile.log_metrics = half  # type: ignore[method-assign,assignment]


# --------------------------------------------------------------------------------------------- attempts


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
            import traceback

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
    return ["run", experiment, *SETTINGS, *(f"{stage}.steps={steps}" for stage in TRAINED), f"runs={runs}", f"name={name}", f"wandb.mode={mode}"]


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


# ------------------------------------------------------------------------------------------- comparison


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


PLACES = {"dirpath", "best_k_models", "current_score"}


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*")) if path.is_file()
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------ table


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
    wandb.setup  # noqa: B018  imported here, so that no attempt pays for it
    arguments = parse()
    found = run_all(arguments.out.resolve(), arguments.stages.split(","), arguments.kills)
    print(table(found))
    sys.exit(any(row.equal != "yes" for row in found))
