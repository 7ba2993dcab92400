"""The processes that train together, and how they find each other.

``trainer.devices`` processes on each of ``trainer.num_nodes`` machines. torchrun or srun starts them where it was asked
to; else the one process that a user started starts the others of its machine (`local_ranks`). They are connected before
the first stage and until the last: rank 0 alone decides, writes records and results, and all train by its settings.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
import torch.distributed as dist
from lightning_fabric.plugins.environments import SLURMEnvironment
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from pytorch_lightning.utilities import rank_zero_only

from launcher.local_ranks import other_ranks
from launcher.plan import Plan
from launcher.runs import find_finished
from launcher.settings import Experiment, TrainerSettings
from steadyface.errors import InputError

Value = TypeVar("Value")
PATIENCE = timedelta(days=30)  # how long the others wait for what rank 0 does alone
TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


class Place(NamedTuple):
    """A process among those that train together: its rank among ``world``, its rank on its machine, the machine's."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    node: int = 0


class _Connection:
    """This process's place, and the group that waits for rank 0; one a process."""

    place = Place()
    patient: Any = None


class Connected(ClusterEnvironment):
    """Tells Lightning that the processes run and are connected, whoever started them.

    Without it Lightning starts processes by itself, from this one's command line, or takes a SLURM job of one task
    for its own.
    """

    @property
    def creates_processes_externally(self) -> bool:
        return True

    @property
    def main_address(self) -> str:
        return os.environ.get("MASTER_ADDR", "127.0.0.1")

    @property
    def main_port(self) -> int:
        return int(os.environ.get("MASTER_PORT", "0"))

    @staticmethod
    def detect() -> bool:
        return False

    def world_size(self) -> int:
        return _Connection.place.world

    def set_world_size(self, size: int) -> None:
        """Nothing: it is as large as it is."""

    def global_rank(self) -> int:
        return _Connection.place.rank

    def set_global_rank(self, rank: int) -> None:
        """Nothing: as with the size."""

    def local_rank(self) -> int:
        return _Connection.place.local_rank

    def node_rank(self) -> int:
        return _Connection.place.node


def given_place() -> Place | None:
    """This process's place where torchrun or srun started several; None where a user started one.

    A batch script of SLURM's is one process: it is srun that starts several.
    """
    given = os.environ
    if all(name in given for name in TORCHRUN) and int(given["WORLD_SIZE"]) > 1:
        rank, world, local_rank = (int(given[name]) for name in TORCHRUN[:3])
        return Place(rank, world, local_rank, int(given.get("GROUP_RANK", "0")))
    if int(given.get("SLURM_STEP_NUM_TASKS", "1")) > 1:
        numbers = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_NODEID")
        return Place(*(int(given[name]) for name in numbers))
    return None


def check_processes(trainer: TrainerSettings) -> None:
    """Refuse settings that ask for other processes than there are.

    Raises:
        InputError: with the way to start them.
    """
    place, wanted = given_place(), trainer.devices * trainer.num_nodes
    if place is None and trainer.num_nodes > 1:
        expected, got = "its processes started by torchrun or srun", f"{trainer.num_nodes} and one process"
        remedy = (
            f"on each machine: torchrun --nnodes {trainer.num_nodes} --nproc-per-node {trainer.devices} "
            "--rdzv-backend c10d --rdzv-endpoint HOST:29400 -m launcher.cli run ..."
        )
        raise InputError("trainer.num_nodes", expected, got, remedy)
    if place is not None and place.world != wanted:
        expected, got = f"{place.world}, the processes that were started", f"{trainer.devices} x {trainer.num_nodes}"
        remedy = "give the processes of each machine and the machines"
        raise InputError("trainer.devices x trainer.num_nodes", expected, got, remedy)
    if place is not None and place.local_rank >= trainer.devices:
        expected = f"{trainer.devices} on each machine, as trainer.devices says"
        got, remedy = f"a process {place.local_rank + 1}", "give as trainer.devices those of each machine"
        raise InputError("the processes that were started", expected, got, remedy)
    restarts = os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")
    if place is not None and int(restarts) > 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
        # restarted processes would look for each other where those before them were
        expected = "0, or each attempt with a meeting place of its own"
        raise InputError("torchrun --max-restarts", expected, restarts, "set TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1")


