"""Every metric class in two real processes (gloo): the same value as in one, on both."""

from __future__ import annotations

import multiprocessing
import socket

import pytest
import torch
import torch.distributed as dist

from steadyface.metrics import (
    geometry_errors,
    lag,
    landmarks,
    latents,
    photometric,
    stability,
    texture,
    warping,
)


def _points(frames, width=3):
    return torch.randn(frames, 5, width)


def _pictures(batch):
    return (
        torch.rand(batch, 3, 12, 12),
        torch.rand(batch, 3, 12, 12),
        (torch.rand(batch, 1, 12, 12) > 0.3).float(),
    )


def _cases():
    """Name -> (a new metric, three updates of different sizes)."""
    torch.manual_seed(3)
    sizes = (2, 5, 3)
    clips = [(_points(n), _points(n), torch.arange(n).double() / 30) for n in (30, 41, 27)]
    positions = torch.rand(3, 12, 12, 2) * 11
    spread = torch.eye(4) * 2.0
    pairs, poses, pictures = (
        [(_points(n), _points(n)) for n in sizes],
        [(torch.linalg.qr(torch.randn(n, 3, 3))[0], torch.linalg.qr(torch.randn(n, 3, 3))[0]) for n in sizes],
        [_pictures(n) for n in sizes],
    )
    masks = [(picture[2], (torch.rand_like(picture[2]) > 0.5).float()) for picture in pictures]
    region = torch.tensor([0, 2])
    return {
        "vertex": (geometry_errors.VertexErrorMm(), pairs),
        "vertex region": (geometry_errors.VertexErrorMm(region), pairs),
        "camera": (geometry_errors.VertexErrorCameraMm(), pairs),
        "lateral": (geometry_errors.VertexErrorCameraLateralMm(), pairs),
        "log depth": (geometry_errors.VertexErrorCameraLogDepth(), [(a.abs(), b.abs()) for a, b in pairs]),
        "reprojection": (geometry_errors.ReprojectionErrorPx(), [(a[..., :2], b[..., :2]) for a, b in pairs]),
        "rotation": (geometry_errors.HeadRotationErrorDeg(), poses),
        "translation": (geometry_errors.HeadTranslationErrorMm(), [(a[:, 0], b[:, 0]) for a, b in pairs]),
        "acceleration error mm": (stability.AccelerationErrorMmS2(), clips),
        "acceleration error px": (stability.AccelerationErrorPxS2(), clips),
        "acceleration mm": (stability.AccelerationMmS2(), [(p, s) for p, _, s in clips]),
        "acceleration px": (stability.AccelerationPxS2(), [(p, s) for p, _, s in clips]),
        "ratio": (stability.StabilityRatio(), [(p,) for p, _, _ in clips]),
        "gain": (stability.MotionGain(region), [(p, q) for p, q, _ in clips]),
        "lag": (lag.LagMs(max_shift=4), clips),
        "l1": (photometric.PhotometricError(), pictures),
        "psnr": (photometric.PhotometricPsnrDb(), pictures),
        "ssim": (photometric.PhotometricSsim(), pictures),
        "residual": (texture.TextureResidual(), pictures),
        "residual normalised": (texture.TextureResidualNormalised(radius=2), pictures),
        "coverage": (texture.TextureCoverage(), masks),
        "warp": (warping.WarpPsnrDb(), [(a, b, positions[: len(a)].expand(len(a), -1, -1, -1), m)
                                        for a, b, m in (_pictures(n) for n in (2, 3, 1))]),
        "latent": (latents.LatentDistance(torch.zeros(4), spread), [(torch.randn(n, 4),) for n in sizes]),
        "landmarks": (landmarks.LandmarkNme(0, 1), [(a[..., :2], b[..., :2]) for a, b in pairs]),
    }  # fmt: skip


def _values(updates_of_rank):
    values = {}
    for name, (metric, updates) in _cases().items():
        for update in updates_of_rank(updates):
            metric.update(*update)
        values[name] = float(metric.compute())
    return values


def _process(rank, port, results):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    results.put((rank, _values(lambda updates: updates[rank::2])))  # two updates here, one there
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def two_process_values():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    processes = [context.Process(target=_process, args=(rank, port, results)) for rank in range(2)]
    for process in processes:
        process.start()
    found = dict(results.get(timeout=60) for _ in processes)
    for process in processes:
        process.join(timeout=30)
    return found


@pytest.mark.parametrize("name", list(_cases()))
def test_two_processes_agree_with_one(two_process_values, name):
    expected = _values(lambda updates: updates)[name]
    assert expected == expected and expected != 0
    for rank in range(2):
        assert two_process_values[rank][name] == pytest.approx(expected, rel=1e-9)


def test_one_process_alone_would_have_given_something_else():
    whole, part = _values(lambda updates: updates), _values(lambda updates: updates[0::2])
    assert all(abs(whole[name] - part[name]) > 1e-9 * abs(whole[name]) for name in whole)
