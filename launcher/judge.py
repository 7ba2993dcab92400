"""What a row of the table is scored by: its clip, and the judge who has seen the clip's truth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from launcher.tracking import Networks, TrackedClip
from steadyface.capture.clip_truth import ClipTruth
from steadyface.geometry.cameras import crop_intrinsics
from steadyface.geometry.texture_space import TexelMap, visibility
from steadyface.metrics import stability
from steadyface.metrics.evaluate_track import JudgedFace, at, evaluate_track, floats, judged_face, mean_over_runs
from steadyface.metrics.texture import texture_coverage
from steadyface.networks.face_model import FaceModel
from steadyface.tracking.floor import decoder_floor
from steadyface.tracking.landmark_track import LandmarkTrack, landmark_metrics
from steadyface.tracking.track import Track

COVERAGE_FRAME_STEP = 5  # every fifth frame: coverage changes slowly, and each frame is rasterised


@dataclass(frozen=True)
class JudgedClip:
    """A clip of the table: ``adapted_clip`` or ``held_out_clip``; truth is None where there is none."""

    name: str
    path: Path
    box: list[float]
    focal_px: float
    truth: ClipTruth | None


class Judge:
    """Scores the tracks of one clip, against its truth where there is one.

    Args:
        clip: what is judged.
        networks: of the source, which names the subject's regions and rigid vertices.
        source: the source's track: coverage is a share of what it saw.
    """

    def __init__(self, clip: JudgedClip, networks: Networks, source: TrackedClip) -> None:
        self.clip, self.statistics = clip, networks.statistics
        self._face_model = networks.face_model
        boxes = source.clip.crops.filled(clip.path)[::COVERAGE_FRAME_STEP].to(source.clip.intrinsics)
        self._size = networks.encoder.image_size
        self._crops = crop_intrinsics(source.clip.intrinsics.expand(len(boxes), 3, 3), boxes, self._size)
        facts = self.statistics
        self._texels = TexelMap.from_topology(facts.faces, facts.uv, facts.uv_faces, facts.texture_size)
        self._source, self._source_visible = source.track, self._visible(source.track)
        # coverage looks at what the source saw, so no other texel need be looked up
        self._texels = self._texels.restrict(self._source_visible.amax(dim=(0, 1)) > 0)
        rigid, mean = facts.rigid_vertices, facts.vertex_mean
        self._true_face = judged_face(clip.truth, rigid, mean) if clip.truth is not None else None

    @cached_property
    def floor(self) -> Track | None:
        """The decoder's floor on this clip, whose latents were fitted to the truth; None without truth."""
        if self.clip.truth is None:
            return None
        return decoder_floor(self.statistics, self._face_model, self.clip.truth)

    def score(self, track: Track | LandmarkTrack, face_model: FaceModel | None = None) -> dict[str, float]:
        """Metric name -> value; the names are those of the tables.

        Args:
            track: of the clip.
            face_model: the one that the track's latents are of; None where it has none.
        """
        if isinstance(track, LandmarkTrack):
            return landmark_metrics(track, self._true_face)
        facts = self.statistics
        if self.clip.truth is None:
            values = motion_without_truth(track, facts.rigid_vertices, facts.vertex_mean)
        else:
            values = evaluate_track(
                track, self.clip.truth, facts.regions, facts.rigid_vertices, facts.vertex_mean, self._true_face
            )
        seen = self._source_visible if track is self._source else self._visible(track)
        values["texture_coverage"] = float(texture_coverage(self._source_visible, seen))
        if not bool(track.found.all()):
            values["frames_without_face"] = float((~track.found).sum())
        residual = track.texture_residual[torch.isfinite(track.texture_residual)]
        if len(residual):
            values["texture_residual_normalised"] = float(residual.mean())
        return values | self._latent_error(track, face_model)

    def _latent_error(self, track: Track, face_model: FaceModel | None) -> dict[str, float]:
        """Mean absolute difference from the latents fitted to the truth, in deviations of the lab.

        Nothing without truth, and for a track under another face model: its latents mean something else.
        """
        if face_model is None or self.floor is None or not same_weights(face_model, self._face_model):
            return {}
        found = track.found
        apart = self._face_model.whiten(track.latent[found]) - self._face_model.whiten(self.floor.latent[found])
        return {"latent_error": float(apart.abs().mean())}

    @torch.no_grad()
    def _visible(self, track: Track) -> Tensor:
        vertices = track.camera_vertices()[::COVERAGE_FRAME_STEP].float()
        pairs = zip(vertices, self._crops.float(), track.found[::COVERAGE_FRAME_STEP].tolist(), strict=True)
        seen = [
            visibility(frame[None], crop[None], self._texels, self._size, self._size) if found else None
            for frame, crop, found in pairs
        ]
        nothing = self._texels.scatter(vertices.new_zeros(1, len(self._texels.index), 1))
        return torch.cat([nothing if one is None else one for one in seen])


class Scores:
    """The figures of one clip's rows as they come: row -> metric -> a value a seed.

    Args:
        judge: of the clip.
        seeds: of the experiment; a row that no seed changes repeats its values.
    """

    def __init__(self, judge: Judge, seeds: int) -> None:
        self.judge, self.seeds = judge, seeds
        self.rows: dict[str, dict[str, list[float]]] = {}

    def add(self, row: str, track: Track | LandmarkTrack, face_model: FaceModel | None) -> None:
        """A row that no seed changes."""
        values = self.judge.score(track, face_model)
        self.rows[row] = {metric: [value] * self.seeds for metric, value in values.items()}

    def add_seed(self, row: str, track: Track, face_model: FaceModel) -> None:
        """One seed's values of a row."""
        for metric, value in self.judge.score(track, face_model).items():
            self.rows.setdefault(row, {}).setdefault(metric, []).append(value)


def same_weights(first: FaceModel, second: FaceModel) -> bool:
    """Whether two face models are one: adaptation leaves it as it is, another source may have its own."""
    if first is second:
        return True
    weights, others = first.state_dict(), second.state_dict()
    return weights.keys() == others.keys() and all(
        values.shape == others[name].shape and torch.equal(values, others[name]) for name, values in weights.items()
    )


def motion_without_truth(track: Track, rigid: Tensor, reference: Tensor) -> dict[str, float]:
    """Accelerations and stability ratios of a real clip, in the head frame and in the picture."""
    face = judged_face(track, rigid, reference)
    if not bool(track.found.all()) or bool(track.shot.any()):
        return mean_over_runs(track, lambda run: _motion(at(face, run), track.time_s[run]))
    return _motion(face, track.time_s)


def _motion(face: JudgedFace, time_s: Tensor) -> dict[str, float]:
    values = {
        "acceleration_mm_s2": stability.acceleration_mm_s2(face.head.vertices, time_s),
        "acceleration_px_s2": stability.acceleration_px_s2(face.picture, time_s),
        "stability_ratio": stability.stability_ratio(face.head.vertices),
        "stability_ratio_picture": stability.stability_ratio(face.picture),
    }
    return floats(values)
