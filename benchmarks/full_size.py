"""One optimisation step of each stage at the size of experiments/paper/ours.yaml: peak memory and seconds.

    python benchmarks/full_size.py
    python benchmarks/full_size.py --stage adaptation --batch 1 lab.texture_size=512

The stages' own modules and settings run under a Lightning Trainer for two steps, each stage in a process of
its own; the second step is reported, the first beside it. Memory is the process's largest resident set, or
on CUDA the largest allocated by torch. Only the cost is measured: images, textures and weights are random
(so are VGG-16's), and the head is a bent grid with the 7,306 vertices of the paper's, not a real head's
topology. A stage that does not fit into memory says so.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from launcher.resolve import file_layers, override_layers, resolve
from launcher.settings import Experiment
from launcher.sizes import choose_size
from lightning_modules.adaptation import WildAdaptation
from lightning_modules.appearance import AppearanceTraining
from lightning_modules.pretraining import LabPretraining
from steadyface.geometry.cameras import view_direction
from steadyface.networks.checkpoints import describe_networks
from steadyface.networks.precision import network_precision
from steadyface.types import ClipBatch, LabBatch, SubjectStatistics

EXPERIMENT = Path(__file__).parents[1] / "experiments" / "paper" / "ours.yaml"
VERTICES, CAMERAS, INSTANTS = 7306, 40, 16
STEPS = 2
STAGES = ("appearance", "pretraining-i2znet", "pretraining-texture-space", "adaptation")
NETWORKS = "networks"  # the process that writes what the later stages start from; it is not measured


def head_grid(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """A bent grid of ``count`` vertices, its last row cut short: (N, 3) mm, uv (N, 2), faces (F, 3)."""
    columns = int(count**0.5)
    index = torch.arange(count)
    u, v = (index % columns) / (columns - 1), (index // columns) / ((count - 1) // columns)
    x, y = 2 * u - 1, 2 * v - 1
    vertices = torch.stack([75 * x, 110 * y, 40 * (x.square() + y.square())], dim=-1)
    a = index[(index % columns < columns - 1) & (index + columns + 1 < count)]
    b, c, d = a + 1, a + columns, a + columns + 1
    faces = torch.cat([torch.stack([a, c, b], -1), torch.stack([b, c, d], -1)])
    # charts of a real head leave about a third of the texels empty
    return vertices, 0.09 + 0.82 * torch.stack([u, v], dim=-1), faces


def random_subject(texture_size: int) -> SubjectStatistics:
    """The grid as a subject, its upper third rigid."""
    vertices, uv, faces = head_grid(VERTICES)
    texture = torch.rand(3, texture_size, texture_size)
    rigid = torch.nonzero(uv[:, 1] < 0.35).squeeze(1)
    cameras = tuple(f"{number:06d}" for number in range(CAMERAS))
    return SubjectStatistics(faces, uv, faces, vertices, 4.0, texture, 0.1, rigid, {}, cameras)


def random_meshes(mean: Tensor, count: int) -> Tensor:
    """(count, N, 3) mm: the grid with smooth random offsets that grow downwards."""
    lower = (mean[:, 1] / 110 + 1.0).square()
    wave = torch.sin(mean[:, :1] * torch.rand(3) / 10) + torch.cos(mean[:, 1:2] * torch.rand(3) / 10)
    return mean + torch.randn(count, 1, 3) * wave * lower.unsqueeze(-1)


def pinhole(size: int, *shape: int) -> Tensor:
    """K (*shape, 3, 3) of crops that a head 700 mm away fills to two thirds."""
    middle = (size - 1) / 2
    return torch.tensor([[2.1 * size, 0, middle], [0, 2.1 * size, middle], [0, 0, 1]]).repeat(*shape, 1, 1)


def random_views(statistics: SubjectStatistics, size: int, count: int) -> LabBatch:
    """``count`` lab views of ``size`` pixels, two cameras an instant."""
    rotation = torch.eye(3).repeat(count, 1, 1)
    translation = torch.tensor([0.0, 0.0, 700.0]) + 5 * torch.randn(count, 3)
    texture = torch.rand(count, 3, statistics.texture_size, statistics.texture_size)
    seen, number = torch.ones_like(texture[:, :1]), torch.arange(count)
    covered = torch.ones(count, 1, size, size)
    normal = covered * torch.tensor([0.0, 0.0, -1.0]).view(3, 1, 1)
    return LabBatch(
        torch.rand(count, 3, size, size), covered, normal, pinhole(size, count), rotation, translation,
        random_meshes(statistics.vertex_mean, count), texture, seen, texture, seen,
        view_direction(rotation, translation), number % CAMERAS, number // 2,
    )  # fmt: skip


def random_pairs(size: int, count: int) -> ClipBatch:
    """``count`` windows of two frames of ``size`` pixels."""
    frame = torch.arange(2 * count).view(count, 2)
    images = torch.rand(count, 2, 3, size, size)
    return ClipBatch(images, pinhole(size, count, 2), frame / 30.0, torch.zeros(count, dtype=torch.long), frame)


class RandomData(pl.LightningDataModule):
    """The same batch at every step, and a few instants to measure the lab by."""

    def __init__(self, statistics: SubjectStatistics, batch: Any) -> None:
        super().__init__()
        self._statistics, self._batch = statistics, batch

    def instants(self) -> Iterator[LabBatch]:
        return (random_views(self._statistics, 32, 2) for _ in range(INSTANTS // 2))

    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader([self._batch] * STEPS, batch_size=None)  # type: ignore[arg-type]


class StepClock(pl.Callback):
    """Seconds of each step: forward, backward, optimiser."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._start = 0.0

    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, number: int) -> None:
        self._start = now()

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, number: int
    ) -> None:
        self.seconds.append(now() - self._start)


