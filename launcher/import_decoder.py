"""``steadyface import-decoder``: a released network of the public Multiface code as a face model's checkpoint."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from datamodules.lab_splits import split_capture
from datamodules.lab_subject import read_subject
from launcher.checkpoint_io import AtomicCheckpointIO
from steadyface.capture.capture_index import MultifaceCapture
from steadyface.capture.krt import read_krt
from steadyface.capture.multiface import CaptureLayout
from steadyface.errors import InputError
from steadyface.networks.checkpoints import describe_networks
from steadyface.networks.face_models import build_face_model
from steadyface.networks.multiface_model import MULTIFACE_VARIANTS
from steadyface.networks.multiface_weights import Detected, check_weights, detect, load_public
from steadyface.types import SubjectStatistics

logger = logging.getLogger(__name__)

SEARCHED_MESHES = 1000
"""At most so many of a capture's meshes are searched for the rigid vertices."""


def import_decoder(released: Path, lab: Path, out: Path, variant: str | None = None) -> None:
    """Write a face model's checkpoint from a released state dict and the capture of its subject.

    The latent's statistics are not in either: they are measured where an encoder is pretrained.

    Args:
        released: their ``best_model.pth``.
        lab: the capture's folder, for topology, means and cameras.
        out: the checkpoint; must not exist.
        variant: base, res, non, bilinear or warp; None: found in the file.

    Raises:
        InputError: a file that is no such network, or a capture that it does not fit.
    """
    if out.exists():
        raise InputError(out, "a file that does not exist yet", "one that does", "give another name or move it away")
    if variant is not None and variant not in MULTIFACE_VARIANTS:
        raise InputError("--variant", f"one of {', '.join(MULTIFACE_VARIANTS)}", repr(variant), "choose one of them")
    weights = read_state_dict(released)
    found = detect(weights, variant)
    statistics = read_statistics(lab, found, released)
    model = build_face_model(statistics, found.settings)
    check_weights(weights, model, found, str(released))
    load_public(model, weights, camera_numbers(lab, statistics, found))
    state = {f"face_model.{name}": value for name, value in model.state_dict().items()}
    content = {"networks": describe_networks(statistics, model, None), "state_dict": state}
    AtomicCheckpointIO().save_checkpoint(content, out)
    print(
        f"{out}: {found.settings.architecture}, {found.settings.latent_size} numbers in the latent, "
        f"{found.vertex_count} vertices, {found.texture_size} x {found.texture_size} texels, "
        f"{len(statistics.cameras)} cameras"
    )


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors of a state dict by name, without the ``module.`` of a distributed training.

    Raises:
        InputError: no such file, or one that does not hold tensors by name.
    """
    expected, remedy = "a state dict: tensors by name", "give the best_model.pth of the public training"
    if not path.is_file():
        raise InputError(path, expected, "nothing there", "check the path")
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as fault:  # torch raises many kinds for a broken file
        raise InputError(path, expected, f"an unreadable file ({type(fault).__name__})", remedy) from fault
    if not isinstance(content, dict) or not content:
        raise InputError(path, expected, f"a {type(content).__name__}", remedy)
    others = [str(name) for name, value in content.items()
              if not isinstance(name, str) or not isinstance(value, Tensor) or not value.is_floating_point()]
    if others:
        raise InputError(path, expected, f"other content under {', '.join(others[:8])}", remedy)
    return {name.removeprefix("module."): value.float() for name, value in content.items()}


def read_statistics(lab: Path, found: Detected, released: Path) -> SubjectStatistics:
    """The subject's statistics, the textures in the decoder's size.

    Raises:
        InputError: no usable capture, or one of other vertices or smaller textures than the decoder's.
    """
    capture = MultifaceCapture(lab)
    training = split_capture(capture, [], [], 1).training
    few = training[:: -(-len(training) // SEARCHED_MESHES)]
    count = len(capture.read_topology().vertices)
    if count != found.vertex_count:
        raise InputError(released, f"a decoder of {count} vertices, as {lab} has", f"{found.vertex_count}",
                         "give the capture of the decoder's subject")
    try:
        return read_subject(capture, found.texture_size, few, threads=0)
    except InputError as fault:
        if fault.subject != "texture_size":
            raise
        raise InputError(released, f"a decoder of textures of {fault.expected}", f"{found.texture_size} x "
                         f"{found.texture_size} texels", "give the capture of the decoder's subject") from fault


def camera_numbers(lab: Path, statistics: SubjectStatistics, found: Detected) -> list[int]:
    """Which of the decoder's cameras each of the capture's is: theirs are numbered as in the KRT."""
    listed = list(read_krt(CaptureLayout(lab).krt))
    numbers = [listed.index(name) for name in statistics.cameras]
    beyond = [name for name, number in zip(statistics.cameras, numbers, strict=True) if number >= found.camera_count]
    if beyond:
        logger.warning("the decoder has no gain and bias for camera %s: they stay as they are", ", ".join(beyond))
    return numbers
