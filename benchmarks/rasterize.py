"""CPU time of the fragment rasteriser beside PyTorch3D's, on the same posed heads in the same run.

    python benchmarks/rasterize.py --heads 3 --size 256

The two take turns head by head on one thread, so that a busy machine slows both; the ratio is the
median over the pairs. Also printed: at how many of the covered pixels both see the same triangle,
and how far their barycentrics are apart there.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from pytorch3d.renderer import MeshRasterizer, RasterizationSettings
from pytorch3d.structures import Meshes
from pytorch3d.transforms import so3_exp_map
from pytorch3d.utils import cameras_from_opencv_projection
from torch import Tensor

from steadyface.geometry.cameras import transform
from steadyface.geometry.rasterizer import rasterize
from steadyface.studio.subject import Subject


class Seen(NamedTuple):
    """One image: triangle (H, W), -1 = none, and barycentric (H, W, 3)."""

    triangle: Tensor
    barycentric: Tensor


def posed_heads(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Random expressions and head poses about 600 mm before the camera: (count, N, 3) mm, faces (F, 3)."""
    generator = torch.Generator().manual_seed(seed)
    subject = Subject(0)
    weights = 0.3 * torch.rand(count, len(subject.expression_names), generator=generator)
    turn = torch.randn(count, 3, generator=generator) * torch.tensor([0.3, 0.5, 0.2])
    shift = torch.randn(count, 3, generator=generator) * torch.tensor([20.0, 20.0, 60.0])
    shift = shift + torch.tensor([0.0, 0.0, 600.0])
    return transform(subject.vertices(weights), so3_exp_map(turn), shift), subject.faces


def ours(vertices: Tensor, faces: Tensor, intrinsics: Tensor, size: int) -> Seen:
    """The rasteriser of this project."""
    fragments = rasterize(vertices[None], faces, intrinsics[None], size, size)
    return Seen(fragments.triangle[0], fragments.barycentric[0])


def pytorch3d(vertices: Tensor, faces: Tensor, intrinsics: Tensor, size: int) -> Seen:
    """PyTorch3D's, with the half pixel by which its pixel centres lie elsewhere."""
    shifted = intrinsics[None].clone()
    shifted[:, :2, 2] += 0.5
    cameras = cameras_from_opencv_projection(
        torch.eye(3)[None], torch.zeros(1, 3), shifted, torch.tensor([[size, size]])
    )
    settings = RasterizationSettings(image_size=size, perspective_correct=True, clip_barycentric_coords=False)
    fragments = MeshRasterizer(cameras, settings)(Meshes([vertices], [faces]))
    return Seen(fragments.pix_to_face[0, ..., 0], fragments.bary_coords[0, ..., 0, :])


def timed(rasterizer: Callable[[], Seen], repeats: int = 1) -> tuple[Seen, float]:
    """What it sees and the median CPU time in seconds."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        seen = rasterizer()
        times.append(time.process_time() - start)
    return seen, statistics.median(times)


def compare(vertices: Tensor, faces: Tensor, intrinsics: Tensor, size: int) -> tuple[list[float], Tensor]:
    """One head: CPU times (ours, theirs) in s, and (covered, same, over 1e-4) pixel counts (3,)."""
    mine, my_time = timed(lambda: ours(vertices, faces, intrinsics, size), repeats=5)
    peer, peer_time = timed(lambda: pytorch3d(vertices, faces, intrinsics, size))
    covered = (mine.triangle >= 0) | (peer.triangle >= 0)
    same = covered & (mine.triangle == peer.triangle)
    apart = (mine.barycentric - peer.barycentric).abs().amax(-1)[same] > 1e-4
    return [my_time, peer_time], torch.stack([covered.sum(), same.sum(), apart.sum()])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heads", type=int, default=5, help="how many posed heads (default 5)")
    parser.add_argument("--size", type=int, default=128, help="side of the image in pixels (default 128)")
    parser.add_argument("--seed", type=int, default=0, help="of the expressions and poses (default 0)")
    chosen = parser.parse_args()
    if min(chosen.heads, chosen.size) < 1:
        parser.error("--heads and --size must be at least 1")
    torch.set_num_threads(1)
    vertices, faces = posed_heads(chosen.heads, chosen.seed)
    middle = chosen.size / 2 - 0.5
    focal = 2.0 * chosen.size
    intrinsics = torch.tensor([[focal, 0, middle], [0, focal, middle], [0, 0, 1]])
    ours(vertices[0], faces, intrinsics, chosen.size)  # the first call pays for what every later one reuses
    results = [compare(head, faces, intrinsics, chosen.size) for head in vertices]
    my_ms, peer_ms = (1e3 * statistics.median(pair[side] for pair, _ in results) for side in (0, 1))
    ratios = [peer / mine for (mine, peer), _ in results]
    covered, same, apart = torch.stack([counts for _, counts in results]).sum(0).tolist()
    print(f"{chosen.heads} heads, {len(faces)} triangles, {chosen.size} x {chosen.size} pixels, one thread, CPU time")
    print(f"  steadyface   {my_ms:9.1f} ms a head")
    print(f"  PyTorch3D    {peer_ms:9.1f} ms a head")
    print(f"  ratio        {statistics.median(ratios):9.0f} times (median of the pairs)")
    print(f"               {min(ratios):9.0f} to {max(ratios):.0f} times over the pairs")
    print(f"  same triangle at {same / max(covered, 1):.4%} of {covered} covered pixels")
    print(f"  barycentrics more than 1e-4 apart at {apart} of them")


if __name__ == "__main__":
    main()