def now() -> float:
    """Seconds, once the device has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def read_sizes(words: Sequence[str]) -> Experiment:
    """The settings of the experiment file under ``key=value`` words; its data are not looked for."""
    return resolve(Experiment, choose_size(file_layers(EXPERIMENT), override_layers(words)))


def write_networks(experiment: Experiment, folder: Path) -> None:
    """Untrained ``decoder.ckpt`` and ``source.ckpt``, as the first two stages leave them."""
    statistics = random_subject(experiment.lab.texture_size)
    appearance = AppearanceTraining(experiment.appearance, statistics)
    appearance.face_model.start_from_lab(random_meshes(statistics.vertex_mean, INSTANTS))
    described = describe_networks(statistics, appearance.face_model, None)
    torch.save({"networks": described, "state_dict": appearance.state_dict()}, folder / "decoder.ckpt")
    pretraining = LabPretraining(replace(experiment.pretraining, imagenet=False), str(folder / "decoder.ckpt"))
    pretraining.measure_lab(RandomData(statistics, None).instants())
    described = describe_networks(statistics, pretraining.face_model, pretraining.encoder)
    torch.save({"networks": described, "state_dict": pretraining.state_dict()}, folder / "source.ckpt")


def build_stage(stage: str, experiment: Experiment, folder: Path, batch: int) -> tuple[Any, Any]:
    """The stage's module and one batch for it."""
    views = random_views(random_subject(experiment.lab.texture_size), experiment.lab.image_size, batch)
    if stage == "appearance":
        return AppearanceTraining(experiment.appearance, random_subject(experiment.lab.texture_size)), views
    if stage == "adaptation":
        pairs = random_pairs(experiment.clips.image_size, batch)
        return WildAdaptation(experiment.adaptation, str(folder / "source.ckpt")), {"clip": pairs, "lab": views}
    # past its first steps: hourglass and all, the texture unwrapped under the network's own pose
    settings = replace(
        experiment.pretraining, network=stage.removeprefix("pretraining-").replace("-", "_"), imagenet=False,
        i2znet=replace(experiment.pretraining.i2znet, landmark_share=0.0), own_pose_after=0.0,
    )  # fmt: skip
    return LabPretraining(settings, str(folder / "decoder.ckpt")), views


def run_stage(stage: str, experiment: Experiment, folder: Path, batch: int, precision: str) -> dict[str, Any]:
    """Two steps of a stage in this process: seconds of both, and its peak memory so far in GB."""
    torch.manual_seed(0)
    if stage == NETWORKS:
        write_networks(experiment, folder)
        return {}
    module, data = build_stage(stage, experiment, folder, batch)
    clock, on_cuda = StepClock(), torch.cuda.is_available()
    trainer = pl.Trainer(
        max_steps=STEPS, max_epochs=-1, accelerator="gpu" if on_cuda else "cpu", devices=1,
        callbacks=[clock], logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, limit_val_batches=0, default_root_dir=str(folder),
    )  # fmt: skip
    with network_precision(precision):
        trainer.fit(module, datamodule=RandomData(module.statistics, data))
    peak = torch.cuda.max_memory_allocated() if on_cuda else 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": clock.seconds, "peak_gb": peak / 1e9}


