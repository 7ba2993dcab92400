"""Batches out of tensors that lie in memory: order, sharding over ranks, resuming.

A loader here is a plain iterable, not a ``DataLoader``: nothing is decoded while training, and
Lightning would replace a ``DataLoader``'s sampler by one that pads the last batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from steadyface.processes import rank_and_world

Batch = TypeVar("Batch")


class OrderedBatches(Generic[Batch]):
    """Every item once, in order; rank r of W takes the batches r, r + W, ... No item is repeated.

    The batches are those of one process, so that what is drawn a batch, and every sum over one, is the same
    whatever the number of processes: `batch_number` tells a batch's place among them.

    Args:
        count: number of items over all ranks.
        batch_size: items a batch on one rank; the last batch may hold fewer.
        make_batch: (n,) long indices -> batch.
    """

    def __init__(self, count: int, batch_size: int, make_batch: Callable[[Tensor], Batch]) -> None:
        self._count, self._batch_size, self._make_batch = count, batch_size, make_batch

    def __len__(self) -> int:
        """The same on every rank, though the last ones may have a batch less: Lightning would leave a rank of
        length 0 out of the validation's end, where the others wait for it."""
        return -(-len(self._batches()) // rank_and_world()[1])

    def __iter__(self) -> Iterator[Batch]:
        rank, world = rank_and_world()
        for index in self._batches()[rank::world]:
            yield self._make_batch(index)

    def of_all_ranks(self) -> Iterator[Batch]:
        """Every batch, on every rank alike."""
        return map(self._make_batch, self._batches())

    def _batches(self) -> list[Tensor]:
        return list(torch.arange(self._count).split(self._batch_size)) if self._count else []


class ShuffledBatches(Generic[Batch]):
    """A new order each pass: a function of seed, epoch and pass, so that a resume continues it.

    Each pass shuffles all items, shares them out as rank r, r + W, ... without padding, and drops
    what does not fill a batch: every rank sees the same number of batches. A pass is one walk
    through the items; an epoch holds several where a longer loader is cycled beside this one.
    Lightning calls ``sampler.set_epoch``, and stores ``state_dict`` in its checkpoints.

    Args:
        count: number of items over all ranks.
        batch_size: items a batch on one rank.
        make_batch: (n,) long indices -> batch.
        seed: of the order.
    """

    def __init__(self, count: int, batch_size: int, make_batch: Callable[[Tensor], Batch], seed: int) -> None:
        self._count, self._batch_size, self._make_batch, self._seed = count, batch_size, make_batch, seed
        self._epoch, self._passes, self._position, self._start = 0, 0, 0, 0

    @property
    def sampler(self) -> ShuffledBatches[Batch]:
        """Itself: where Lightning looks for ``set_epoch``."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Announces the epoch; the same one again (after a resume) changes nothing."""
        if epoch != self._epoch:
            self._epoch, self._passes, self._position, self._start = epoch, 0, 0, 0

    def __len__(self) -> int:
        return self._count // rank_and_world()[1] // self._batch_size

    def __iter__(self) -> Iterator[Batch]:
        shard = self._shard(self._passes)
        start, self._start = self._start, 0
        self._passes += 1
        for number in range(start, len(self)):
            self._position = number + 1
            yield self._make_batch(shard[number * self._batch_size : (number + 1) * self._batch_size])

    def _shard(self, passes: int) -> Tensor:
        rank, world = rank_and_world()
        state = np.random.SeedSequence([self._seed, self._epoch, passes]).generate_state(1, np.uint64)
        generator = torch.Generator().manual_seed(int(state[0] >> 1))
        return self._order(generator)[rank::world]

    def _order(self, generator: torch.Generator) -> Tensor:
        """A pass's items over all ranks, (count,) long."""
        return torch.randperm(self._count, generator=generator)

    def state_dict(self) -> dict[str, Any]:
        """Where the walk stands: epoch, passes begun in it, batches given in the current pass."""
        return {"epoch": self._epoch, "passes": self._passes, "position": self._position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The next walk goes on from there."""
        self._epoch, self._passes, self._position = state["epoch"], state["passes"], state["position"]
        unfinished = 0 < self._position < len(self)
        self._start = self._position if unfinished else 0
        self._passes -= int(unfinished)


class GroupedBatches(ShuffledBatches[Batch]):
    """As ``ShuffledBatches``, but items come in groups of one kind, side by side in a batch.

    Each pass divides a kind's items into groups anew; those that fill no group wait for another pass.

    Args:
        kind: (V,) long, what each item is of.
        group_size: items a group.
        batch_size: items a batch on one rank, a multiple of ``group_size``.
        make_batch: (n,) long indices -> batch.
        seed: of the order.
    """

    def __init__(
        self, kind: Tensor, group_size: int, batch_size: int, make_batch: Callable[[Tensor], Batch], seed: int
    ) -> None:
        self._kind, self._group_size = kind, group_size
        groups = int((torch.bincount(kind) // group_size).sum())
        super().__init__(groups, batch_size // group_size, lambda rows: make_batch(rows.flatten()), seed)

    def _order(self, generator: torch.Generator) -> Tensor:
        """A pass's groups over all ranks, (count, group_size) long."""
        shuffled = torch.randperm(len(self._kind), generator=generator)
        by_kind = shuffled[torch.argsort(self._kind[shuffled], stable=True)]
        rows = [part[: len(part) // self._group_size * self._group_size].view(-1, self._group_size)
                for part in by_kind.split(torch.bincount(self._kind).tolist())]
        return torch.cat(rows)[torch.randperm(self._count, generator=generator)]
