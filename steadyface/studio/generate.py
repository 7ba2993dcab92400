"""``generate_studio``: a lab capture and two phone clips of one synthetic person, by worker processes."""

from __future__ import annotations

import ctypes
import multiprocessing
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from steadyface.capture.clip_truth import ClipTruth, truth_path
from steadyface.capture.video import VideoWriter
from steadyface.errors import InputError
from steadyface.studio.lab_capture import LabStage, LabSums, LabTask, lab_tasks
from steadyface.studio.scene import Scene
from steadyface.studio.settings import StudioSettings
from steadyface.studio.subject import Subject
from steadyface.studio.wild_clip import ClipTask, Footage, WildStage, clip_intrinsics, clip_tasks

Task = LabTask | ClipTask
Result = LabSums | Footage


class _Stages:
    """What a worker needs for any task."""

    def __init__(self, settings: StudioSettings, root: Path) -> None:
        self._scene, self._settings = Scene(Subject(settings.identity_seed)), settings
        self.lab = LabStage(self._scene, settings, root / "lab")

    @cached_property
    def wild(self) -> WildStage:
        return WildStage(self._scene, self._settings)

    def work(self, task: Task) -> Result:
        if isinstance(task, LabTask):
            return self.lab.record(task)
        return self.wild.film(task)


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # mallopt(3)
_stages: _Stages | None = None  # of a worker process, set once when it starts


def generate_studio(settings: StudioSettings, out: Path) -> None:
    """Writes ``out/lab`` (Multiface layout) and ``out/clips/NAME.mp4`` with ``NAME.truth.npz``.

    Everything is written into ``OUT.partial`` beside it, which takes the name ``out`` only once it is
    whole; what an interrupted call left there is deleted. The bytes follow from the settings alone,
    whatever the number of processes. Workers are spawned: a script that calls this with more than
    one process needs its ``if __name__ == "__main__"`` line.

    Args:
        settings: what to make.
        out: a folder that does not exist yet, or is empty.

    Raises:
        InputError: a setting that cannot be used, or ``out`` holds something.
    """
    settings.check()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(out, "a new or empty folder", "one that holds something", "delete it or name another")
    partial = out.with_name(f"{out.name}.partial")
    if partial.exists():
        shutil.rmtree(partial)
    partial.mkdir(parents=True)
    _write_all(settings, partial)
    partial.rename(out)


def _write_all(settings: StudioSettings, root: Path) -> None:
    with _workers(settings, root) as work:
        stages = _Stages(settings, root)  # beside the workers, which are busy with their own
        names = stages.lab.expression_names
        recordings, instants = lab_tasks(names, settings)
        clips = clip_tasks(names, settings)
        results = work(stages, [*chain.from_iterable(clips.values()), *recordings])
        total = settings.lab_frames + settings.adapt_frames + settings.held_out_frames
        with tqdm(total=total, desc="studio", unit="frame") as bar:
            for clip, clip_parts in clips.items():
                _write_clip(root / "clips" / f"{clip}.mp4", settings, clip_parts, results, bar)
            sums = LabSums.empty(settings.texture_size, stages.lab.vertex_count)
            for _ in recordings:
                part = next(results)
                assert isinstance(part, LabSums)
                sums.add(part)
                bar.update(part.frames)
        stages.lab.finish(instants, sums)


@contextmanager
def _workers(settings: StudioSettings, root: Path) -> Iterator[Callable[[_Stages, list[Task]], Iterator[Result]]]:
    """Gives what runs tasks and yields their results in their order; each worker computes with one thread."""
    if settings.processes == 1:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield lambda stages, tasks: map(stages.work, tasks)
        finally:
            torch.set_num_threads(threads)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(settings.processes, _start_worker, (settings, root)) as pool:
        yield lambda _, tasks: pool.imap(_work, tasks)


def _start_worker(settings: StudioSettings, root: Path) -> None:
    global _stages
    _keep_freed_memory()
    torch.set_num_threads(1)
    _stages = _Stages(settings, root)


def _keep_freed_memory() -> None:
    """Tells glibc to reuse freed memory instead of returning it: a quarter less time a frame."""
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if mallopt is not None:
            for option in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD):
                mallopt(option, 1 << 30)


def _work(task: Task) -> Result:
    assert _stages is not None
    return _stages.work(task)


def _write_clip(
    path: Path, settings: StudioSettings, tasks: list[ClipTask], results: Iterator[Result], bar: tqdm
) -> None:
    """Encodes a clip as its frames come in, and writes the truth beside it."""
    vertices = []
    with VideoWriter(path, settings.clip_width, settings.clip_height, settings.fps, crf=settings.crf) as writer:
        for _ in tasks:
            part = next(results)
            assert isinstance(part, Footage)
            for image in part.frames:
                writer.write(image)
            vertices.append(part.vertices)
            bar.update(len(part.frames))
    performances = [task.staging.performance for task in tasks]
    count = sum(len(performance.time_s) for performance in performances)
    ClipTruth(
        vertices=torch.from_numpy(np.concatenate(vertices)),
        rotation=torch.from_numpy(np.concatenate([part.rotation for part in performances])).float(),
        translation=torch.from_numpy(np.concatenate([part.translation for part in performances])).float(),
        intrinsics=clip_intrinsics(settings).expand(count, 3, 3).contiguous(),
        time_s=torch.from_numpy(np.concatenate([part.time_s for part in performances])),
    ).save(truth_path(path))
