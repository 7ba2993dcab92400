"""The costly parts of an adaptation step at demo size, beside the way in which they were written first.

    python benchmarks/adaptation_step.py

One thread, CPU time, the two sides alternately in one process. The peers are the contrast
normalisation whose gradient goes back through every running sum, and the registration that works out every offset's
whole softmax. Answers must be the same up to rounding, or it ends with an error.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from launcher.memory import keep_freed_memory
from steadyface.geometry.contrast import normalise_contrast
from steadyface.losses.registration import correlation_volume, look_up, register
from steadyface.randomness import drawing

WINDOWS, TEXELS = 6, 128
REACH, RADIUS, TEMPERATURE = 3, 3, 0.04

Answer = tuple[Tensor, ...]


def plain_box_sum(values: Tensor, radius: int) -> Tensor:
    """Running sums with autograd's own gradient."""
    for axis in (-1, -2):
        values = values.transpose(axis, -1)
        running = pad(values, [radius + 1, radius]).cumsum(-1)
        values = (running[..., 2 * radius + 1 :] - running[..., : values.shape[-1]]).transpose(axis, -1)
    return values


def plain_contrast(texture: Tensor, mask: Tensor, radius: int = 6, floor: float = 0.01) -> Tensor:
    """Every local mean counts the mask for itself."""

    def mean(values: Tensor) -> Tensor:
        return plain_box_sum(values * mask, radius) / plain_box_sum(mask, radius).clamp(min=0.5)

    centred = texture - mean(texture)
    return centred / torch.sqrt(mean(centred.square()).clamp(min=0.0) + floor**2) * mask


def contrast_and_gradient(texture: Tensor, mask: Tensor, plain: bool) -> Answer:
    """Forward and backward of the textures of one step."""
    texture = texture.clone().requires_grad_()
    found = (plain_contrast if plain else normalise_contrast)(texture, mask)
    (found * texture.detach().flip(0)).sum().backward()
    assert texture.grad is not None
    return found.detach(), texture.grad


def plain_register(observed: Tensor, model: Tensor, mask: Tensor) -> Answer:
    """The softmax over all offsets at once."""
    volume = correlation_volume(observed, model, mask, mask, REACH, RADIUS)
    steps = torch.arange(-REACH, REACH + 1, dtype=volume.dtype)
    dy, dx = (grid.reshape(1, -1, 1, 1) for grid in torch.meshgrid(steps, steps, indexing="ij"))
    peak, best = volume.max(dim=1, keepdim=True)
    near = ((dx - dx.flatten()[best]).abs() <= 2) & ((dy - dy.flatten()[best]).abs() <= 2)
    share = torch.exp((volume - peak) / TEMPERATURE) * near
    share = share / share.sum(1, keepdim=True)
    offset = torch.cat([(share * dx).sum(1, keepdim=True), (share * dy).sum(1, keepdim=True)], dim=1)
    inner = (dx.flatten()[best].abs() < REACH) & (dy.flatten()[best].abs() < REACH)
    spread = (share * ((dx - offset[:, :1]).square() + (dy - offset[:, 1:]).square())).sum(1, keepdim=True)
    whole = (look_up(mask, offset) > 0.99).to(peak.dtype)
    return offset, peak, (peak - 0.3).clamp(min=0.0) / 0.7 * torch.exp(-spread) * inner * mask * whole


def compare(ours: Callable[[], Answer], peer: Callable[[], Answer], rounds: int) -> tuple[float, float, float, float]:
    """CPU ms of ours and the peer, the least of the rounds; the median ratio; the largest difference of the answers."""
    times: list[tuple[float, float]] = []
    apart = 0.0
    for _ in range(rounds + 1):
        (mine, first), (other, second) = cpu_time(ours), cpu_time(peer)
        times.append((mine, other))
        apart = max(apart, *(float((a - b).abs().max()) for a, b in zip(first, second, strict=True)))
    times = times[1:]  # the first pays for what every later one reuses
    ratio = statistics.median(other / mine for mine, other in times)
    return 1e3 * min(t[0] for t in times), 1e3 * min(t[1] for t in times), ratio, apart


def cpu_time(work: Callable[[], Answer]) -> tuple[float, Answer]:
    started = time.process_time()
    found = work()
    return time.process_time() - started, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="pairs that are measured (default 7)")
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    keep_freed_memory()
    frames = 2 * WINDOWS
    with drawing(0, "benchmark"):
        texture = torch.rand(frames, 3, TEXELS, TEXELS)
        smooth = avg_pool2d(torch.rand(frames, 3, TEXELS // 2 + 4, TEXELS // 2 + 4), 5, 1)
    mask = torch.zeros(frames, 1, TEXELS, TEXELS)
    mask[..., 10:-20, 15:-15] = 1
    small = mask[..., ::2, ::2]
    observed = normalise_contrast(smooth, small)
    model = observed.roll((1, 2), (2, 3))
    parts: dict[str, tuple[Callable[[], Answer], Callable[[], Answer], float]] = {
        "contrast": (
            lambda: contrast_and_gradient(texture, mask, plain=False),
            lambda: contrast_and_gradient(texture, mask, plain=True), 1e-3,
        ),
        "registration": (
            lambda: tuple(register(observed, model, small, small, REACH, RADIUS, TEMPERATURE)),
            lambda: plain_register(observed, model, small), 1e-4,
        ),
    }  # fmt: skip
    print(f"{frames} clip frames, {TEXELS} texels, one thread, CPU time")
    print(f"  {'':14} {'ours ms':>9} {'peer ms':>9} {'ratio':>7} {'apart':>9}")
    for name, (ours, peer, most) in parts.items():
        mine, other, ratio, apart = compare(ours, peer, rounds)
        print(f"  {name:14} {mine:9.1f} {other:9.1f} {ratio:7.2f} {apart:9.1e}", flush=True)
        if not apart < most:
            raise SystemExit(f"{name}: the answers differ by {apart:.1e}, more than rounding")


if __name__ == "__main__":
    main()
