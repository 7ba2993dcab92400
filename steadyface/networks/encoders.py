"""The encoders by name; a checkpoint and ``pretraining.network`` name one of them.

To add one: derive from ``Encoder``, give it a ``name`` and a settings dataclass, and list both here.
"""

from __future__ import annotations

from typing import Any

from steadyface.errors import InputError
from steadyface.networks.encoder import TRAINED, Encoder, Prediction
from steadyface.networks.i2znet import I2ZNet, I2ZNetSettings
from steadyface.networks.state_encoder import StateEncoder, StateEncoderSettings
from steadyface.types import SubjectStatistics

__all__ = ["ENCODERS", "TRAINED", "Encoder", "Prediction", "build_encoder", "encoder_settings"]

ENCODERS: dict[str, tuple[type[Encoder], type[Any]]] = {
    StateEncoder.name: (StateEncoder, StateEncoderSettings),
    I2ZNet.name: (I2ZNet, I2ZNetSettings),
}
"""Name -> class, and the dataclass of its settings."""


def build_encoder(name: str, statistics: SubjectStatistics, settings: Any, latent_size: int) -> Encoder:
    """An untrained encoder; its weights are drawn from torch's global generator.

    Args:
        name: one of ``ENCODERS``.
        statistics: of the subject.
        settings: of that encoder's own class.
        latent_size: numbers in the face model's z.

    Raises:
        InputError: another name, or settings that no network can be built from.
    """
    if name not in ENCODERS:
        raise InputError("pretraining.network", f"one of {', '.join(ENCODERS)}", repr(name), "choose one of them")
    made, settings_type = ENCODERS[name]
    if not isinstance(settings, settings_type):
        raise TypeError(f"{name} is built from {settings_type.__name__}, not from {type(settings).__name__}")
    encoder: Encoder = made(statistics, settings, latent_size)  # type: ignore[call-arg]
    return encoder


def encoder_settings(name: str, values: dict[str, Any]) -> Any:
    """Settings of an encoder out of a checkpoint. Raises KeyError or TypeError for another version's."""
    return ENCODERS[name][1](**values)
