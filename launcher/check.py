"""``steadyface check CLIP --run RUN``: what the person's model adds to what the picture alone tells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datamodules.wild_clips import GUESSED_FOCAL_OVER_SIDE, square_box
from launcher.clip_way import frame_intrinsics, stated_focal
from launcher.outcome import find_checkpoint
from launcher.tracking import Networks, load_tracker
from steadyface.capture.check import check_path, is_clip
from steadyface.capture.clip_figures import ModelView, PairView
from steadyface.capture.crop import Box, crop_image
from steadyface.capture.detector import face_in_head
from steadyface.capture.face_choice import LARGEST, FaceChoice
from steadyface.capture.finding import Finding
from steadyface.capture.video import probe
from steadyface.errors import InputError
from steadyface.export.arkit import head_turn
from steadyface.geometry.cameras import crop_intrinsics
from steadyface.losses.premise import FrameLook, pair_premise
from steadyface.tracking.face_search import search_face, settle
from steadyface.tracking.occlusion import unexplained_share
from steadyface.tracking.premise import ClipPremise, look_by_source
from steadyface.tracking.sighting import Sighter, Sighting
from steadyface.tracking.tracker import FOREIGN_RESIDUAL
from steadyface.types import FaceState


def check_with_run(
    path: Path, run: Path | None, box: Sequence[float] = (), which: FaceChoice = LARGEST, focal_px: float = 0.0
) -> list[Finding]:
    """The findings of a clip or a capture, with a trained run or without.

    Args:
        path: what is checked.
        run: an experiment's or a stage's folder, or a checkpoint, of the clip's person; None: not looked at.
        box, which: as `check_path`.
        focal_px: of the full frame; 0 = as the file states, or a guess. It moves the head's depth, not the findings.

    Raises:
        InputError: nothing at ``path``, a run without an encoder, a box beside the picture, or options for a capture.
    """
    given = [name for name, value in (("--run", run), ("--box", box), ("--focal", focal_px)) if value]
    if given and path.is_dir() and not is_clip(path):
        raise InputError(given[0], "a clip", f"the capture {path}", f"leave {given[0]} out: it is for clips")
    if not given or not path.exists():
        return check_path(path, box, which)
    try:
        info = probe(path, partial=True)
    except InputError:
        return check_path(path, box, which)  # which says the same as a fault
    start = square_box(path, list(box), info) if box else None
    if run is None:
        return check_path(path, box, which)
    networks = load_tracker(find_checkpoint(run))
    focal = stated_focal(path, info, focal_px)
    px = focal.px if focal else GUESSED_FOCAL_OVER_SIDE * max(info.width, info.height)
    return check_path(path, box, which, PersonLook(networks, Sighter(*networks, frame_intrinsics(px, info)), start))


class PersonLook:
    """A `ModelLook` of a run's networks, and a `FaceFinder`: the head is followed from look to look, and searched where
    it is not known.

    Args:
        networks: of the person.
        sighter: of the same, with the clip's intrinsics.
        head: where it is in the first frame, if that is known.
    """

    def __init__(self, networks: Networks, sighter: Sighter, head: Box | None = None) -> None:
        self._networks, self._sighter, self._head = networks, sighter, head
        self.residual_limit = float(networks.encoder.lab_residual[1]) * FOREIGN_RESIDUAL
        self._before: tuple[Box, FrameLook] | None = None  # the crop of the last look, and what it showed

    def find(self, image: NDArray[np.uint8]) -> list[Box]:
        """The face that is most like the model's person; none or one."""
        seen = settle(self._sighter, image, self._head) if self._head else None
        seen = seen or search_face(self._sighter, image)
        self._head = seen.head if seen else None
        return [face_in_head(seen.head)] if seen else []

    def look(self, image: NDArray[np.uint8], head: Box) -> ModelView | None:
        """What the model sees in a head's box; None where that is no head for it."""
        seen, self._before = settle(self._sighter, image, head), None
        if seen is None:
            return None
        self._before = (seen.box, self._premise_look(*self._crop(image, seen.box), seen.state))
        yaw, pitch, roll = head_turn(seen.state.rotation.double().numpy())[0]
        return ModelView(seen.residual, self._unexplained(image, seen), (float(yaw), float(pitch), float(roll)))

    def pair(self, image: NDArray[np.uint8]) -> PairView | None:
        """The premise between the frame of the last look and the one after it, in the same crop."""
        if self._before is None:
            return None
        (box, before), self._before = self._before, None
        crop, intrinsics = self._crop(image, box)
        with torch.no_grad():
            state = self._networks.encoder.predict(crop, intrinsics).state
        limit = float(self._networks.encoder.lab_residual[1])
        found = pair_premise(before, self._premise_look(crop, intrinsics, state), limit)
        gain = ClipPremise(found, torch.zeros(1), torch.zeros(1)).expected_gain
        return PairView(float(found.score), gain, *(float(getattr(found, name)) for name in PairView._fields[2:]))

    def _premise_look(self, crop: Tensor, intrinsics: Tensor, state: FaceState) -> FrameLook:
        statistics, face_model, encoder = self._networks
        return look_by_source(face_model, statistics, crop, intrinsics, state, float(encoder.lab_residual[1]))

    def _unexplained(self, image: NDArray[np.uint8], seen: Sighting) -> float:
        statistics, face_model, _ = self._networks
        return float(unexplained_share(face_model, statistics, *self._crop(image, seen.box), seen.state))

    def _crop(self, image: NDArray[np.uint8], box: Box) -> tuple[Tensor, Tensor]:
        """A frame's crop (1, 3, S, S) sRGB in [0, 1] and its intrinsics (1, 3, 3)."""
        size = self._networks.encoder.image_size
        crop = torch.from_numpy(crop_image(image, box, size)).permute(2, 0, 1)[None].float() / 255
        return crop, crop_intrinsics(self._sighter.intrinsics[None], torch.tensor([box]), size)

