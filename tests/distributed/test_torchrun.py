"""Two machines, played by two agents of torchrun on the loopback: train, lose a process, go on."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import torch

from launcher.runs import LAST_CHECKPOINT, read_record
from launcher.settings import TrainerSettings

SCRIPT = Path(__file__).with_name("trains_on_a_node.py")


def test_two_machines_train_and_go_on_after_a_kill(in_processes, tmp_path, monkeypatch):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [
        "--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{port}",
        "--local-addr", "127.0.0.1", "--rdzv-id", "test", "--max-restarts", "3", "--monitor-interval", "0.2",
        str(SCRIPT), str(tmp_path / "runs"),
    ]  # fmt: skip
    monkeypatch.setenv("PYTHONPATH", str(SCRIPT.parents[2]))
    monkeypatch.setenv("TORCH_DISABLE_SHARE_RDZV_TCP_STORE", "1")
    logs = [tmp_path / f"machine{number}.txt" for number in range(2)]
    machines = [_machine(words, log) for log in logs]
    try:
        whole = _uninterrupted(in_processes, tmp_path)
        for machine, log in zip(machines, logs, strict=True):
            assert machine.wait() == 0, log.read_text()[-3000:]
    finally:
        for machine in machines:
            machine.terminate()
    assert (tmp_path / "killed").exists()
    said = logs[0].read_text()
    assert "begins at nothing" in said and said.count("begins at") == 2 and f"{LAST_CHECKPOINT}" in said
    (folder,) = (tmp_path / "runs" / "demo").iterdir()
    record = read_record(folder)
    assert record is not None and record.state == "finished"
    assert (folder / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()
    ends = [torch.load(one / LAST_CHECKPOINT, weights_only=True) for one in (folder, whole)]
    assert torch.equal(*(end["state_dict"]["weight"] for end in ends))
    assert torch.equal(*(end["optimizer_states"][0]["state"][0]["exp_avg"] for end in ends))


def _machine(words: list[str], log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "torch.distributed.run", *words]
    with log.open("wb") as stream:
        return subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT)


def _uninterrupted(in_processes, tmp_path: Path) -> Path:
    """The folder of the same stage in two processes that nobody kills."""
    spec = importlib.util.spec_from_file_location("trains_on_a_node", SCRIPT)
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    mark = tmp_path / "not_to_be_killed"
    mark.touch()
    settings = TrainerSettings(**{**asdict(script.SETTINGS), "devices": 2, "num_nodes": 1})
    in_processes(lambda rank: script.learn(tmp_path / "whole", mark, settings))
    (folder,) = (tmp_path / "whole" / "demo").iterdir()
    return folder
