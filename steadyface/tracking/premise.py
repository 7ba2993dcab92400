"""The premise of adaptation over a clip: pairs of its frames under the frozen source, kept, summed up, and judged."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from kornia.color import rgb_to_linear_rgb
from torch import Tensor

from steadyface.geometry.texture_space import sample_pixels
from steadyface.losses.comparison import window_pairs
from steadyface.losses.premise import PARTS, FrameLook, PairPremise, frame_look, pair_premise
from steadyface.networks.face_model import FaceModel
from steadyface.tracking.clip_evidence import ClipEvidence, Remembered
from steadyface.tracking.residual import both_textures
from steadyface.types import FaceState, SubjectStatistics

WORST_S = 0.5
"""Length of the stretch that is told as the worst, seconds."""

KEPT_LOOKS = 512
"""Frames whose textures are kept until their other pair is asked for: 0.3 MB each at 128 texels a side."""

HALF_OFFSET = 0.01
"""Distance of the source's places from the registered ones, in sides of the texture, at which half of the error is
expected to go: what an adapted network still has."""


@torch.no_grad()
def look_by_source(
    face_model: FaceModel, statistics: SubjectStatistics, image: Tensor, intrinsics: Tensor, state: FaceState,
    limit: float,
) -> FrameLook:
    """What frames say by themselves under the source's states; arguments as ``residual.both_textures``.

    limit: the encoder's ``lab_residual[1]``.
    """
    return frame_look(*both_textures(face_model, statistics, image, intrinsics, state), limit)


class PremiseMemory:
    """The premise of the windows of a clip, each pair asked once: a pair's answer never changes.

    Args:
        evidence: of the source's subject.
        limit: the source's ``lab_residual[1]``.
    """

    def __init__(self, evidence: ClipEvidence, limit: float) -> None:
        self._evidence, self._limit = evidence, limit
        self._kept: dict[tuple[int, int, int], PairPremise] = {}
        self._looks: dict[tuple[int, int], FrameLook] = {}  # the oldest first

    @torch.no_grad()
    def recall(self, keys: Tensor, images: Tensor, remembered: Remembered, windows: torch.Size) -> PairPremise:
        """The premise of each window's first frame with each later one, in the order of ``window_pairs``.

        Args:
            keys: (B * T, 2) clip and frame.
            images: (B * T, 3, S, S) sRGB crops, as the source saw them.
            remembered: what the source said of them, in the same crops.
            windows: (B, T).
        """
        named, found = keys.tolist(), list[PairPremise]()
        for first, later in zip(*(rows.tolist() for rows in window_pairs(windows, images.device)), strict=True):
            name = (int(named[first][0]), int(named[first][1]), int(named[later][1]))
            if name not in self._kept:
                one, other = (
                    self._look((name[0], frame), images, remembered, row)
                    for frame, row in ((name[1], first), (name[2], later))
                )
                self._kept[name] = pair_premise(one, other, self._limit)
            found.append(self._kept[name])
        return join_pairs(found) if found else no_pairs(images)

    def _look(self, name: tuple[int, int], images: Tensor, remembered: Remembered, row: int) -> FrameLook:
        """One frame at a time: its answer must not depend on what else was in the batch."""
        if name in self._looks:
            return self._looks[name]
        if len(self._looks) >= KEPT_LOOKS:
            del self._looks[next(iter(self._looks))]
        one = slice(row, row + 1)
        mask, size = remembered.mask[one], remembered.mask.shape[-1]
        pixels = remembered.pixels[one].flatten(2).transpose(1, 2)
        seen = sample_pixels(rgb_to_linear_rgb(images[one]), pixels).transpose(1, 2).reshape(1, 3, size, size)
        model = self._evidence.face_model.decode_texture_map(remembered.latent[one], remembered.view[one])
        self._looks[name] = frame_look(seen * mask, model, mask, self._limit)
        return self._looks[name]


def join_pairs(parts: list[PairPremise]) -> PairPremise:
    """Pairs after one another."""
    return PairPremise(*(torch.cat(values) for values in zip(*parts, strict=True)))


def no_pairs(like: Tensor) -> PairPremise:
    """The premise of nothing."""
    return PairPremise(*(like.new_empty(0) for _ in PairPremise._fields))


@dataclass(frozen=True)
class ClipPremise:
    """The premise over a clip.

    pairs: of P pairs; start_s and end_s: (P,), the times of their two frames, seconds.
    """

    pairs: PairPremise
    start_s: Tensor
    end_s: Tensor

    @property
    def score(self) -> float:
        """Mean over the pairs, in [0, 1]; nan without any."""
        return float(self.pairs.score.mean())

    def part(self, name: str) -> float:
        """Mean of a field of the pairs over those that have something in common; nan without any."""
        return float(getattr(self.pairs, name)[self.pairs.shared > 0].mean())

    @property
    def expected_gain(self) -> float:
        """What adaptation may be expected to take off the source's error, as a share of it, from 0 to 1.

        Mean over the pairs of ``score * q / (q + HALF_OFFSET)`` with q the pair's offset: there is as much to gain as
        the source's places are off, and it is gained as far as the premise holds. The formula was fixed before any
        gain was compared with it.
        """
        offset = self.pairs.offset
        return float((self.pairs.score * offset / (offset + HALF_OFFSET)).mean())

    def worst(self, seconds: float = WORST_S) -> tuple[float, float, float]:
        """Start, end and mean score of the stretch of so many seconds in which the score is lowest; nan without pairs.

        A stretch starts with a pair and holds those that start before its end; the clip's last, shorter ones count.
        """
        if not len(self.start_s):
            return (float("nan"),) * 3
        stretches = []
        for first in self.start_s.tolist():
            held = (self.start_s >= first) & (self.start_s < first + seconds)
            stretches.append((float(self.pairs.score[held].mean()), first, float(self.end_s[held].max())))
        score, start, end = min(stretches)
        return start, end, score

    def figures(self) -> dict[str, float]:
        """All of it as bare numbers by name."""
        start, end, lowest = self.worst()
        means = {name: self.part(name) for name in (*PARTS, "residual", "misfit", "offset", "shared")}
        worst = {"worst_score": lowest, "worst_start_s": start, "worst_end_s": end}
        return {"score": self.score, "raw_score": float(self.pairs.raw_score.mean()),
                "expected_gain": self.expected_gain, **means, **worst}  # fmt: skip
