from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from launcher.sweep.journal import JournalLock, mend
from launcher.sweep.leases import FileLeases
from launcher.sweep.local import local_launcher
from launcher.sweep.storage import check_url, open_storage
from launcher.sweep.trial_launcher import Outcome, TrialJob
from steadyface.errors import InputError


def test_a_lease_lasts_as_long_as_the_trial_that_inherited_it(tmp_path: Path) -> None:
    leases = FileLeases(tmp_path)
    lease = leases.take("a")
    assert lease is not None and leases.take("a") is None and leases.take("b") is not None
    trial = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=lease.descriptors)
    lease.release()  # as the system does for a launcher that is killed
    assert FileLeases(tmp_path).take("a") is None
    trial.kill()
    trial.communicate()
    assert FileLeases(tmp_path).take("a") is not None


def test_a_line_that_a_kill_cut_off_is_cut_out_of_the_journal(tmp_path: Path) -> None:
    journal = tmp_path / "trials.journal"
    journal.write_bytes(b'{"a":1}\n{"b":2}\n{"c":')
    lock = JournalLock(journal)
    assert lock.acquire()
    lock.release()
    assert journal.read_bytes() == b'{"a":1}\n{"b":2}\n'
    journal.write_bytes(b'{"c":' * 40000)
    mend(journal)
    assert journal.read_bytes() == b""


def test_the_trials_of_a_file_are_read_by_another_process(tmp_path: Path) -> None:
    import optuna

    storage, _ = open_storage(tmp_path, "", "tiny")
    optuna.create_study(study_name="tiny", storage=storage).enqueue_trial({"x": 1})
    with (tmp_path / "trials.journal").open("ab") as stream:
        stream.write(b'{"op_code":')  # a launcher that was killed here
    other, _ = open_storage(tmp_path, "", "tiny")
    assert [trial.state.name for trial in optuna.load_study(study_name="tiny", storage=other).trials] == ["WAITING"]


def test_another_database_and_one_that_does_not_answer_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected postgresql://"):
        check_url("mysql://me:secret@here/trials")
    with pytest.raises(InputError, match="a PostgreSQL that answers") as caught:
        open_storage(tmp_path, "postgresql://me:secret@127.0.0.1:9/trials", "tiny")
    assert "secret" not in str(caught.value)


def test_each_worker_has_gpus_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5,6,7")
    launcher = local_launcher(workers=2, gpus_per_trial=2)
    program = "import os; print(os.environ['CUDA_VISIBLE_DEVICES'], os.getpgid(0) == os.getpid(), os.environ['MINE'])"
    for _ in range(2):  # a slot's GPUs are free again when its trial is over
        jobs = [
            TrialJob(name, (sys.executable, "-c", program), tmp_path, tmp_path / f"{name}.log", {"MINE": name}, gpus=2)
            for name in ("a", "b")
        ]
        handles = [launcher.start(job) for job in jobs]
        ends = [None, None]
        while not all(ends):
            time.sleep(0.02)
            ends = [handle.poll() for handle in handles]  # type: ignore[misc]
        assert all(end is not None and end.outcome is Outcome.FINISHED for end in ends)
    assert (tmp_path / "a.log").read_text().splitlines() == ["3,5 True a"] * 2
    assert (tmp_path / "b.log").read_text().splitlines() == ["6,7 True b"] * 2
    with pytest.raises(InputError, match="expected 6 GPUs for 3 workers of 2, got 4; write --workers 2"):
        local_launcher(workers=3, gpus_per_trial=2)


def test_a_trial_that_does_not_listen_is_killed_with_its_children(tmp_path: Path) -> None:
    child = "import time; time.sleep(100)"
    deaf = (
        "import signal, subprocess, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}]); print(child.pid, flush=True); child.wait()"
    )
    log = tmp_path / "trial.log"
    handle = local_launcher(1, 0).start(TrialJob("deaf", (sys.executable, "-c", deaf), tmp_path, log))
    while not log.read_text().strip():
        assert handle.poll() is None
        time.sleep(0.02)
    handle.stop()
    assert handle.poll() is None
    handle.kill()
    while (end := handle.poll()) is None:
        time.sleep(0.02)
    assert (end.outcome, end.reason) == (Outcome.FAILED, "killed by SIGKILL")
    child_pid = int(log.read_text())
    state = Path(f"/proc/{child_pid}/stat")
    while state.exists() and state.read_text().split()[2] not in "ZX":
        time.sleep(0.02)
