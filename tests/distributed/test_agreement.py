"""What processes say to each other beside their training, and what is refused before it."""

from __future__ import annotations

import time

import pytest

from launcher.distributed import Place, check_agreement, check_processes, given_place, share, slurm_meeting
from launcher.settings import TrainerSettings
from steadyface.errors import InputError
from steadyface.processes import batch_number, of_all_processes, rank_and_world, to_main_process

TORCHRUN = {"RANK": "1", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "29400"}
SRUN = {"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "3", "SLURM_LOCALID": "1", "SLURM_NODEID": "1"}


def test_rank_0_decides_and_all_rows_come_together(in_processes):
    import torch

    def work(rank):
        if rank == 0:
            time.sleep(0.3)  # the others wait for what it does alone
        check_agreement({"trainer": {"devices": 2}})
        rows = of_all_processes(torch.arange(3 * rank, dtype=torch.double).view(-1, 1))  # rank 0 has none
        said, items = share(f"by {rank}"), to_main_process({rank: 1})
        return said, rank_and_world(), batch_number(2), rows.flatten().tolist(), items

    assert in_processes(work) == [
        ("by 0", (0, 2), 4, [0.0, 1.0, 2.0], {0: 1, 1: 1}),
        ("by 0", (1, 2), 5, [0.0, 1.0, 2.0], {}),
    ]


def test_other_settings_on_another_process_are_refused_on_every_one(in_processes):
    def work(rank):
        check_agreement({"trainer": {"devices": 1, "threads": 1 + rank}, "seeds": [0]})

    for error in in_processes(work, raising=True):
        assert error.startswith("InputError: the settings of process 1: expected trainer.threads=1, as process 0, got")


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({}, None),
        (TORCHRUN, Place(1, 4, 1, 0)),
        (TORCHRUN | {"GROUP_RANK": "1"}, Place(1, 4, 1, 1)),
        (TORCHRUN | {"WORLD_SIZE": "1"}, None),
        (SRUN, Place(3, 4, 1, 1)),
        (SRUN | {"SLURM_STEP_NUM_TASKS": "1"}, None),  # a job of one task, whatever it asks for
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, None),  # the job's batch script
    ],
)
def test_who_started_the_processes_says_where_this_one_stands(monkeypatch, environment, place):
    for name in (*TORCHRUN, *SRUN, "GROUP_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert given_place() == place


def test_processes_of_srun_meet_on_its_first_machine_however_their_number_was_given(monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "4")
    monkeypatch.delenv("SLURM_NTASKS_PER_NODE", raising=False)
    monkeypatch.setenv("SLURM_STEP_NODELIST", "node[07-09,12]")
    monkeypatch.setenv("SLURM_JOB_ID", "120042")
    assert slurm_meeting() == ("node07", "15042")


def test_machines_are_started_from_outside_and_as_many_as_the_settings_say(monkeypatch):
    for name in (*TORCHRUN, *SRUN):
        monkeypatch.delenv(name, raising=False)
    check_processes(TrainerSettings(devices=2))
    with pytest.raises(InputError, match="torchrun --nnodes 2 --nproc-per-node 3"):
        check_processes(TrainerSettings(devices=3, num_nodes=2))
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)
    check_processes(TrainerSettings(devices=2, num_nodes=2))
    with pytest.raises(InputError, match="expected 4, the processes that were started, got 1 x 2"):
        check_processes(TrainerSettings(num_nodes=2))
    with pytest.raises(InputError, match=r"expected 1 on each machine, .* got a process 2"):
        check_processes(TrainerSettings(num_nodes=4))
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "3")
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "False")
    check_processes(TrainerSettings(devices=2, num_nodes=2))
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    with pytest.raises(InputError, match=r"max-restarts.*TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1"):
        check_processes(TrainerSettings(devices=2, num_nodes=2))
