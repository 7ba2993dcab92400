from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.utilities import CombinedLoader
from torch import Tensor

from datamodules.batches import GroupedBatches, OrderedBatches, ShuffledBatches


def shuffled(count: int = 11, batch_size: int = 3, seed: int = 5) -> ShuffledBatches[list[int]]:
    return ShuffledBatches(count, batch_size, lambda index: index.tolist(), seed)


def test_ordered_batches_show_every_item_once() -> None:
    loader = OrderedBatches(7, 3, lambda index: index.tolist())
    assert list(loader) == [[0, 1, 2], [3, 4, 5], [6]] and len(loader) == 3
    empty = OrderedBatches(0, 3, lambda index: index.tolist())
    assert list(empty) == [] and len(empty) == 0


def test_the_order_is_a_function_of_seed_epoch_and_pass() -> None:
    first, second, other = shuffled(), shuffled(), shuffled(seed=6)
    walks = [list(first), list(first)]
    assert walks == [list(second), list(second)] and walks[0] != walks[1] != list(other)
    assert len(first) == 3 and len({item for batch in walks[0] for item in batch}) == 9
    first.set_epoch(4)
    later = list(first)
    fresh = shuffled()
    fresh.set_epoch(4)
    assert list(fresh) == later and later not in walks


def test_state_continues_inside_a_pass_and_after_one() -> None:
    straight = shuffled()
    straight.set_epoch(2)
    expected = [*straight, *straight]
    for stop in range(1, 6):
        loader = shuffled()
        loader.set_epoch(2)
        walk = [*_take(loader, stop)]
        resumed = shuffled()
        resumed.load_state_dict(loader.state_dict())
        resumed.set_epoch(2)
        walk += [batch for _ in range(2) for batch in resumed]
        assert walk[:6] == expected, stop


def _take(loader: ShuffledBatches[list[int]], count: int) -> list[list[int]]:
    taken: list[list[int]] = []
    while len(taken) < count:
        for batch in loader:
            taken.append(batch)
            if len(taken) == count:
                break
    return taken


KIND = torch.tensor([0, 0, 0, 1, 2, 2, 2, 2, 0, 3, 3, 0])  # five of kind 0, one of 1, four of 2, two of 3


def grouped(group_size: int = 2, batch_size: int = 4, seed: int = 5) -> GroupedBatches[list[int]]:
    return GroupedBatches(KIND, group_size, batch_size, lambda index: index.tolist(), seed)


def test_groups_are_of_one_kind_and_divided_anew() -> None:
    loader = grouped(batch_size=2)
    assert len(loader) == 5  # two of kind 0, none of 1, two of 2, one of 3
    walks = [list(loader) for _ in range(12)]
    for walk in walks:
        assert sorted(int(KIND[batch[0]]) for batch in walk) == [0, 0, 2, 2, 3]
        assert all(int(KIND[one]) == int(KIND[other]) and one != other for one, other in walk)
        assert len({item for batch in walk for item in batch}) == 10
    partners = {other for walk in walks for batch in walk if 4 in batch for other in batch}
    assert partners == {4, 5, 6, 7} and len({tuple(map(tuple, walk)) for walk in walks}) > 1


def test_batches_hold_whole_groups_and_continue_where_they_stood() -> None:
    straight = grouped()
    assert len(straight) == 2
    expected = [*straight, *straight]
    for batch in expected:
        assert len(batch) == 4 and KIND[batch[0]] == KIND[batch[1]] and KIND[batch[2]] == KIND[batch[3]]
    for stop in (1, 2, 3):
        loader = grouped()
        walk = _take(loader, stop)
        resumed = grouped()
        resumed.load_state_dict(loader.state_dict())
        walk += [batch for _ in range(2) for batch in resumed]
        assert walk[:4] == expected, stop


class Recorder(pl.LightningModule):
    """Writes down what it is given; stops where it is told to."""

    def __init__(self, stop_at: int = -1) -> None:
        super().__init__()
        self.weight, self.seen, self.stop_at = torch.nn.Parameter(torch.zeros(1)), [], stop_at

    def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
        if self.global_step == self.stop_at:
            raise KeyboardInterrupt
        self.seen.append((batch["long"].tolist(), batch["short"].tolist()))
        return self.weight.sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def loaders() -> CombinedLoader:
    def loader(count: int) -> ShuffledBatches[Tensor]:
        return ShuffledBatches(count, 2, lambda index: index.clone(), 7)

    return CombinedLoader({"long": loader(14), "short": loader(7)}, "max_size_cycle")


def fit(folder: Path, model: Recorder, checkpoint: Path | None = None) -> Recorder:
    every = ModelCheckpoint(folder, filename="{step}", every_n_train_steps=1, save_top_k=-1)
    trainer: Any = pl.Trainer(
        max_epochs=3, accelerator="cpu", logger=False, callbacks=[every], enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=folder,
    )  # fmt: skip
    trainer.fit(model, loaders(), ckpt_path=checkpoint)
    return model


def test_a_resumed_training_sees_what_an_unbroken_one_sees(tmp_path: Path) -> None:
    """Through Lightning's own checkpoint, in the middle and at the end of an epoch, with a cycled loader."""
    whole = fit(tmp_path / "whole", Recorder()).seen
    assert len(whole) == 21
    for step in (5, 7, 11):
        resumed = fit(tmp_path / f"resumed{step}", Recorder(), tmp_path / "whole" / f"step={step}.ckpt").seen
        assert resumed == whole[step:], step


SCRIPT = """
import sys, torch, torch.distributed as dist
from datamodules.batches import GroupedBatches, OrderedBatches, ShuffledBatches
dist.init_process_group("gloo", init_method="env://")
shuffled, ordered = ShuffledBatches(11, 2, list, 5), OrderedBatches(5, 2, list)
grouped = GroupedBatches(torch.arange(15) // 3, 2, 2, list, 5)
print([[[int(i) for i in batch] for batch in loader] for loader in (shuffled, ordered, grouped)])
dist.destroy_process_group()
"""


def test_two_processes_share_without_padding() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    root = Path(__file__).parents[2]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT],
            env={**shared, "RANK": str(rank)},
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
        )
        for rank in range(2)
    ]
    outputs = [eval(process.communicate(timeout=120)[0]) for process in processes]
    training = [item for output in outputs for batch in output[0] for item in batch]
    assert [len(output[0]) for output in outputs] == [2, 2]
    assert len(training) == len(set(training)) == 8  # 11 items: 5 a rank, whole batches of 2, none twice
    assert [output[1] for output in outputs] == [[[0, 1], [4]], [[2, 3]]]
    groups = [batch for output in outputs for batch in output[2]]  # 5 groups of two: 2 a rank
    assert [len(output[2]) for output in outputs] == [2, 2] and len({batch[0] // 3 for batch in groups}) == 4
    assert all(one // 3 == other // 3 for one, other in groups)
