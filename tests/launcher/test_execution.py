from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher.execution import execute
from launcher.locks import lock_path, running_in, try_lock, unlock
from launcher.runs import LAST_CHECKPOINT, RunRecord, Stage, read_record

STAGE = Stage("adaptation", "adapted, seed 0", {"steps": 3})


class Work:
    """Counts its calls; leaves a checkpoint, then ends as it was told to."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error, self.calls, self.resumed_from = error, 0, ""

    def __call__(self, folder: Path, record: RunRecord) -> None:
        self.calls += 1
        self.resumed_from = record.resumed_from
        before = read_record(folder)
        assert before is not None and before.state == "running"
        (folder / LAST_CHECKPOINT).parent.mkdir(exist_ok=True)
        (folder / LAST_CHECKPOINT).write_text("weights")
        if self.error is not None:
            raise self.error


def run(root: Path, work: Work, experiment: str = "demo") -> Path:
    return execute(STAGE, root, experiment, "name: demo\n", work).folder


def test_a_finished_stage_is_taken_as_it_is_also_by_another_experiment(tmp_path: Path) -> None:
    work = Work()
    folder = run(tmp_path, work)
    assert folder == tmp_path / "demo" / STAGE.folder_name
    assert (folder / "experiment.yaml").read_text() == "name: demo\n"
    assert run(tmp_path, work) == folder and run(tmp_path, work, "sweep") == folder
    assert work.calls == 1
    result = execute(STAGE, tmp_path, "demo", "", work)
    assert result.reused and result.checkpoint == folder / LAST_CHECKPOINT


@pytest.mark.parametrize(
    ("error", "state"), [(ValueError("x\ny"), "failed"), (KeyboardInterrupt(), "interrupted")]
)
def test_a_stage_that_stopped_goes_on_from_its_checkpoint(
    tmp_path: Path, error: BaseException, state: str
) -> None:
    with pytest.raises(type(error)):
        run(tmp_path, Work(error))
    folder = tmp_path / "demo" / STAGE.folder_name
    record = read_record(folder)
    assert record is not None and record.state == state and "\n" not in record.error
    again = Work()
    run(tmp_path, again)
    assert again.resumed_from == str((folder / LAST_CHECKPOINT).resolve())
    finished = read_record(folder)
    assert finished is not None and finished.state == "finished" and finished.error == ""
    assert finished.wandb_id == record.wandb_id and finished.id == record.id
    assert finished.seconds >= record.seconds


KILLED = """
import sys, time
from pathlib import Path
from launcher.execution import execute
from launcher.runs import Stage

def work(folder, record):
    (folder / "began").write_text("")
    time.sleep(60)

execute(Stage("adaptation", "adapted, seed 0", {"steps": 3}), Path(sys.argv[1]), "demo", "", work)
"""


def test_a_killed_stage_is_not_taken_for_a_finished_one(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path)])
    folder = tmp_path / "demo" / STAGE.folder_name
    try:
        deadline = time.monotonic() + 240
        while not (folder / "began").exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    record = read_record(folder)
    assert record is not None and record.state == "running"
    work = Work()
    run(tmp_path, work)
    assert work.calls == 1 and work.resumed_from == ""


TRAIN = """
import sys, time
from pathlib import Path
from launcher.execution import execute
from launcher.runs import LAST_CHECKPOINT, Stage

def work(folder, record):
    (folder / LAST_CHECKPOINT).parent.mkdir()
    (folder / LAST_CHECKPOINT).write_text("weights")
    print("holds", flush=True)
    time.sleep(float(sys.argv[2]))

execute(Stage("adaptation", "adapted, seed 0", {"steps": 3}), Path(sys.argv[1]), "other", "name: other", work)
"""


@contextlib.contextmanager
def another_experiment(runs: Path, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """A process that works on the same stage for another experiment under the same runs."""
    command = [sys.executable, "-c", TRAIN, str(runs), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(2)]
        assert said[0].startswith("adapted, seed 0: started") and said[1] == "holds\n"
        yield process


def test_a_stage_that_another_experiment_trains_now_is_waited_for_and_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = Work()
    with another_experiment(tmp_path, 1.0):
        folder = run(tmp_path, work)
    assert folder == tmp_path / "other" / STAGE.folder_name and work.calls == 0
    said = capsys.readouterr().out
    assert f"waiting, another process works on it in other/{STAGE.folder_name}" in said and "taken from" in said
    assert [path.name for path in tmp_path.iterdir()] == ["other"], "no lock is left behind"


def test_what_another_experiment_was_killed_at_goes_on_in_its_folder(tmp_path: Path) -> None:
    with another_experiment(tmp_path, 60.0) as process:
        assert running_in(tmp_path, STAGE.folder_name) == f"other/{STAGE.folder_name}"
        process.kill()
    assert running_in(tmp_path, STAGE.folder_name) == ""
    work = Work()
    folder = run(tmp_path, work)
    assert folder == tmp_path / "other" / STAGE.folder_name
    assert work.resumed_from == str((folder / LAST_CHECKPOINT).resolve())
    assert (folder / "experiment.yaml").read_text() == "name: other", "still that experiment's own"
    assert not (tmp_path / "demo").exists()


def test_a_forked_worker_that_outlives_its_parent_does_not_keep_the_lock(tmp_path: Path) -> None:
    path = lock_path(tmp_path, STAGE.folder_name)
    lock = try_lock(path)
    assert lock is not None and try_lock(path) is None
    forked, child_says = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(child_says, b"here")
        time.sleep(60)
        os._exit(0)
    try:
        assert os.read(forked, 4) == b"here"
        lock.close()  # what a kill does
        again = try_lock(path)
        assert again is not None
        unlock(again, path)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
