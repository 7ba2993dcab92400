"""Stability over a clip's frames in order, however they were batched, and over two processes."""

from __future__ import annotations

import multiprocessing
import socket
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist

from callbacks import temporal_stability
from callbacks.outputs import ClipPrediction
from callbacks.temporal_stability import TemporalStability, ordered_clips

# 24 of 64 vertices move 1 mm forth and back at 30 frames a second: 2 mm / (1/30 s)^2.
EXPECTED_MM_S2 = 2.0 * 900.0 * 24 / 64


def test_shuffled_and_repeated_frames_are_put_in_order(fit, stage):
    metrics = fit(stage(), [TemporalStability()], steps=2).callback_metrics
    assert float(metrics["val/acceleration_mm_s2"]) == pytest.approx(EXPECTED_MM_S2, rel=1e-4)
    assert float(metrics["val/acceleration_px_s2"]) > 0
    assert float(metrics["val/stability_ratio"]) > 1e3  # forth and back: no way made
    assert "val/stability_ratio_picture" in metrics


def test_lab_frames_alone_log_nothing(fit, stage):
    metrics = fit(stage(), [TemporalStability()], steps=2, loaders=("lab",)).callback_metrics
    assert not any("acceleration" in name for name in metrics)


def test_a_resumed_run_logs_the_same(fit, stage):
    fit(stage(), [TemporalStability()], steps=2)
    metrics = fit(stage(), [TemporalStability()], steps=4, resume=True).callback_metrics
    assert float(metrics["val/acceleration_mm_s2"]) == pytest.approx(EXPECTED_MM_S2, rel=1e-4)


def _frames(numbers, clip):
    count = len(numbers)
    number = torch.tensor(numbers)
    marks = number.float().view(-1, 1, 1).expand(count, 4, 3)
    eye = torch.eye(3).repeat(count, 1, 1)
    return ClipPrediction(
        marks, eye, torch.zeros(count, 3), eye, number / 30, number, torch.full((count,), clip)
    )


def test_clips_are_kept_apart():
    joined = ClipPrediction(
        *(torch.cat(pair) for pair in zip(_frames([2, 0, 1, 1], 1), _frames([1, 0], 0), strict=True))
    )
    clips = ordered_clips(joined)
    assert [clip.frame.tolist() for clip in clips] == [[0, 1], [0, 1, 2]]
    assert clips[1].vertices[:, 0, 0].tolist() == [0.0, 1.0, 2.0]
    assert ordered_clips(None) == []


def _process(rank, port, results):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    module = SimpleNamespace(device=torch.device("cpu"), statistics=SimpleNamespace(vertex_count=4))
    for parts in ([[[0, 2, 4]], [[1], [3]]], [[[0, 1, 2, 3, 4]], []], [[], []]):
        share = [_frames(part, 0) for part in parts[rank]]
        gathered = ordered_clips(temporal_stability._over_processes(share, module))
        results.put([clip.frame.tolist() for clip in gathered])
    dist.destroy_process_group()


def test_frames_of_two_processes_come_together():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    processes = [context.Process(target=_process, args=(rank, port, results)) for rank in range(2)]
    for process in processes:
        process.start()
    found = [results.get(timeout=60) for _ in range(6)]
    assert sorted(found) == [[], []] + [[[0, 1, 2, 3, 4]]] * 4  # the second process had none, then neither had
    for process in processes:
        process.join(timeout=30)
