"""Networks to and from a stage's checkpoint: plain containers only, so that it loads without running code."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch

from steadyface.errors import InputError
from steadyface.networks.encoders import Encoder, build_encoder, encoder_settings
from steadyface.networks.face_model import FaceModel, FaceModelSettings
from steadyface.networks.face_models import build_face_model
from steadyface.types import SubjectStatistics


def describe_networks(
    statistics: SubjectStatistics, face_model: FaceModel, encoder: Encoder | None
) -> dict[str, Any]:
    """What a checkpoint holds beside the weights, to build the same networks again."""
    return {
        "statistics": {field.name: getattr(statistics, field.name) for field in fields(statistics)},
        "face_model_settings": asdict(face_model.settings),
        "encoder": encoder.name if encoder is not None else None,
        "encoder_settings": asdict(encoder.settings) if encoder is not None else None,
    }


def load_networks(path: str | Path) -> tuple[SubjectStatistics, FaceModel, Encoder | None]:
    """Build the networks of a decoder, source or adapted checkpoint; the encoder is None in a decoder's.

    Raises:
        InputError: no file there, or not a checkpoint of one of the three stages.
    """
    if not Path(path).is_file():
        raise InputError(path, "a checkpoint file", "nothing there", "give a run folder or its checkpoint")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as fault:  # torch raises many kinds for a broken file
        raise InputError(path, "a checkpoint of steadyface", f"an unreadable file ({type(fault).__name__})",
                         "run the stage again") from fault
    if not isinstance(content, dict) or "networks" not in content:
        raise InputError(path, "a checkpoint of steadyface", "another program's", "give one that `run` wrote")
    try:
        return _build(content["networks"], content["state_dict"])
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as fault:
        got = f"another version's ({type(fault).__name__}: {' '.join(str(fault).split())[:160]})"
        remedy = "run the stage again, or use the version that wrote it"
        raise InputError(path, "a checkpoint of this version of steadyface", got, remedy) from fault


def _build(
    described: dict[str, Any], weights: dict[str, torch.Tensor]
) -> tuple[SubjectStatistics, FaceModel, Encoder | None]:
    """The networks that a checkpoint describes, with its weights."""
    statistics = SubjectStatistics(**described["statistics"])
    face_model = build_face_model(statistics, FaceModelSettings(**described["face_model_settings"]))
    face_model.load_state_dict(_part(weights, "face_model."))
    if described["encoder_settings"] is None:
        return statistics, face_model, None
    name = described["encoder"]
    settings = encoder_settings(name, described["encoder_settings"])
    encoder = build_encoder(name, statistics, settings, face_model.settings.latent_size)
    encoder.load_state_dict(_part(weights, "encoder."))
    return statistics, face_model, encoder


def _part(weights: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name[len(prefix):]: value for name, value in weights.items() if name.startswith(prefix)}
