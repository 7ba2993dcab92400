"""Resident memory while a long clip is tracked: it must not grow with the clip.

    python benchmarks/clip_memory.py
    python benchmarks/clip_memory.py --minutes 2 --filter savitzky_golay

A small moving picture goes to and fro for the given minutes; both passes, one filter and the overlay run over it in
this process, as in ``steadyface track``. The subject is the studio's with all its vertices, its networks are small and
untrained: a look is taken for a face whatever it shows, and so every frame is drawn and filtered. Only memory is
measured. A thread reads the resident set (VmRSS) twice a second; what each part holds after its first minute of the
clip is set beside its end and its largest value since.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from launcher.clip_way import frame_intrinsics
from launcher.tracking import ModelTextures, Networks
from steadyface.capture.crop import Box
from steadyface.capture.video import VideoFrame, VideoWriter, probe, read_frames
from steadyface.networks.component_model import ComponentFaceModel
from steadyface.networks.face_model import FaceModelSettings
from steadyface.networks.state_encoder import StateEncoder, StateEncoderSettings
from steadyface.studio.subject import Subject
from steadyface.tracking.confidence import Calibration, shipped_calibration
from steadyface.tracking.evidence import Evidence
from steadyface.tracking.filters.apply import FILTERS, filter_blocks
from steadyface.tracking.focal_observations import FocalObservations
from steadyface.tracking.follower import FaceFollower, GivenBox
from steadyface.tracking.overlay import write_overlay_video
from steadyface.tracking.sighting import Sighter, Sighting
from steadyface.tracking.track_file import StoredTrack, TrackWriter
from steadyface.tracking.two_passes import follow_clip, track_along
from steadyface.types import SubjectStatistics

WIDTH, HEIGHT, FPS, PERIOD = 160, 120, 30, 120
CROP: Box = (30.0, 10.0, 100.0, 100.0)
MB = 1024.0  # kB, as VmRSS is told


class WillingSighter(Sighter):
    """Takes every look for a face that fits its crop."""

    def look(self, image: NDArray[np.uint8], boxes: Sequence[Box], residual: bool = False) -> list[Sighting]:
        """As `Sighter`, but sure."""
        seen = super().look(image, boxes, residual)
        return [one._replace(head=box, doubt=0.0, misfit=0.0) for one, box in zip(seen, boxes, strict=True)]


class WillingCalibration(Calibration):
    """Works everything out, and then believes every frame."""

    def presence(self, evidence: Evidence) -> Tensor:
        """As `Calibration`, but 1; a face that lies beside the picture counts, too."""
        evidence.coverage.fill_(1.0)
        return torch.ones_like(super().presence(evidence))


class MemoryWatch:
    """The resident set beside the place in the clip, of one part after the other."""

    def __init__(self) -> None:
        self.part, self.clip_s = "", 0.0
        self.samples: list[tuple[str, float, float]] = []
        self._ended = threading.Event()
        threading.Thread(target=self._sample, daemon=True).start()

    def start(self, part: str) -> None:
        """What follows is this part."""
        self.part, self.clip_s = part, 0.0

    def frames(self, frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
        """The frames, while their times are watched."""
        for frame in frames:
            self.clip_s = frame.time_s
            yield frame

    def end(self) -> None:
        """No more samples."""
        self._ended.set()

    def _sample(self) -> None:
        while not self._ended.wait(0.5):
            if self.part:
                self.samples.append((self.part, self.clip_s, resident_mb()))


def resident_mb() -> float:
    """VmRSS of this process, MB."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / MB


def untrained_networks() -> Networks:
    """The studio's subject with all its vertices, and the smallest networks that drive it."""
    subject, generator = Subject(0), torch.Generator().manual_seed(6)
    meshes = subject.vertices(0.6 * torch.rand(8, len(subject.expression_names), generator=generator))
    mean = meshes.mean(0)
    texture = 0.2 + 0.4 * torch.rand(3, 32, 32, generator=generator)
    statistics = SubjectStatistics(
        subject.faces, subject.uv, subject.uv_faces, mean, float((meshes - mean).std()), texture, 0.1,
        subject.regions["rigid"], subject.regions, ("front",),
    )  # fmt: skip
    torch.manual_seed(0)
    model = ComponentFaceModel(statistics, FaceModelSettings(latent_size=4, hidden=16, texture_width=4))
    model.start_from_lab(meshes)
    settings = StateEncoderSettings(
        32, texture_size=32, point_width=8, still_points=12, moving_points=10, expression_width=8
    )
    encoder = StateEncoder(statistics, settings, 4)
    whitened = torch.randn(len(meshes), 4, generator=generator)
    encoder.head_points.choose(mean, meshes, whitened, statistics.rigid_vertices, statistics.regions["lips"])
    return Networks(statistics, model.eval().requires_grad_(False), encoder.eval().requires_grad_(False))


