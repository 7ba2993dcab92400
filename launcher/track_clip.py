"""``steadyface track CLIP``: from a phone's file to a track that can be trusted frame by frame, and used elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from launcher.clip_way import Focal, Start, find_way, frame_intrinsics, stated_focal, until_fault, with_progress
from launcher.export import check_formats, export_file, require_shapes, shapes_of_run
from launcher.keyframes import (
    apply_to_folder,
    earlier_track,
    forget_origin,
    origin_of,
    read_for,
    remember_origin,
)
from launcher.outcome import find_checkpoint
from launcher.runs import make_folder
from launcher.tracking import ModelTextures, Networks, load_tracker, warn_of_another_face
from steadyface.capture.named_shapes import read_named_shapes
from steadyface.capture.video import VideoInfo, probe, read_frames
from steadyface.errors import InputError
from steadyface.tracking.confidence import shipped_calibration
from steadyface.tracking.crop_path import CropPath
from steadyface.tracking.filters.apply import filter_file, find_filter
from steadyface.tracking.filters.lag_report import describe_filter
from steadyface.tracking.overlay import write_overlay_video
from steadyface.tracking.sighting import Sighter
from steadyface.tracking.track_file import StoredTrack, TrackWriter
from steadyface.tracking.two_passes import in_step, track_along
from steadyface.types import SubjectStatistics

TRACK, UNFILTERED, CROPS, OVERLAY = "track.npz", "track_unfiltered.npz", "crops.npz", "overlay.mp4"
_LOOKED_AT = 16  # frames, to see whether crops are of a clip


@dataclass(frozen=True)
class TrackOptions:
    """What is asked of a track.

    start: where the head is at first; crops: the side file of an earlier run, in place of a first pass;
    focal_px: of the full frame, 0 = from metadata or estimated; filter: a name of `filters.apply`; formats: of
    `steadyface export`; shapes: named shapes for the curves; overlay: write the video too; keyframes: corrections.
    """

    start: Start = field(default_factory=Start)
    crops: Path | None = None
    focal_px: float = 0.0
    filter: str = "none"
    formats: Sequence[str] = ()
    shapes: Path | None = None
    overlay: bool = True
    keyframes: Path | None = None

    def check(self) -> None:
        """Raises InputError for what cannot be used, before anything is read."""
        find_filter(self.filter)
        if self.formats:
            check_formats(self.formats)
        if self.crops and (self.start.box or self.start.face != Start().face):
            raise InputError("--crops", "no --box and no --face beside it", "both", "leave one of them out")

    def deciding(self) -> dict[str, Any]:
        """What decides the track itself, by name, as plain values: another one is another track."""
        crops = str(self.crops.resolve()) if self.crops else ""
        return {
            "box": list(self.start.box), "face": self.start.face, "focal_px": self.focal_px, "crops": crops,
            "filter": self.filter,
        }  # fmt: skip

    def check_shapes(self, run: Path, statistics: SubjectStatistics) -> None:
        """Raises InputError where curves are wanted of a model without named shapes."""
        found = (self.shapes or shapes_of_run(run)) if "arkit" in self.formats else None
        require_shapes(self.formats, read_named_shapes(found, statistics.vertex_count) if found else None)


def track_to_files(clip: Path, run: Path, options: TrackOptions, out: Path) -> None:
    """Write ``track.npz``, ``crops.npz``, ``overlay.mp4`` and what else was asked for into ``out``.

    Where the clip ends early (cut short, a device that disappeared), what was tracked until then is kept.

    Raises:
        InputError: an option, a run or a clip that cannot be used.
    """
    options.check()
    checkpoint = find_checkpoint(run)
    crops = CropPath.load(options.crops) if options.crops else None
    probe(clip, partial=True)
    networks = load_tracker(checkpoint)
    options.check_shapes(run, networks.statistics)
    keyframes = read_for(networks, options.keyframes) if options.keyframes else None
    origin = origin_of(clip, checkpoint, options.deciding())
    if keyframes is None or earlier_track(out, origin) is None:
        with folder_if_used(out):
            track_anew(clip, networks, options, crops, out)
        remember_origin(out, origin)
    if keyframes is not None:
        for line in apply_to_folder(out, keyframes, networks):
            print(line, flush=True)
    track = StoredTrack(out / TRACK)
    if options.overlay:
        write_overlay_video(clip, track, networks.statistics, out / OVERLAY, ModelTextures(networks, track))
    if options.formats:
        export_file(out / TRACK, run, options.formats, out, options.shapes)
    written = [out / TRACK, *([out / OVERLAY] if options.overlay else [])]
    print(f"{len(track)} frames: {', '.join(map(str, written))}")


def track_anew(clip: Path, networks: Networks, options: TrackOptions, crops: CropPath | None, out: Path) -> None:
    """Both passes and the filter, into ``out``."""
    way, focal = _way(clip, networks, options, crops)
    forget_origin(out)
    way.save(out / CROPS)
    print(f"focal length {focal.px:.0f} px, {focal.origin}", flush=True)
    track = track_file(clip, networks, way, out / TRACK)
    print(describe_track(track), flush=True)
    warn_of_another_face(clip, networks, track)
    (out / UNFILTERED).unlink(missing_ok=True)
    if options.filter != "none":
        (out / TRACK).rename(out / UNFILTERED)
        filter_file(out / UNFILTERED, out / TRACK, options.filter)
        print(describe_filter(StoredTrack(out / UNFILTERED), StoredTrack(out / TRACK)), flush=True)


def _way(clip: Path, networks: Networks, options: TrackOptions, crops: CropPath | None) -> tuple[CropPath, Focal]:
    """The crops and the focal length: of an earlier run where they are given, else of a first pass."""
    if crops is None:
        return find_way(clip, networks, options.start, options.focal_px)
    info = probe(clip, partial=True)
    focal = stated_focal(clip, info, options.focal_px)
    if focal is None and crops.focal_px:
        focal = Focal(crops.focal_px, "of the run that the crops are from")
    if focal is None:
        remedy = "give --focal PX, or leave --crops out"
        raise InputError(options.crops or clip, "crops with a focal length", "none", remedy)
    check_crops(clip, crops, info)
    return replace(crops, focal_px=focal.px), focal


def check_crops(clip: Path, crops: CropPath, info: VideoInfo) -> None:
    """Raises InputError where the clip's start says that the crops are another's; the second pass sees all of it."""
    boxes, remedy = crops.filled(clip), "give the clip that they were found in, or leave --crops out"
    if 0 < info.frame_count < len(crops):
        got = f"{len(crops)} crops for {info.frame_count} frames"
        raise InputError(clip, "crops of this clip", got, remedy)
    x, y = (boxes[:, :2] + boxes[:, 2:] / 2).median(dim=0).values.tolist()
    if not (0 <= x < info.width and 0 <= y < info.height):
        raise InputError(clip, "crops of this clip", f"crops beside its {info.width} x {info.height} picture", remedy)
    for _ in in_step(until_fault(islice(read_frames(clip), _LOOKED_AT)), crops[:_LOOKED_AT]):
        pass


@contextmanager
def folder_if_used(folder: Path) -> Iterator[None]:
    """Make a folder, with its parents; after an error, what was made and is still empty is gone again."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    make_folder(folder)
    try:
        yield
    except BaseException:
        for place in missing:
            with suppress(OSError):
                place.rmdir()
        raise


def track_file(clip: Path, networks: Networks, way: CropPath, out: Path) -> StoredTrack:
    """The second pass, into a file.

    Raises:
        InputError: the clip cannot be read to its end; the file then holds what was tracked.
    """
    info = probe(clip, partial=True)
    sighter = Sighter(*networks, frame_intrinsics(way.focal_px, info))
    with TrackWriter(out) as writer, torch.no_grad():
        frames = with_progress(read_frames(clip), len(way), f"{clip.name}: tracking")
        track_along(way, frames, sighter, shipped_calibration(), writer)
    return StoredTrack(out)


def describe_track(track: StoredTrack) -> str:
    """What is in a track, on one line.

    Args:
        track: with confidence.
    """
    count, found = len(track), int(track.found.sum())
    shots = int(track.shot.max()) + 1
    sure = float((track.confidence[track.found] >= 0.5).float().mean()) if found else 0.0
    cuts = f"{shots} shots, " if shots > 1 else ""
    return f"{cuts}face in {found} of {count} frames, {100 * sure:.0f} % of them more likely right than wrong"