def run_alone(chosen: argparse.Namespace) -> None:
    """Child process: run the stage and print what `run_stage` found, or why it found nothing, as JSON."""
    torch.set_num_threads(chosen.threads)
    if not torch.cuda.is_available():
        # a step beyond what is free shall fail here, and not take the machine's other processes with it
        free = 1024 * int(Path("/proc/meminfo").read_text().split("MemAvailable:")[1].split()[0])
        resource.setrlimit(resource.RLIMIT_DATA, (free, free))
    try:
        found = run_stage(chosen.alone, read_sizes(chosen.words), chosen.folder, chosen.batch, chosen.precision)
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and "allocate memory" not in str(error):
            raise
        found = {"fault": "does not fit into the memory that is free"}
    print(json.dumps(found))


def ask(stage: str, chosen: argparse.Namespace, folder: str, precision: str) -> dict[str, Any]:
    """Run a stage in a process of its own; a fault is told in ``fault``."""
    command = [sys.executable, __file__, "--alone", stage, "--folder", folder, "--precision", precision]
    command += ["--batch", str(chosen.batch), "--threads", str(chosen.threads), *chosen.words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode < 0:
        return {"fault": f"ended by signal {-done.returncode}: most likely it does not fit into memory"}
    if done.returncode:
        return {"fault": f"failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}"}
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def print_stage(stage: str, ask_stage: Callable[[str], dict[str, Any]], precision: str, frames: int) -> bool:
    """Measure and print one line; True where it could be measured."""
    found, heading = ask_stage(precision), f"{stage:26} {precision:12}"
    if "fault" in found:
        print(f"{heading} {found['fault']}", flush=True)
        return False
    first, second = found["seconds"]
    print(
        f"{heading} {second:8.2f} s a step (the first {first:.2f})  {frames / second:8.2f} frames/s"
        f"  {found['peak_gb']:7.2f} GB at the peak",
        flush=True,
    )
    return True


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; ``--alone`` and the two after it are for the processes of single stages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", choices=STAGES, help="one stage alone (default all)")
    parser.add_argument("--texture", type=int, help="texels, short for lab.texture_size=N")
    parser.add_argument("--batch", type=int, default=8 if torch.cuda.is_available() else 1,
                        help="lab views a step, and pairs of frames beside them (default 8 on CUDA, 1 without)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="torch threads")
    parser.add_argument("--alone", choices=(NETWORKS, *STAGES), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--precision", default="32-true", help=argparse.SUPPRESS)
    parser.add_argument("words", nargs="*", help="key=value, in place of the experiment's")
    chosen = parser.parse_intermixed_args(words)
    if min(chosen.batch, chosen.threads) < 1:
        parser.error("--batch and --threads must be at least 1")
    if chosen.texture is not None:
        chosen.words = [*chosen.words, f"lab.texture_size={chosen.texture}"]
    return chosen


def measure(chosen: argparse.Namespace) -> int:
    """Every chosen stage, one line each; 1 where one could not be measured."""
    sizes, on_cuda = read_sizes(chosen.words), torch.cuda.is_available()
    print(
        f"{VERTICES} vertices, {sizes.lab.texture_size} x {sizes.lab.texture_size} texels, face model "
        f"{sizes.appearance.model.architecture} with {sizes.appearance.model.latent_size} latents, crops of "
        f"{sizes.clips.image_size} px, batch {chosen.batch}, "
        + (torch.cuda.get_device_name() if on_cuda else f"CPU, {chosen.threads} threads")
    )
    stages = [chosen.stage] if chosen.stage else list(STAGES)
    whole = True
    with tempfile.TemporaryDirectory() as folder:
        if stages != ["appearance"] and "fault" in (prepared := ask(NETWORKS, chosen, folder, "32-true")):
            print(f"the networks that the stages start from: {prepared['fault']}")
            return 1
        for stage in stages:
            frames = chosen.batch * (3 if stage == "adaptation" else 1)
            for precision in ("32-true", "bf16-mixed") if on_cuda else ("32-true",):
                whole &= print_stage(stage, lambda p, s=stage: ask(s, chosen, folder, p), precision, frames)
    if not on_cuda:
        print("on CUDA, fp32 and bf16     not measured (no CUDA device)")
    return 0 if whole else 1


def main() -> int:
    chosen = parse_arguments()
    if chosen.alone:
        run_alone(chosen)
        return 0
    return measure(chosen)


if __name__ == "__main__":
    sys.exit(main())
