"""What is the same whatever the number of processes: which of them this is, and the rows of all of them."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
import torch.distributed
from torch import Tensor
from torch.nn import Module
from torchmetrics.utilities.distributed import gather_all_tensors

Key = TypeVar("Key")
Value = TypeVar("Value")


def rank_and_world() -> tuple[int, int]:
    """This process's rank and the number of processes; (0, 1) without ``torch.distributed``."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


def batch_number(batch_index: int) -> int:
    """The place of this process's ``batch_index``-th ordered batch among those of all processes.

    >>> batch_number(3)
    3
    """
    rank, world = rank_and_world()
    return batch_index * world + rank


def of_all_processes(rows: Tensor) -> Tensor:
    """The rows (B, ...) of every process, one after the other, on each of them; B may differ and be 0."""
    if rank_and_world()[1] == 1:
        return rows
    return torch.cat(gather_all_tensors(rows.contiguous()))


def to_main_process(items: dict[Key, Value]) -> dict[Key, Value]:
    """The items of every process together on rank 0, an empty dict on the others."""
    rank, world = rank_and_world()
    if world == 1:
        return items
    gathered: list[Any] | None = [None] * world if rank == 0 else None
    torch.distributed.gather_object(items, gathered)
    return {key: value for part in gathered or () for key, value in part.items()}


def take_from_main_process(module: Module) -> None:
    """Give every process the parameters that rank 0 has: what changes them beside the optimiser must do so for all."""
    if rank_and_world()[1] > 1:
        for parameter in module.parameters():
            torch.distributed.broadcast(parameter.data, 0)