@contextmanager
def all_processes(experiment: Experiment, plan: Plan) -> Iterator[Plan]:
    """The processes that train, connected over a block; gives rank 0's plan to each. Where one is asked for, or
    nothing is left to train, there is but this one.

    Raises:
        InputError: where they were started with different settings.
    """
    trainer, place = experiment.trainer, given_place()
    if place is not None:
        with joined(place, trainer.accelerator):
            check_agreement(asdict(experiment))
            yield share(plan)
    elif trainer.devices == 1 or all(find_finished(Path(experiment.runs), stage) for stage in plan.stages()):
        yield plan
    else:
        started = other_ranks(trainer.devices, (experiment, plan))
        with started as store, joined(Place(0, trainer.devices), trainer.accelerator, store):
            yield plan


@contextmanager
def joined(place: Place, accelerator: str, store: dist.Store | None = None) -> Iterator[None]:
    """Connect this process with the others over a block, and leave them once all have come to its end.

    Args:
        place: of this process.
        accelerator: cpu (gloo) or gpu (NCCL).
        store: where they meet; that which torchrun's or SLURM's environment names when None.
    """
    if store is None and "MASTER_PORT" not in os.environ:
        os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = slurm_meeting()
    if accelerator == "gpu":
        torch.cuda.set_device(place.local_rank)
    backend = "nccl" if accelerator == "gpu" else "gloo"
    dist.init_process_group(backend, store=store, rank=place.rank, world_size=place.world)
    # kept after the block: only rank 0 goes on from there
    rank_zero_only.rank = place.rank  # type: ignore[attr-defined]
    _Connection.place, _Connection.patient = place, dist.new_group(backend="gloo", timeout=PATIENCE)
    try:
        yield
        wait_for_all_ranks()
    finally:
        _Connection.place, _Connection.patient = Place(), None
        dist.destroy_process_group()


def slurm_meeting() -> tuple[str, str]:
    """Where the processes that srun started meet: the first of its machines, and a port that its job alone has there.

    Lightning's own environment knows them, too, and refuses ``srun --ntasks``.
    """
    machines = os.environ["SLURM_STEP_NODELIST"]
    return SLURMEnvironment.resolve_root_node_address(machines), str(15000 + int(os.environ["SLURM_JOB_ID"][-4:]))


def wait_for_all_ranks() -> None:
    """A barrier where processes are connected, however long rank 0 takes; nothing on one process."""
    if _Connection.patient is not None:
        dist.barrier(_Connection.patient)


def share(value: Value) -> Value:
    """What rank 0 says, on every rank."""
    if _Connection.patient is None:
        return value
    values: list[Any] = [value]
    dist.broadcast_object_list(values, group=_Connection.patient)
    return values[0]


def check_agreement(settings: dict[str, Any]) -> None:
    """Refuse to go on where the processes were started with different settings: nested containers.

    Raises:
        InputError: on every rank alike.
    """
    if _Connection.patient is None:
        return
    of_all: list[Any] = [None] * _Connection.place.world
    dist.all_gather_object(of_all, settings, group=_Connection.patient)
    first = dict(flat(of_all[0]))
    for rank, other in enumerate(of_all[1:], start=1):
        theirs = dict(flat(other))
        keys = sorted(key for key in first.keys() | theirs.keys() if first.get(key) != theirs.get(key))
        if keys:
            expected = ", ".join(f"{key}={first.get(key, 'none')}" for key in keys)
            got = ", ".join(f"{key}={theirs.get(key, 'none')}" for key in keys)
            remedy = "start every process with the same file and key=value words"
            raise InputError(f"the settings of process {rank}", f"{expected}, as process 0", got, remedy)


def flat(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested mappings with their dotted names.

    >>> dict(flat({"trainer": {"devices": 2}, "seeds": [0, 1]}))
    {'trainer.devices': 2, 'seeds': [0, 1]}
    """
    if not isinstance(tree, dict):
        yield prefix, tree
        return
    for key, value in tree.items():
        yield from flat(value, f"{prefix}.{key}" if prefix else str(key))
