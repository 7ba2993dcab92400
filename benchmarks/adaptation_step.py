"""The costly parts of an adaptation step at demo size, beside the way in which they were written first.

    python benchmarks/adaptation_step.py

One thread, CPU time, the two sides alternately in one process. The peers are the plain layers of MobileNetV2 with
their batch norms, the contrast normalisation whose gradient goes back through every running sum, and the registration
that works out every offset's whole softmax. Answers must be the same up to rounding, or it ends with an error.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from launcher.memory import keep_freed_memory
from steadyface.geometry.contrast import normalise_contrast
from steadyface.losses.registration import correlation_volume, look_up, register
from steadyface.networks.point_network import PointNetwork, read_points
from steadyface.randomness import drawing

WINDOWS, LAB_VIEWS, CROP, TEXELS = 6, 8, 128, 128
REACH, RADIUS, TEMPERATURE = 3, 3, 0.04

Answer = tuple[Tensor, ...]


def plain_points(network: PointNetwork, image: Tensor) -> Answer:
    """The network by calling its layers."""
    quarter = network.to_quarter((image - network.image_mean) / network.image_std)
    eighth = network.to_eighth(quarter)
    sixteenth = network.to_sixteenth(eighth)

    def double(features: Tensor) -> Tensor:
        return torch.nn.functional.interpolate(features, scale_factor=2, mode="nearest")

    wide = network.at_eighth(eighth) + double(network.from_sixteenth(network.at_sixteenth(sixteenth)))
    features = network.refine(network.at_quarter(quarter) + double(network.from_eighth(wide)))
    found = read_points(network.to_heat(features), network.to_doubt(features))
    return found.pixels, found.doubt_px


def points_and_gradients(network: PointNetwork, images: Iterable[Tensor], plain: bool) -> Answer:
    """What clip frames and lab views of one step cost: forward, and backward to the parameters that learn."""
    network.zero_grad(set_to_none=True)
    found = []
    for image in images:
        pixels, doubt = plain_points(network, image) if plain else network(image)[:2]
        (pixels.square().mean() + doubt.mean()).backward()
        found.append(pixels.detach())
    gradient = torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])
    return (*found, gradient / gradient.norm())


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
        network = PointNetwork(16, 96)
        images = [torch.rand(count, 3, CROP, CROP) for count in (frames, LAB_VIEWS)]
        texture = torch.rand(frames, 3, TEXELS, TEXELS)
        smooth = avg_pool2d(torch.rand(frames, 3, TEXELS // 2 + 4, TEXELS // 2 + 4), 5, 1)
    mask = torch.zeros(frames, 1, TEXELS, TEXELS)
    mask[..., 10:-20, 15:-15] = 1
    small = mask[..., ::2, ::2]
    observed = normalise_contrast(smooth, small)
    model = observed.roll((1, 2), (2, 3))
    parts: dict[str, tuple[Callable[[], Answer], Callable[[], Answer], float]] = {
        "point network": (
            lambda: points_and_gradients(network, images, plain=False),
            lambda: points_and_gradients(network, images, plain=True), 1e-3,
        ),
        "contrast": (
            lambda: contrast_and_gradient(texture, mask, plain=False),
            lambda: contrast_and_gradient(texture, mask, plain=True), 1e-3,
        ),
        "registration": (
            lambda: tuple(register(observed, model, small, small, REACH, RADIUS, TEMPERATURE)),
            lambda: plain_register(observed, model, small), 1e-4,
        ),
    }  # fmt: skip
    print(f"{frames} clip frames, {LAB_VIEWS} lab views, crops of {CROP} px, {TEXELS} texels, one thread, CPU time")
    print(f"  {'':14} {'ours ms':>9} {'peer ms':>9} {'ratio':>7} {'apart':>9}")
    for name, (ours, peer, most) in parts.items():
        mine, other, ratio, apart = compare(ours, peer, rounds)
        print(f"  {name:14} {mine:9.1f} {other:9.1f} {ratio:7.2f} {apart:9.1e}", flush=True)
        if not apart < most:
            raise SystemExit(f"{name}: the answers differ by {apart:.1e}, more than rounding")


if __name__ == "__main__":
    main()
