"""A finished track as other programs read it: ``steadyface export``, and ``steadyface track --write``."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import torch
import yaml
from torch import Tensor

from launcher.outcome import STAGES, find_checkpoint, load_outcome
from launcher.runs import EXPERIMENT, make_folder
from launcher.settings import STUDIO
from steadyface.capture.multiface import CaptureLayout
from steadyface.capture.named_shapes import NamedShapes, read_named_shapes
from steadyface.errors import InputError
from steadyface.export.arkit import usable_shapes, write_arkit_curves
from steadyface.export.glb import write_glb
from steadyface.export.mesh_sequence import FRAMES, Space, require_face
from steadyface.export.morph_basis import ERROR_MM
from steadyface.export.obj_sequence import write_obj_sequence
from steadyface.export.ply_sequence import write_ply_sequence
from steadyface.export.whole_folder import require_replaceable
from steadyface.geometry.cameras import view_direction
from steadyface.networks.checkpoints import load_networks
from steadyface.networks.face_model import FaceModel
from steadyface.tracking.track_file import StoredTrack
from steadyface.types import SubjectStatistics

FORMATS = ("glb", "obj", "ply", "arkit")
_TEXTURES = 8  # decoded textures in the mean


def export_file(
    track_path: Path, run: Path, formats: Collection[str], out: Path, shapes_file: Path | None = None,
    space: Space = "camera", error_mm: float = ERROR_MM,
) -> None:
    """Write a track of a run's model in some formats; arguments as `export_track`.

    Args:
        run: an experiment's or a stage's folder, or a checkpoint: topology, texture, and where the shapes lie.
        shapes_file: named shapes; left out, those beside the run's lab capture.
    """
    check_formats(formats)
    if not error_mm > 0:
        raise InputError("--error", "a number of mm above 0", f"{error_mm:g}", "write --error 0.1")
    track = StoredTrack(track_path)
    statistics, model, _ = load_networks(find_checkpoint(run))
    shapes = None
    if "arkit" in formats:
        found = shapes_file or shapes_of_run(run)
        shapes = read_named_shapes(found, statistics.vertex_count) if found is not None else None
    check_exports(track, statistics, formats, shapes)
    texture = mean_texture(model.eval(), track)
    export_track(track_path, statistics, formats, out, shapes, texture, space, error_mm)


def check_exports(
    track: StoredTrack, statistics: SubjectStatistics, formats: Collection[str], shapes: NamedShapes | None
) -> None:
    """Raise InputError for what `export_track` could not write, before anything is written."""
    check_formats(formats)
    require_shapes(formats, shapes)
    require_face(track)
    vertices = track[:1].vertices.shape[1]
    if vertices != statistics.vertex_count:
        expected = f"{statistics.vertex_count} vertices, as the model has"
        raise InputError(track.path, expected, str(vertices), "give --run of the model that tracked it")
    if "arkit" in formats and shapes is not None:
        usable_shapes(shapes, statistics)


def check_formats(formats: Collection[str]) -> None:
    """Raise InputError for an unknown format, or none at all."""
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        got = ", ".join(unknown) or "none"
        raise InputError("formats to write", f"some of {', '.join(FORMATS)}", got, "name one of these")


def require_shapes(formats: Collection[str], shapes: NamedShapes | None) -> None:
    """Raise InputError where curves are wanted and the model has no shapes."""
    if "arkit" in formats and shapes is None:
        raise InputError(
            "arkit", "named shapes of the model's person", "a model without any",
            "give --shapes FILE.npz (docs/track-files.md), or leave the curves out",
        )  # fmt: skip


def export_track(
    track_path: Path, statistics: SubjectStatistics, formats: Collection[str], out: Path,
    shapes: NamedShapes | None = None, texture: Tensor | None = None, space: Space = "camera",
    error_mm: float = ERROR_MM,
) -> None:
    """Write ``track.glb``, ``obj/``, ``ply/`` and ``arkit.csv`` with its .json into ``out``; a line printed for each.

    Args:
        track_path: the track, of any length: it is read a block at a time.
        statistics: of the model that tracked it.
        formats: some of `FORMATS`.
        shapes: named shapes for ``arkit``.
        texture: (3, U, U) linear; left out, the model's mean.
        space: of the sequences: ``camera`` or ``head``.
        error_mm: the largest distance of the .glb's vertices from the track's that is wanted.

    Raises:
        InputError: as `check_exports` says, before anything is written.
    """
    track = StoredTrack(track_path)
    check_exports(track, statistics, formats, shapes)
    for name in ("obj", "ply"):
        if name in formats:
            require_replaceable(out / name, FRAMES)
    make_folder(out)
    colour = statistics.texture_mean if texture is None else texture
    if "glb" in formats:
        glb = write_glb(track, statistics, out / "track.glb", colour, error_mm)
        print(
            f"{out / 'track.glb'}: {glb.size / 1e6:.1f} MB, {glb.shapes} shapes; vertices off the track's by "
            f"{glb.error_mean_mm:.4f} mm on average, {glb.error_max_mm:.4f} mm at most"
        )
    for name, write in (("obj", write_obj_sequence), ("ply", write_ply_sequence)):
        if name in formats:
            count = write(track, statistics, out / name, space, colour)
            print(f"{out / name}: {count} meshes of {len(track)} frames, mm, {space} frame")
    if "arkit" in formats and shapes is not None:
        curves = write_arkit_curves(track, statistics, shapes, out / "arkit.csv")
        lacking = f"; 0 throughout, for the model lacks them: {', '.join(curves.missing)}" if curves.missing else ""
        print(f"{out / 'arkit.csv'}: {curves.frames} frames, {curves.residual_mm:.3f} mm left over{lacking}")


@torch.no_grad()
def mean_texture(model: FaceModel, track: StoredTrack) -> Tensor:
    """The mean of the model's textures (3, U, U), linear, at frames spread over those with a face.

    Raises:
        InputError: no frame has a face.
    """
    require_face(track)
    faces = track.found.nonzero().flatten()
    chosen = faces[torch.linspace(0, len(faces) - 1, min(_TEXTURES, len(faces))).round().long()]
    total = torch.zeros_like(model.texture_mean)
    for frame in chosen.tolist():
        part = track[frame : frame + 1]
        view = model.clamp_view(view_direction(part.rotation, part.translation))
        total += model.decode_texture_map(part.latent, view)[0]
    return total / len(chosen)


def shapes_of_run(run: Path) -> Path | None:
    """``shapes.npz`` of the lab capture that a run, a stage or a checkpoint was learned from; None without one."""
    for folder in (run, *run.parents[:3]):
        experiment = folder / EXPERIMENT
        if experiment.is_file():
            lab = _lab_folder(experiment)
            return CaptureLayout(lab).shapes if lab is not None and CaptureLayout(lab).shapes.is_file() else None
    return None


def _lab_folder(experiment: Path) -> Path | None:
    """Where a resolved experiment's capture lies; the studio's is found through ``stages.json``."""
    lab = str(yaml.safe_load(experiment.read_text(encoding="utf-8"))["lab"]["folder"])
    if not lab.startswith(STUDIO):
        return Path(lab) if lab else None
    for folder in (experiment.parent, experiment.parent.parent):
        if (folder / STAGES).is_file():
            studio = load_outcome(folder).studio
            return studio / "data" / lab.removeprefix(STUDIO) if studio is not None else None
    return None
