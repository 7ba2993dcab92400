"""What each row of the tables is, in a line."""

from __future__ import annotations

from typing import Any

EXPLAINED = {
    "source": "the source network: trained on the lab capture, never saw the clip",
    "source_smoothed": "the source network's track, smoothed over time: the rival that needs no adaptation",
    "adapted": "the source network adapted to the adapted clip without labels",
    "adapted_smoothed": "the adapted network's track, smoothed like the source's",
    "adapted_repeat": "`adapted` once more: the repeat that must show no difference",
    "published": "`adapted` with the published objective: raw texture consistencies, landmarks, no rehearsal",
    "cftc_alone": "`adapted` with consecutive frame texture consistency as its only picture term",
    "cftc_raw_alone": "`adapted` with consecutive frame texture consistency on raw colours as its only picture term",
    "motc_alone": "`adapted` with model-to-observation texture consistency as its only picture term",
    "motc_raw_alone": "`adapted` with model-to-observation texture consistency on raw colours as its only picture term",
    "motc_raw_maps": "`motc_raw_alone` with maps of gain and bias as colour model",
    "without_registration": "`adapted` without the registration of picture to texture",
    "without_rehearsal": "`adapted` without batches of the lab capture",
    "without_source_prior": "`adapted` without the pull towards the source network's states",
    "source_lab_light": "a source network trained under the lab's light only",
    "texture_space": "the texture-space encoder after as many steps as the source network",
    "i2znet_equal_time": "I2ZNet after as much training time as the texture-space encoder",
    "adapted_lab_light": "`source_lab_light`, adapted",
    "supervised_8": "adapted with the true labels of 8 frames of the adapted clip",
    "supervised_48": "adapted with the true labels of 48 frames of the adapted clip",
    "supervised_all": "adapted with the true labels of every frame of the adapted clip: the supervised ceiling",
    "decoder_floor": "the best that the face model can express, fitted to the true mesh",
    "photometric_fit": "the face model fitted to the pictures frame by frame, without a network's training; "
    "its two weights were chosen on the adapted clip of the synthetic subject of seed 0",
    "oracle_pose": "the source's latent under the true head pose",
    "oracle_latent": "the true latent under the source's head pose",
    "generic_tracker": "a tracker that knows no subject in particular",
}
MAX_CHANGES = 6


def explain_row(row: str, settings: dict[str, Any]) -> str:
    """A line on a row; one that is not known is explained by what it changes in the experiment.

    >>> explain_row("raw", {"variants": {"raw": {"weights": {"motc": 0.0}}}})
    '`adapted` with weights.motc = 0.0'
    """
    if row in EXPLAINED:
        return EXPLAINED[row]
    for section, base in (("variants", "`adapted`"), ("sources", "another source network, pretrained")):
        changes = (settings.get(section) or {}).get(row)
        if changes is not None:
            shown = [f"{key} = {value}" for key, value in flatten(changes).items()]
            rest = [f"{len(shown) - MAX_CHANGES} more"] if len(shown) > MAX_CHANGES else []
            return f"{base} with {', '.join([*shown[:MAX_CHANGES], *rest])}" if shown else base
    return ""


def flatten(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted path.

    >>> flatten({"a": {"b": 1}, "c": 2})
    {'a.b': 1, 'c': 2}
    """
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