def write_clip(path: Path, minutes: float) -> None:
    """A picture that moves to and fro, without a jump: smooth colours and a texture that is shifted."""
    rng = np.random.default_rng(0)
    wide = np.kron(rng.integers(40, 200, (HEIGHT // 8, WIDTH // 8 + 6, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    with VideoWriter(path, WIDTH, HEIGHT, FPS, crf=35) as writer:
        for number in range(round(minutes * 60 * FPS)):
            left = round(24 - 24 * np.cos(2 * np.pi * number / PERIOD))
            writer.write(np.ascontiguousarray(wide[:, left : left + WIDTH]))


def track_watched(clip: Path, networks: Networks, filter_name: str, out: Path, watch: MemoryWatch) -> StoredTrack:
    """All parts of a track, one after the other; the filtered track."""
    sighter = WillingSighter(*networks, frame_intrinsics(200.0, probe(clip)))
    shipped = shipped_calibration()
    calibration = WillingCalibration(
        shipped.frame_model, shipped.region_model, shipped.presence_model, shipped.made, shipped.version
    )
    watch.start("first pass")
    follower = FaceFollower(sighter, GivenBox(CROP))
    path = follow_clip(watch.frames(read_frames(clip)), follower, FocalObservations())
    watch.start("second pass")
    with TrackWriter(out / "unfiltered.npz") as writer:
        track_along(path, watch.frames(read_frames(clip)), sighter, calibration, writer)
    watch.start(filter_name)
    with TrackWriter(out / "track.npz") as writer:
        for block in filter_blocks(StoredTrack(out / "unfiltered.npz"), filter_name):
            watch.clip_s = float(block.time_s[-1])
            writer.append(block)
    track, (statistics, _, _) = StoredTrack(out / "track.npz"), networks
    textures = ModelTextures(networks, track)

    def watched_textures(index: int) -> Tensor:
        watch.clip_s = float(track.time_s[index])
        return textures(index)

    watch.start("overlay")
    write_overlay_video(clip, track, statistics, out / "overlay.mp4", watched_textures)
    watch.end()
    return track


def table(watch: MemoryWatch) -> str:
    """A row a part: MB after the first minute of the clip (or the first tenth of a shorter one), at most since, at the
    end, and how much more than after the first minute at most."""
    lines = [f"{'part':16} {'after 1 min':>12} {'at most':>9} {'end':>9} {'growth':>9}  MB"]
    for part in dict.fromkeys(name for name, _, _ in watch.samples):
        own = [(clip_s, size) for name, clip_s, size in watch.samples if name == part]
        first = min(60.0, 0.1 * max(clip_s for clip_s, _ in own))
        since = [size for place, (clip_s, size) in enumerate(own) if clip_s >= first or place == len(own) - 1]
        most = max(since)
        lines.append(f"{part:16} {since[0]:12.0f} {most:9.0f} {since[-1]:9.0f} {most - since[0]:9.0f}")
    sizes = [size for name, clip_s, size in watch.samples if name != "first pass" or clip_s >= 60.0] or [0.0]
    lines.append(f"all parts, from one minute into the first pass: {sizes[0]:.0f} to {max(sizes):.0f} MB at most")
    return "\n".join(lines)


def main() -> None:
    """Track the clip in a folder that is removed at the end, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="of the clip")
    parser.add_argument("--filter", default="kalman", choices=sorted(FILTERS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    networks, watch = untrained_networks(), MemoryWatch()
    with tempfile.TemporaryDirectory(prefix="clip_memory_") as folder:
        clip = Path(folder, "long.mp4")
        write_clip(clip, arguments.minutes)
        begin = time.monotonic()
        track = track_watched(clip, networks, arguments.filter, Path(folder), watch)
        found = int(track.found.sum())
        print(f"{len(track)} frames, face in {found}, in {time.monotonic() - begin:.0f} s")
    print(table(watch))


if __name__ == "__main__":
    main()
